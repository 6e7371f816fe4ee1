"""Lists of Azure Resource Manager, page after page, each where the one before says."""

from collections.abc import Mapping
from typing import Any

from guards.edges.arm_origin import own
from guards.edges.arm_requests import Requests, document
from guards.engine.errors import Terminal, Transient
from guards.engine.ids import ResourceId
from guards.engine.model import Body

MOST_PAGES = 500


async def listed(requests: Requests, resource: ResourceId, url: str, deadline: float) -> list[Body]:
    """All that a list has; a part of it is never passed off as the whole.

    Raises:
        Transient: the time is up, or an answer makes no sense as a page of a list.
        Terminal: the next page is on another host, or the list does not end.
    """
    found: list[Body] = []
    seen: set[str] = set()
    while len(seen) < MOST_PAGES:
        seen.add(url)
        page = document(await requests.send(resource, "GET", url, deadline))
        found += _values(page)
        link = _next(page)
        if not link:
            return found
        url = own(url, link)
        if url in seen:
            raise Transient("Azure's list leads back to a page it had before")
    raise Terminal(f"Azure's list has more than {MOST_PAGES} pages", code="TooManyPages")


def _values(page: Mapping[str, Any]) -> list[Body]:
    values = page.get("value")
    if not isinstance(values, list):  # an empty list would say that there is nothing
        raise Transient("Azure's answer has no list in it")
    return [value for value in values if isinstance(value, dict)]


def _next(page: Mapping[str, Any]) -> str:
    link = page.get("nextLink") or ""
    if not isinstance(link, str):
        raise Transient("Azure's list does not say where it goes on")
    return link
