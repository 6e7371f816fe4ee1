"""What Azure accepted and goes on with: followed as it asks, until it is done or time is up."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from guards.edges.arm_errors import refused, retry_after
from guards.edges.arm_origin import OTHER_HOST, own
from guards.edges.arm_requests import Requests, Response, document
from guards.engine.errors import Gone, StillRunning, Terminal, Transient
from guards.engine.ids import ResourceId

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 1.0

_OPERATION = "Azure-AsyncOperation"


def at_once(response: Response) -> bool:
    """Whether the answer says that everything is done."""
    return response.status_code in (200, 204) and _OPERATION not in response.headers


@contextmanager
def accepted() -> Iterator[None]:
    """Around what follows an accepted request: it is not sent again, so trouble is a delay.

    Raises:
        StillRunning: instead of Transient.
    """
    try:
        yield
    except (Transient, TimeoutError) as e:
        raise StillRunning(
            f"Azure accepted the change and has not finished it: {e}",
            retry_after=getattr(e, "retry_after", None),
        ) from e


async def followed(
    requests: Requests,
    resource: ResourceId,
    url: str,
    response: Response,
    deadline: float,
) -> Response | None:
    """Follow the operation that `url` began; its result, or None where the resource must tell.

    Whether polling needs a permission of its own is undocumented: a poll that is refused, or
    an operation that nobody knows any more, says nothing about the change.
    """
    operation = response.headers.get(_OPERATION)
    location = response.headers.get("Location")
    try:
        if operation:
            await _finished(requests, resource, own(url, operation), response, deadline)
        elif location:
            return await _arrived(requests, resource, own(url, location), response, deadline)
    except (Terminal, Gone) as e:
        if e.status not in (403, 404) and e.code != OTHER_HOST:
            raise
        log.info("operation of %s cannot be polled: %s", resource, e)
    return None


async def wait(response: Response | None, deadline: float) -> None:
    """The pause before the next poll: what Azure asks for, else one second."""
    asked = retry_after(response.headers) if response is not None else None
    delay = asked or POLL_INTERVAL_S
    if time.monotonic() + delay >= deadline:
        raise Transient("the operation is still running", retry_after=delay)
    await asyncio.sleep(delay)


async def _finished(
    requests: Requests,
    resource: ResourceId,
    url: str,
    response: Response,
    deadline: float,
) -> None:
    """Wait for an Azure-AsyncOperation to succeed."""
    while True:
        await wait(response, deadline)
        response = await requests.send(resource, "GET", url, deadline)
        told = document(response)
        status = str(told.get("status") or "").lower()
        if status == "succeeded":
            return
        if status in {"failed", "canceled"}:
            raise refused(400, {}, told)


async def _arrived(
    requests: Requests,
    resource: ResourceId,
    url: str,
    response: Response,
    deadline: float,
) -> Response:
    """Follow a Location until it no longer answers 202."""
    while True:
        await wait(response, deadline)
        response = await requests.send(resource, "GET", url, deadline)
        if response.status_code != 202:
            return response
