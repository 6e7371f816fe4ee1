"""Alerts become messages to people and machines: pure, as the rest of the engine.

ports         what it needs from outside: channels, the state store, queues
parcel        what one message tells: one alert, or a digest of many
story         an alert of any version as title, tone, facts and links
digest        many alerts, grouped by caller, scope and rule
markdown      text from outside, harmless in a card
card          a parcel as Adaptive Card for Teams
mail          a parcel as mail, HTML and plain text
deliveries    messages of guard-deliveries
fan_out       one alert to one delivery for each of its channels
limits        how much may be sent when
outbox        what waits for a channel, what it was told already
lane          one sender at a time for a channel, and who wakes it
deliver       from a delivery to a message sent, put off, or given up

An alert is kept in the store before it is sent, so that a message may fail, a limit may be used up
and a process may die without it being lost, and so that it is told once for each channel.
"""
