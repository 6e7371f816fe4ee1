"""Alerts become messages to people and machines: pure, as the rest of the engine.

ports         what it needs from outside: channels, the state store, queues
parcel        what one message tells: one alert, or a digest of many
routes        which channels an alert goes to
gist          what an alert of any version is about: title, tone, times
story         one alert: its gist, sections of facts, buttons
digest        many alerts, grouped by caller, scope and rule
page          either of them as a sheet
sheet         sections, facts and buttons, which every renderer draws
markdown      text from outside, harmless in a card
card          a sheet as Adaptive Card for Teams
mail          a sheet as mail, plain text and HTML (mail_html)
deliveries    messages of guard-deliveries
fan_out       one alert to one delivery for each of its channels
limits        how much may be sent when
grants        what was sent lately, which instances share
outbox        what waits for a channel, what it was told already
lane          one sender at a time for a channel, and who wakes it
sender        sends what waits, as long as it has the lane
aftermath     what is written down after a message: sent, put off, given up
deliver       from a delivery to a message sent, put off, or given up
notices       alerts about notifications themselves

An alert is kept in the store before it is sent, so that a message may fail, a limit may be used up
and a process may die without it being lost, and so that it is told once for each channel.
"""
