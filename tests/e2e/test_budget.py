"""The call budget, counted at the sandbox's ARM, identity endpoint and queues."""

import asyncio

from azure.eventgrid.aio import EventGridPublisherClient

from sandbox.outside import Outside, path_of
from tests.e2e.events import event_about
from tests.e2e.names import CLOSED, DISK, MACHINE, OPEN, PREMIUM, fresh

IMAGE = "Microsoft.Compute/images"


async def test_a_compliant_write_costs_one_get_and_no_alert(outside: Outside) -> None:
    """Nothing is said about what is as it should be."""
    name = fresh("disk")
    await outside.put("platform", DISK, name, CLOSED, PREMIUM)
    await outside.wait_for_calls_of(name, 1)
    await outside.wait_until_idle()
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET"]
    assert await outside.alerts_about(name) == []


async def test_a_noncompliant_write_costs_one_get_and_one_patch(outside: Outside) -> None:
    """The event of the guard's own PATCH costs nothing on top."""
    name = fresh("disk")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await outside.alert_about(name)
    await outside.wait_until_idle()
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET", "PATCH"]


async def test_an_own_write_with_empty_claims_costs_one_get_and_no_loop(outside: Outside) -> None:
    """Without a caller the guard cannot know its own PATCH: it looks once, and is content."""
    name = fresh("disk")
    await outside.settings(claims="empty")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    alert = await outside.alert_about(name)
    await outside.wait_for_calls_of(name, 3)
    await outside.wait_until_idle(quiet_s=1)
    methods = [call["method"] for call in await outside.guard_calls_of(name)]
    assert methods == ["GET", "PATCH", "GET"]
    assert set(alert["caller"].values()) == {""}
    assert len(await outside.alerts_about(name)) == 1


async def test_events_of_other_types_cost_nothing(outside: Outside) -> None:
    """Not guarded, deleted, or an operation that opens nothing: no ARM call, no alert."""
    name = fresh("other")
    image, machine, disk = (path_of(type_, name) for type_ in (IMAGE, MACHINE, DISK))
    await outside.post_event(event_about(image, f"{IMAGE}/write"))
    await outside.post_event(event_about(machine, f"{MACHINE}/start/action"))
    await outside.post_event(event_about(machine, f"{MACHINE}/delete"))
    await outside.post_event(event_about(disk, f"{DISK}/delete"))
    await outside.post_event(event_about(disk, f"{DISK}/endGetAccess/action"))
    assert await outside.guard_calls_of(name) == []
    assert await outside.alerts_about(name) == []


async def test_many_events_share_connections_and_one_token(outside: Outside) -> None:
    """Thirty disks opened: no TLS connection per request, no token request per event."""
    first = fresh("disk")
    await outside.put("mallory", DISK, first, OPEN, PREMIUM)
    await outside.alert_about(first)
    before = await outside.control("GET", "connections")
    tokens = await outside.control("GET", "tokens")
    names = [fresh("disk") for _ in range(30)]
    await asyncio.gather(*(outside.put("mallory", DISK, n, OPEN, PREMIUM) for n in names))
    for name in names:
        await outside.alert_about(name)
    after = await outside.control("GET", "connections")
    opened = after["callers"]["guard"] - before["callers"]["guard"]
    assert opened <= 30, "60 requests over at most 30 connections that were open at once"
    more = [fresh("disk") for _ in range(10)]
    for name in more:
        await outside.put("mallory", DISK, name, OPEN, PREMIUM)
        await outside.alert_about(name)
    last = await outside.control("GET", "connections")
    assert last["callers"]["guard"] == after["callers"]["guard"], "one after another: none"
    assert await outside.control("GET", "tokens") == tokens


async def test_an_event_from_the_sdk_publisher_is_handled(outside: Outside) -> None:
    """What azure-eventgrid posts to the topic reaches the guard as from Azure's own topic."""
    name = fresh("disk")
    await outside.settings(event_at="completed")
    await outside.put("mallory", DISK, name, OPEN, PREMIUM)
    await outside.alert_about(name)
    await outside.forget_calls()
    endpoints = outside.endpoints
    from azure.core.credentials import AzureKeyCredential
    from azure.eventgrid import EventGridEvent

    event = event_about(path_of(DISK, name), "Microsoft.Compute/disks/write")
    async with EventGridPublisherClient(
        endpoints["topic"],
        AzureKeyCredential(endpoints["topicKey"]),
        connection_verify=endpoints["ca"],
    ) as publisher:
        await publisher.send(
            EventGridEvent(
                subject=event["subject"],
                event_type=event["eventType"],
                data=event["data"],
                data_version="2",
            )
        )
    await outside.wait_for_calls_of(name, 1)
    assert [call["method"] for call in await outside.guard_calls_of(name)] == ["GET"]
