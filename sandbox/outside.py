"""The outside world on the sandbox: people who write resources, and readers of the alert queue.

Talks to the endpoints only, as `make run` prints them; used by the demo and the tests.
"""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Self

from aiohttp import ClientPayloadError, ClientSession, ClientTimeout, TCPConnector
from azure.storage.blob.aio import BlobClient
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from sandbox.storage import ACCOUNT, KEY

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP = "payroll-rg"

_VERSIONS = {"microsoft.compute": "2026-03-02", "microsoft.containerregistry": "2025-11-01"}
_PATIENCE_S = 60.0


async def until[T](
    ask: Callable[[], Awaitable[T | None]], what: str, within_s: float = _PATIENCE_S
) -> T:
    """Ask until there is an answer; TimeoutError saying what was waited for.

    The longer it takes, the seldomer: asking all the time takes a core from those who work.
    """
    began = time.monotonic()
    while True:
        answer = await ask()
        if answer is not None:
            return answer
        waited = time.monotonic() - began
        if waited > within_s:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        await asyncio.sleep(min(max(0.05, waited / 20), 0.25))


def path_of(type_: str, name: str, subscription: str = SUBSCRIPTION, group: str = GROUP) -> str:
    """The resource ID of a resource of the story."""
    namespace, _, rest = type_.partition("/")
    types, names = rest.split("/"), name.split("/")
    tail = "/".join(f"{kind}/{called}" for kind, called in zip(types, names, strict=True))
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{tail}"


class Outside:
    """Everybody but the guard: `async with Outside(endpoints) as outside`."""

    def __init__(self, endpoints: dict[str, Any]) -> None:
        self.endpoints = endpoints
        self._stack = AsyncExitStack()
        self._alerts: list[dict[str, Any]] = []
        self._session: ClientSession
        self._queue: QueueClient

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self.endpoints["ca"])
        self._session = await self._stack.enter_async_context(
            ClientSession(connector=TCPConnector(ssl=context), timeout=ClientTimeout(total=30))
        )
        self._queue = await self._stack.enter_async_context(self.queue("guard-alerts"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def queue(self, name: str) -> QueueClient:
        """A client of one queue, decoding base64."""
        return QueueClient.from_connection_string(
            self.endpoints["queueConnection"],
            name,
            message_decode_policy=TextBase64DecodePolicy(),
            connection_verify=self.endpoints["ca"],
            use_env_settings=False,  # no proxy on the way to loopback
        )

    async def arm(
        self, method: str, path: str, caller: str, body: Any = None, api_version: str = ""
    ) -> tuple[int, Any]:
        """One ARM request by a caller of this name; status and JSON body."""
        url = self._url(path, api_version)
        status, answer, _ = await self._send(method, url, caller, body)
        return status, answer

    def _url(self, path: str, api_version: str = "") -> str:
        namespace = path.partition("/providers/")[2].partition("/")[0].lower()
        version = api_version or _VERSIONS.get(namespace, "2022-09-01")
        return f"{self.endpoints['arm']}{path}?api-version={version}"

    async def _send(
        self, method: str, url: str, caller: str, body: Any = None
    ) -> tuple[int, Any, str]:
        """Status, JSON body, and the Location of a request."""
        headers = {"x-sandbox-caller": caller}
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            location = answer.headers.get("Location", "")
            return answer.status, json.loads(text) if text else None, location

    async def put(
        self, caller: str, type_: str, name: str, properties: dict[str, Any], sku: str | None
    ) -> str:
        """Create or replace a resource; returns its ID."""
        if "disks" in type_ or "snapshots" in type_:
            creation = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 32}
            properties = {**creation, **properties}
        path = path_of(type_, name)
        body: dict[str, Any] = {"location": "westeurope", "properties": properties}
        if sku is not None:
            body["sku"] = {"name": sku}
        status, answer = await self.arm("PUT", path, caller, body)
        if status not in (200, 201, 202):
            raise RuntimeError(f"PUT of {name} answered {status}: {answer}")
        return path

    async def put_unnoticed(
        self, caller: str, type_: str, name: str, properties: dict[str, Any], sku: str | None
    ) -> str:
        """As `put`, with the guard told that there is no such resource: it is left as it is."""
        await self.hide(name)
        path = await self.put(caller, type_, name, properties, sku)
        await self.wait_for_calls_of(name, 1)
        return path

    async def hide(self, name: str) -> None:
        """The guard's next look at a resource finds nothing there."""
        order = {
            "match": {"method": "GET", "caller": "guard", "path": f"{name}$"},
            "status": 404,
            "body": {"error": {"code": "ResourceNotFound"}},
        }
        await self.fault(order)

    async def grant_access(self, caller: str, path: str, seconds: int = 3600) -> str:
        """Ask for a link to a disk's, snapshot's or disk restore point's data; returns the link."""
        body = {"access": "Read", "durationInSeconds": seconds}
        answer = await self.act(caller, path, "beginGetAccess", body)
        return str(answer["accessSAS"])

    async def act(self, caller: str, path: str, action: str, body: Any = None) -> Any:
        """An action of a resource, followed to its end; returns what it answers."""
        url = self._url(f"{path}/{action}")
        status, answer, location = await self._send("POST", url, caller, body)

        async def done() -> bool | None:
            nonlocal status, answer
            if status == 202:
                status, answer, _ = await self._send("GET", location, caller)
            return status != 202 or None

        await until(done, f"{action} of {path}")
        if status != 200:
            raise RuntimeError(f"{action} of {path} answered {status}: {answer}")
        return answer

    async def grant_unnoticed(self, caller: str, path: str) -> str:
        """As `grant_access`, without an event."""
        usual = (await self.control("GET", "settings"))["event_at"]
        await self.settings(event_at="never")
        try:
            return await self.grant_access(caller, path)
        finally:
            await self.settings(event_at=usual)

    async def link_status(self, link: str) -> int:
        """What a link answers: 200 as long as it is good, then 403."""
        async with self._session.head(link) as answer:
            return answer.status

    async def download(self, link: str) -> int:
        """Read through a link until it breaks off or all has come; returns the number of bytes."""
        received = 0
        try:
            async with self._session.get(link) as answer:
                async for chunk in answer.content.iter_any():
                    received += len(chunk) if answer.status == 200 else 0
        except ClientPayloadError:
            pass  # it broke off
        return received

    async def downloads(self) -> list[dict[str, Any]]:
        """Who read through links: resource, startedAt, bytes, endedAt, brokenOff; oldest first."""
        listed: list[dict[str, Any]] = await self.control("GET", "downloads")
        return listed

    async def get(self, type_: str, name: str) -> dict[str, Any]:
        """A resource as it stands; {} if it does not exist."""
        status, body = await self.arm("GET", path_of(type_, name), "onlooker")
        return body if status == 200 else {}

    async def post_event(self, event: Any, function: str = "resource_changed") -> int:
        """Deliver one event to the app's webhook as Event Grid does; the status of the answer."""
        async with self._session.post(
            f"{self.endpoints['functions']}/runtime/webhooks/eventgrid",
            params={"functionName": function, "code": self.endpoints["functionsKey"]},
            headers={"aeg-event-type": "Notification"},
            json=event,
        ) as answer:
            return answer.status

    async def functions(self) -> dict[str, list[dict[str, Any]]]:
        """Function names and their bindings, as the worker library indexed them."""
        async with self._session.get(
            f"{self.endpoints['functions']}/admin/functions",
            headers={"x-functions-key": self.endpoints["functionsKey"]},
        ) as answer:
            return {function["name"]: function["bindings"] for function in await answer.json()}

    async def put_message(self, queue: str, message: Any, *, encode: bool = True) -> None:
        """Put a text, or JSON, into a queue; base64 as Event Grid and the guard do."""
        text = message if isinstance(message, str) else json.dumps(message)
        if encode:
            text = base64.b64encode(text.encode()).decode()
        async with self.queue(queue) as client:
            await client.send_message(text)

    @property
    def policy_url(self) -> str:
        """Where `put_policy` puts it, as GUARD_POLICY names it; of a sandbox with blobs."""
        return f"{self.endpoints['blobs']}/policy/policy.yaml"

    async def put_policy(self, text: str) -> None:
        """Upload a policy, in place of the one before."""
        async with BlobClient.from_blob_url(
            self.policy_url,
            credential={"account_name": ACCOUNT, "account_key": KEY},
            connection_verify=self.endpoints["ca"],
            use_env_settings=False,  # no proxy on the way to loopback
        ) as blob:
            await blob.upload_blob(text.encode(), overwrite=True)

    async def guard_id(self) -> str:
        """The object ID of the guard's identity, from a token of the identity endpoint."""
        identity = self.endpoints["identity"]
        async with self._session.get(
            identity["endpoint"],
            params={"api-version": "2019-08-01", "resource": "https://management.azure.com"},
            headers={"X-IDENTITY-HEADER": identity["header"]},
        ) as answer:
            token = (await answer.json())["access_token"]
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["oid"])

    async def control(self, method: str, name: str, body: Any = None) -> Any:
        """A control endpoint of the sandbox: calls, faults, settings, ..."""
        url = f"{self.endpoints['arm']}/_sandbox/{name}"
        async with self._session.request(method, url, json=body) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {name} answered {answer.status}: {text}")
            return json.loads(text) if text else None

    async def fault(self, order: dict[str, Any]) -> None:
        """Order trouble for the next call that matches."""
        await self.control("POST", "faults", order)

    async def settings(self, **values: Any) -> None:
        """Change the sandbox's behaviour."""
        await self.control("POST", "settings", values)

    async def forget_calls(self) -> None:
        """Start a new list of ARM calls."""
        await self.control("DELETE", "calls")

    async def guard_calls(self) -> list[dict[str, Any]]:
        """The guard's ARM calls since the list was started."""
        calls: list[dict[str, Any]] = await self.control("GET", "calls?caller=guard")
        return calls

    async def guard_calls_of(self, name: str) -> list[dict[str, Any]]:
        """The guard's ARM calls for one resource and its children."""
        calls = await self.guard_calls()
        return [call for call in calls if f"/{name}/" in call["path"] + "/"]

    async def wait_for_calls_of(
        self, name: str, number: int, within_s: float = _PATIENCE_S
    ) -> None:
        """Wait until the guard has made so many ARM calls for one resource."""

        async def enough() -> bool | None:
            return len(await self.guard_calls_of(name)) >= number or None

        await until(enough, f"{number} ARM calls of the guard for {name}", within_s)

    async def wait_for_calls(self, number: int, within_s: float = _PATIENCE_S) -> None:
        """Wait until the guard has made so many ARM calls."""

        async def enough() -> bool | None:
            return len(await self.guard_calls()) >= number or None

        await until(enough, f"{number} ARM calls of the guard", within_s)

    async def wait_until_idle(self, quiet_s: float = 0.3, within_s: float = _PATIENCE_S) -> None:
        """Wait until every event is delivered, and the list of ARM calls has not grown for a while.

        A webhook answers when the guard is done; what the queues bring shows in the calls only.
        """
        since, seen = time.monotonic(), -1

        async def quiet() -> bool | None:
            nonlocal since, seen
            pending = (await self.control("GET", "events"))["pending"]
            now = len(await self.guard_calls())
            if pending or now != seen:
                since, seen = time.monotonic(), now
            return time.monotonic() - since >= quiet_s or None

        await until(quiet, "the guard to be idle", within_s)

    async def milliseconds_from_put_to_patch(self) -> float | None:
        """Between the first PUT and the guard's first PATCH in the list of calls."""
        calls = await self.control("GET", "calls")
        put = next((c for c in calls if c["method"] == "PUT"), None)
        patch = next((c for c in calls if c["method"] == "PATCH" and c["caller"] == "guard"), None)
        if put is None or patch is None:
            return None
        opened, closed = (datetime.fromisoformat(call["at"]) for call in (put, patch))
        return (closed - opened).total_seconds() * 1000

    async def wait_until_closed(self, type_: str, name: str, within_s: float = _PATIENCE_S) -> None:
        """Wait until a disk or snapshot denies all network access."""

        async def closed() -> bool | None:
            properties = (await self.get(type_, name)).get("properties", {})
            return properties.get("networkAccessPolicy") == "DenyAll" or None

        await until(closed, f"{name} to be closed", within_s)

    async def teams(self) -> list[Any]:
        """The messages posted to Teams, oldest first."""
        kept: list[Any] = await self.control("GET", "teams")
        return kept

    async def mails(self) -> list[dict[str, Any]]:
        """The mails sent by SMTP, oldest first."""
        kept: list[dict[str, Any]] = await self.control("GET", "mails")
        return kept

    async def wait_for_cards(self, number: int, within_s: float = _PATIENCE_S) -> list[Any]:
        """Wait until so many messages were posted to Teams; returns all there are."""
        return await _enough(self.teams, number, "messages in Teams", within_s)

    async def wait_for_mails(
        self, number: int, within_s: float = _PATIENCE_S
    ) -> list[dict[str, Any]]:
        """Wait until so many mails were sent by SMTP; returns all there are."""
        return await _enough(self.mails, number, "mails", within_s)

    async def post_alert(self, alert: dict[str, Any]) -> None:
        """Put an alert into the alert queue, as the guard does."""
        await self.put_message("guard-alerts", alert)

    async def alerts(self) -> list[dict[str, Any]]:
        """Every alert posted so far; they stay in this list and leave the queue."""
        async for message in self._queue.receive_messages(max_messages=32, messages_per_page=32):
            self._alerts.append(json.loads(message.content))
            await self._queue.delete_message(message)
        return self._alerts

    async def alerts_about(self, name: str) -> list[dict[str, Any]]:
        """The alerts whose resource has this name."""
        return [a for a in await self.alerts() if (a["resourceId"] or "").endswith(f"/{name}")]

    async def alert_about(self, name: str, within_s: float = _PATIENCE_S) -> dict[str, Any]:
        """Wait for the first alert about a resource."""

        async def first() -> dict[str, Any] | None:
            return next(iter(await self.alerts_about(name)), None)

        return await until(first, f"an alert about {name}", within_s)


async def _enough[T](
    ask: Callable[[], Awaitable[list[T]]], number: int, what: str, within_s: float
) -> list[T]:
    async def found() -> list[T] | None:
        things = await ask()
        return things if len(things) >= number else None

    return await until(found, f"{number} {what}", within_s)
