"""Ways from an alert to people and machines: one module per kind, loaded if it is configured.

teams                a workflow of Microsoft Teams, by its webhook
smtp                 mail through a mail server
communication_email  mail through Azure Communication Services
eventgrid            CloudEvents to an Event Grid topic
webhook              signed JSON to any https endpoint

base, answers, posting and mails are what they have in common. Addresses of webhooks, passwords,
keys and tokens are in no exception, no `repr` and no log.
"""
