"""What ended at the sandbox's sinks: alerts at the webhook, cards in Teams, mails."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sandbox.outside import until
from sandbox.up import Sinks

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Card:
    """One post in Teams: the workflow's body, and when it came."""

    message: dict[str, Any]
    at: datetime

    @property
    def text(self) -> str:
        """Everything in it, hidden IDs as well."""
        return json.dumps(self.message, ensure_ascii=False)


class Inbox:
    """Reads the sinks; the app takes `guard-alerts` itself, so that nobody else can."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts, each once, as the webhook got them."""
        alerts = (json.loads(call["body"]) for call in self._sinks.webhooks.kept())
        return [*{(one["alertId"], one["outcome"]): one for one in alerts}.values()]

    def cards(self) -> list[Card]:
        """The posts in Teams; there is one for each request, since none is refused here."""
        pairs = zip(self._sinks.teams.kept(), self._sinks.teams.requests, strict=False)
        return [Card(message, datetime.fromisoformat(request["at"])) for message, request in pairs]

    def mails(self) -> list[dict[str, Any]]:
        """The mails."""
        return self._sinks.mails.kept()

    def not_mailed(self) -> int:
        """How many alerts still wait for a mail."""
        mailed = "".join(f"{mail['text']}{mail['attachments']}" for mail in self.mails())
        return sum(alert["alertId"] not in mailed for alert in self.alerts())

    async def alerts_about(self, *names: str) -> list[dict[str, Any]]:
        """Wait until there is an alert about each of these resources; those alerts."""
        return [
            await _first(self.alerts, partial(_is_about, name), f"alert about {name}")
            for name in names
        ]

    async def card_with(self, text: str) -> Card:
        """Wait for the card that holds a text."""
        return await _first(self.cards, lambda card: text in card.text, f"card with {text}")

    async def mail_about(self, name: str) -> dict[str, Any]:
        """Wait for the mail that has a name in its subject."""
        return await _first(self.mails, lambda mail: name in mail["subject"], f"mail about {name}")


def _is_about(name: str, alert: dict[str, Any]) -> bool:
    return str(alert["resourceId"]).endswith(f"/{name}")


async def _first[T](all_of: Callable[[], list[T]], fits: Callable[[T], bool], what: str) -> T:
    async def found() -> T | None:
        return next((one for one in all_of() if fits(one)), None)

    return await until(found, f"the {what}", _PATIENCE_S)
