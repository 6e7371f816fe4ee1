"""An Event Grid topic: takes events by https or in process, and delivers them as Event Grid does.

At least once, in no order, one event a request; an answer within 30 s counts. Retries follow
Azure's published schedule with jitter; 400, 401, 403 and 413 are never retried; what cannot be
delivered becomes a dead letter. Not reproduced: event filters, batching, holding back a whole
endpoint after failures, and the longer first pauses after 404, 408 and 503.
"""

import asyncio
import hmac
import json
import random
import ssl
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from sandbox.identity import TokenRefusedError, Tokens
from sandbox.sinks.endpoint import Endpoint, refused
from sandbox.sinks.kept import Kept

AZURE_SCHEDULE = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 21600.0, 43200.0)
"""Seconds before the second attempt, the third, and so on; the last one repeats."""

MOST_ATTEMPTS = 30
TIME_TO_LIVE = 24 * 3600.0
ANSWER_LIMIT = 30.0
NEVER_RETRIED = frozenset({400, 401, 403, 413})
DELIVERED = frozenset({200, 201, 202, 203, 204})

MOST_WAITING = 20_000
"""Events under way; what comes on top of that is dead-lettered at once, to bound the memory."""
_AT_ONCE = 64
_LARGEST_REQUEST = 2**20
_AUDIENCES = frozenset({"https://eventgrid.azure.net"})
_ORIGIN = "eventgrid.azure.net"
_NAME = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/sandbox/providers"
    "/Microsoft.EventGrid/topics/sandbox"
)


class Delivery(NamedTuple):
    """One attempt (counted from 1): `started` in seconds since 1970, and how it ended."""

    event_id: str
    attempt: int
    started: float
    seconds: float
    status: int
    """The HTTP status, or 0 when there was no answer."""


class HandshakeError(RuntimeError):
    """The endpoint did not prove that it wants the events."""


def schedule_from(environment: Mapping[str, str]) -> Sequence[float]:
    """The retry schedule: Azure's, or that of SANDBOX_RETRY_SCHEDULE ("0.5,1,2", in seconds)."""
    text = environment.get("SANDBOX_RETRY_SCHEDULE", "").strip()
    return tuple(float(part) for part in text.split(",")) if text else AZURE_SCHEDULE


class Topic(Endpoint):
    """A custom topic and its subscriptions; publishers show its key or, with `tokens`, a token."""

    def __init__(
        self,
        key: str,
        schedule: Sequence[float] = AZURE_SCHEDULE,
        *,
        tokens: Tokens | None = None,
    ) -> None:
        self.key = key
        self._tokens = tokens
        self.deliveries: deque[Delivery] = deque(maxlen=10_000)
        """The last attempts, oldest first."""
        self._schedule = tuple(schedule)
        self._dead: deque[dict[str, Any]] = deque(maxlen=1_000)
        self._endpoints: list[str] = []
        self._waiting: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._session: ClientSession | None = None
        self._kept: Kept[dict[str, Any]] = Kept()
        super().__init__([("POST", "/api/events", self._publish)], largest=_LARGEST_REQUEST)

    async def start(self, ssl_context: ssl.SSLContext, port: int = 0) -> str:
        """Listen; returns the address to publish to."""
        self._session = ClientSession(
            connector=TCPConnector(limit=0), timeout=ClientTimeout(total=ANSWER_LIMIT)
        )
        return f"{await self.listen(ssl_context, port)}/api/events"

    async def stop(self) -> None:
        """Give up on every event and close."""
        await super().stop()
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @property
    def pending(self) -> int:
        """How many events are neither delivered nor dead."""
        return len(self._waiting)

    def kept(self) -> list[dict[str, Any]]:
        """The events that were published by https, oldest first, subscriptions or none."""
        return self._kept.all()

    def dead_letters(self) -> list[dict[str, Any]]:
        """What was not delivered: {event, endpoint, attempts, status, reason}, oldest first."""
        return list(self._dead)

    def raise_event(self, event: dict[str, Any]) -> None:
        """Deliver an event to every subscription, in the background."""
        for endpoint in self._endpoints:
            if len(self._waiting) >= MOST_WAITING:
                self._bury(event, endpoint, 0, 0, "TooManyWaiting")
                continue
            task = asyncio.create_task(self._deliver(event, endpoint))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def subscribe(self, url: str) -> None:
        """Add an endpoint, after the handshakes of both schemas; raises HandshakeError."""
        assert self._session is not None, "the topic is not started"
        code = str(uuid.uuid4())
        event = {
            "id": str(uuid.uuid4()),
            "topic": _NAME,
            "subject": "",
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": datetime.now(UTC).isoformat(),
            "data": {"validationCode": code},
            "dataVersion": "1",
            "metadataVersion": "1",
        }
        headers = {"aeg-event-type": "SubscriptionValidation"}
        async with self._session.post(url, json=[event], headers=headers) as answer:
            text = await answer.text()
            if answer.status != 200 or _validation_response(text) != code:
                raise HandshakeError(f"validation event answered with {answer.status}: {text}")
        headers = {"WebHook-Request-Origin": _ORIGIN}
        async with self._session.options(url, headers=headers) as answer:
            allowed = answer.headers.get("WebHook-Allowed-Origin")
            if answer.status != 200 or allowed not in {"*", _ORIGIN}:
                raise HandshakeError(f"OPTIONS answered with {answer.status}, origin {allowed}")
        self._endpoints.append(url)

    async def _publish(self, request: web.Request) -> web.Response:
        if not self._is_authorized(request):
            return refused(401, "Unauthorized", "The request's key or token is not accepted.")
        try:
            body = await request.read()
            given = json.loads(body)
        except ValueError as exc:
            return refused(400, "BadRequest", str(exc))
        events = given if isinstance(given, list) else [given]
        for event in events:
            if missing := _missing(event):
                return refused(400, "BadRequest", f"The event lacks {', '.join(missing)}.")
        for event in events:
            if "specversion" not in event:
                event = {**event, "topic": _NAME, "metadataVersion": "1"}
            self._kept.add(event, len(body) // len(events))
            self.raise_event(event)
        return web.Response(status=200)

    def _is_authorized(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if self._tokens is None or scheme.lower() != "bearer":
            return hmac.compare_digest(
                request.headers.get("aeg-sas-key", "").encode(), self.key.encode()
            )
        try:
            self._tokens.verify(token, _AUDIENCES)
        except TokenRefusedError:
            return False
        return True

    async def _deliver(self, event: dict[str, Any], endpoint: str) -> None:
        cloud = "specversion" in event
        kind = "application/cloudevents+json" if cloud else "application/json"
        body = json.dumps(event if cloud else [event]).encode()
        born = time.monotonic()
        for attempt in range(1, MOST_ATTEMPTS + 1):
            headers = {
                "aeg-event-type": "Notification",
                "aeg-subscription-name": "SANDBOX",
                "aeg-delivery-count": str(attempt - 1),
                "content-type": f"{kind}; charset=utf-8",
            }
            status = await self._attempt(str(event.get("id")), attempt, endpoint, body, headers)
            if status in DELIVERED:
                return
            if status in NEVER_RETRIED:
                self._bury(event, endpoint, attempt, status, "NotRetried")
                return
            pause = self._schedule[min(attempt, len(self._schedule)) - 1]
            if time.monotonic() - born + pause > TIME_TO_LIVE:
                break
            await asyncio.sleep(pause * random.uniform(1.0, 1.2))
        self._bury(event, endpoint, attempt, status, "MaxDeliveryAttemptsExceeded")

    async def _attempt(
        self, event_id: str, attempt: int, endpoint: str, body: bytes, headers: dict[str, str]
    ) -> int:
        assert self._session is not None
        async with self._at_once:
            started, clock = time.time(), time.perf_counter()
            status = 0
            try:
                async with self._session.post(endpoint, data=body, headers=headers) as answer:
                    await answer.read()
                    status = answer.status
            except (ClientError, TimeoutError, OSError):
                pass  # no answer is status 0
            took = time.perf_counter() - clock
        self.deliveries.append(Delivery(event_id, attempt, started, took, status))
        return status

    def _bury(
        self, event: dict[str, Any], endpoint: str, attempts: int, status: int, reason: str
    ) -> None:
        self._dead.append(
            {
                "event": event,
                "endpoint": endpoint.partition("?")[0],  # the rest carries the key
                "attempts": attempts,
                "status": status,
                "reason": reason,
            }
        )


def _missing(event: object) -> list[str]:
    """The required attributes that an event of either schema lacks."""
    if not isinstance(event, dict):
        return ["the form of an object"]
    needed: tuple[str, ...]
    if "specversion" in event:
        needed = ("id", "source", "type")
    else:
        needed = ("id", "subject", "eventType", "eventTime", "data", "dataVersion")
    return [name for name in needed if event.get(name) is None]


def _validation_response(text: str) -> str | None:
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    return answer.get("validationResponse") if isinstance(answer, dict) else None
