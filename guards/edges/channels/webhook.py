"""Any https endpoint: the alert as JSON, signed, so that the receiver knows who sent it and when.

    X-Export-Guard-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>." and the body>
    X-Export-Guard-Delivery: <alertId>

The receiver computes the HMAC with the secret it was given, compares in constant time, and turns
down what is older than some minutes.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime

import aiohttp

from guards.edges.channels.answers import refused
from guards.edges.channels.base import Base
from guards.edges.channels.posting import Mailbox
from guards.engine.events import clean
from guards.engine.notify.parcel import Parcel
from guards.engine.notify.ports import Another, Sent

_WHO = "the webhook"
_SECRET = "it does not take the signature: is the channel's secret the one it knows?"  # noqa: S105
_GONE = "nothing is there: correct the channel's address"
_ADVICE = {
    400: "it does not take the alert",
    401: _SECRET,
    403: _SECRET,
    404: _GONE,
    410: _GONE,
    413: "the alert is too large for it",
}


class Webhook(Base):
    """An endpoint by its URL, which is a secret as well as the key of the signature.

    Raises:
        ValueError: there is no secret; the message names the setting.
    """

    def __init__(
        self,
        name: str,
        url: str,
        secret: str,
        session: aiohttp.ClientSession,
        proxy: str | None,
        now: Callable[[], datetime],
    ) -> None:
        if not secret:
            setting = f"GUARD_CHANNEL_{name.upper().replace('-', '_')}__secret"
            raise ValueError(f"set {setting}: the receiver tells by it who sent an alert")
        super().__init__(name, (), capacity=1)
        self._key = secret.encode()
        self._mailbox = Mailbox(_WHO, url, session, proxy)
        self._now = now

    async def send(self, parcel: Parcel, another: Another) -> Sent:
        """As `Channel.send`: one alert, which is the only one of the parcel."""
        (item,) = parcel.items
        body = json.dumps(item.alert).encode()
        headers = {
            "X-Export-Guard-Signature": self._signature(body),
            "X-Export-Guard-Delivery": clean(item.alert.get("alertId")),
        }
        answer = await self._mailbox.post(body, headers)
        if not answer.ok:
            raise refused(_WHO, answer.status, answer.headers, answer.code, _ADVICE)
        return Sent(f"{answer.status} accepted by the webhook")

    def _signature(self, body: bytes) -> str:
        seconds = int(self._now().timestamp())
        signed = hmac.new(self._key, f"{seconds}.".encode() + body, hashlib.sha256)
        return f"t={seconds},v1={signed.hexdigest()}"
