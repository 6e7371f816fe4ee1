"""Where the app's messages to people and machines end: servers that keep what they get.

teams          a Teams workflow
mails          a mail server
communication  Azure Communication Services, which sends mail
webhooks       anybody's https endpoint

What they have in common: `kept` remembers, `endpoint` is a web server with trouble on order.
"""

from sandbox.sinks.communication import Communication
from sandbox.sinks.kept import KEPT
from sandbox.sinks.mails import Mails
from sandbox.sinks.teams import Teams
from sandbox.sinks.webhooks import Webhooks

__all__ = ["KEPT", "Communication", "Mails", "Teams", "Webhooks"]
