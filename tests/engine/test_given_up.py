"""What is put off for a day or given up by the host: told as it is, once, and never lost."""

import json
from typing import Any

import pytest

from guards.engine import intake
from guards.engine.errors import Transient
from guards.engine.later import LONGEST_DELAY_S
from tests.engine.samples import (
    DISK_ID,
    GUARD_ID,
    OBJECT_ID_CLAIM,
    REGISTRY_ID,
    REGISTRY_WRITE,
    by_guard,
    disk,
    event,
    grant,
)
from tests.engine.test_export_pipelines import NAMES, pipeline, world_of
from tests.engine.test_queued_events import disk_id, many
from tests.engine.world import World

DAY_S = 24 * 3600
BUSY = Transient("busy", status=503)
AWAY = Transient("queue: away")
SIGNED = "https://md.blob.example/x?sv=2025&sig=only-for-the-holder"


async def cut_and_put_off() -> World:
    """A link is cut, and what let it be taken cannot be closed."""
    world = World(disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.patch"] = [BUSY] * 500
    await world.event(grant())
    assert not world.link_is_out()
    return world


async def deleted_and_put_off() -> World:
    """Pipelines are deleted, and the registry that they kept open cannot be closed."""
    world = world_of(*map(pipeline, NAMES))
    world.trouble.errors["arm.patch"] = [BUSY] * 500
    await world.event(event(REGISTRY_WRITE, REGISTRY_ID))
    assert len(world.arm.deleted) == len(NAMES)
    return world


def taken(world: World) -> bytes:
    """The only message of guard-work, which the host moves to its poison queue."""
    (message,) = world.work.messages
    world.work.messages = []
    return message.text


async def test_no_alert_says_that_a_link_is_out_which_was_cut() -> None:
    """Neither that it is put off nor that it is given up; both say when it was cut."""
    world = await cut_and_put_off()
    await world.pass_time(DAY_S + 3600)
    assert world.outcomes == ["deferred", "not reverted"]
    for alert in world.alerts:
        assert alert["exposure"]["revokedAt"] == "2026-03-01T12:00:00.000Z"
        assert alert["exposure"]["stateAfter"] == "Unattached"
        assert "was revoked" in alert["exposure"]["statement"]


async def test_the_alert_of_a_poison_intent_says_that_its_link_was_cut() -> None:
    """The message has it, and nobody looks again."""
    world = await cut_and_put_off()
    await intake.on_poison_work(taken(world), world.ports)
    assert "was revoked" in world.alert["exposure"]["statement"]


async def test_settings_that_stay_open_after_a_cut_are_told_of_after_ten_minutes() -> None:
    """No link is out any more: nobody is called in a hurry."""
    world = await cut_and_put_off()
    await world.pass_time(300)
    assert world.alerts == []
    await world.pass_time(900)
    assert world.outcomes == ["deferred"]


async def test_a_link_that_an_earlier_look_cut_is_not_waited_for() -> None:
    """It has shown: once the settings are closed as well, nobody looks again."""
    world = World(disk(diskState="ActiveSAS"))
    world.trouble.errors["arm.patch"] = [BUSY]
    await world.event(grant())
    await world.step()
    assert (world.is_closed(), world.outcomes) == (True, ["reverted"])
    assert world.intents == []


@pytest.mark.parametrize(
    ("state", "arriving"),
    [({"diskState": "ActiveSAS"}, grant()), ({"provisioningState": "Updating"}, event())],
    ids=["cut link", "write in progress"],
)
async def test_what_is_given_up_does_not_begin_again(
    state: dict[str, str], arriving: dict[str, Any]
) -> None:
    """One alert says so, however early the look may have been."""
    world = World(disk(**state))
    world.trouble.errors["arm.patch"] = [BUSY] * 500
    await world.event(arriving)
    await world.pass_time(2 * DAY_S)
    assert world.alert["outcome"] == "not reverted"
    assert "given up after 10" in world.alert["reason"]
    assert world.intents == []


async def test_what_the_app_slept_through_is_still_tried() -> None:
    """An intent of two days ago gets some attempts, whatever the first one meets."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [BUSY] * 4
    await world.event(event())
    world.clock.passed += 2 * DAY_S
    await world.settle()
    assert (world.is_closed(), world.outcomes) == (True, ["reverted"])


async def test_what_the_app_slept_through_is_given_up_soon() -> None:
    """After ten minutes of trouble, not after another day."""
    world = World(disk())
    world.trouble.errors["arm.patch"] = [BUSY] * 500
    await world.event(event())
    world.clock.passed += 2 * DAY_S
    await world.pass_time(900)
    assert (world.outcomes, world.intents) == (["not reverted"], [])
    assert "given up after 6 attempts" in world.alert["reason"]


async def test_alerts_of_what_is_put_off_bring_deleted_pipelines_back() -> None:
    """Put off or given up: `undo` has a PUT for each body in `deleted`."""
    world = await deleted_and_put_off()
    await world.pass_time(DAY_S + 3600)
    assert world.outcomes == ["deferred", "not reverted"]
    for alert in world.alerts:
        assert [one["method"] for one in alert["undo"]] == ["PUT"] * len(NAMES)
        assert [one["path"] for one in alert["undo"]] == [one["id"] for one in alert["deleted"]]


async def test_the_alert_of_a_poison_intent_brings_deleted_pipelines_back() -> None:
    """It is the last that is ever said of them."""
    world = await deleted_and_put_off()
    await intake.on_poison_work(taken(world), world.ports)
    assert len(world.alert["undo"]) == len(world.alert["deleted"]) == len(NAMES)


async def test_a_poison_intent_waits_in_guard_work_while_no_alert_can_be_put() -> None:
    """What the host gives up twice nobody reads; the bodies are told once that is possible."""
    world = await deleted_and_put_off()
    text = taken(world)
    for _ in range(5):
        world.trouble.errors["alerts.put"] = [AWAY]
        await intake.on_poison_work(text, world.ports)
        assert world.delays == [LONGEST_DELAY_S]
        text = taken(world)
    await intake.on_poison_work(text, world.ports)
    assert {body["name"] for body in world.alert["deleted"]} == set(NAMES)
    assert world.intents == []


async def test_a_poison_intent_that_went_back_is_looked_at_again() -> None:
    """Whatever failed five times may work by then."""
    world = await deleted_and_put_off()
    world.trouble.errors["alerts.put"] = [AWAY]
    await intake.on_poison_work(taken(world), world.ports)
    world.trouble.errors["arm.patch"] = []
    await world.settle()
    assert world.alert["outcome"] == "reverted"
    assert len(world.alert["deleted"]) == len(NAMES)


@pytest.mark.parametrize("handle", [intake.on_poison_work, intake.on_poison_events])
@pytest.mark.parametrize("text", [b"", b"not \xff json", b"7", b'{"a": ["<b>\\n"]}'])
async def test_a_poison_text_waits_in_guard_work_while_no_alert_can_be_put(
    handle: Any, text: bytes
) -> None:
    """It is told once that is possible, as it would have been, and no round makes it longer."""
    calm, world = World(), World()
    await handle(text, calm.ports)
    world.trouble.errors["alerts.put"] = [AWAY] * 4
    await handle(text, world.ports)
    await world.step()
    for _ in range(2):
        assert world.delays == [LONGEST_DELAY_S]
        await intake.on_poison_work(taken(world), world.ports)
    await world.settle()
    assert (world.alert["outcome"], world.alert["severity"]) == ("not reverted", "high")
    late, _, reason = world.alert["reason"].partition(": ")
    assert late.startswith("told late")
    assert reason == calm.alert["reason"].strip()


async def test_a_forged_untold_message_is_one_harmless_alert() -> None:
    """It says that it comes late, whatever it says, and shows no signature."""
    message = {"schema": "exportguard.untold/1", "reason": f"all is well\n{SIGNED}"}
    world = World()
    await world.message(message)
    assert world.alert["reason"].startswith("told late")
    assert "\n" not in world.alert["reason"]
    assert "holder" not in json.dumps(world.alerts)


@pytest.mark.parametrize(
    "change",
    [{"reason": 7}, {"reason": "x" * 4097}, {"more": 1}, {"schema": "exportguard.untold/2"}],
)
async def test_a_wrong_untold_message_is_told_as_unreadable(change: dict[str, Any]) -> None:
    """Nothing of it is believed."""
    world = World()
    await world.message({"schema": "exportguard.untold/1", "reason": "x", **change})
    assert world.alert["outcome"] == "reported only"


async def test_a_poison_message_stays_with_the_host_while_no_queue_can_be_reached() -> None:
    """Then nothing is left but to fail, and be called again."""
    world = await deleted_and_put_off()
    text = taken(world)
    for handle, given in (
        (intake.on_poison_work, text),
        (intake.on_poison_work, b"no message"),
        (intake.on_poison_events, b"no event"),
        (intake.on_poison_events, json.dumps(event()).encode()),
    ):
        world.trouble.errors = {"alerts.put": [AWAY], "work.put": [AWAY]}
        with pytest.raises(Transient):
            await handle(given, world.ports)
    assert (world.alerts, world.intents) == ([], [])


BAD: list[Any] = [
    7,
    None,
    {"data": {}},
    event(resource=f"{DISK_ID}%2f.."),
    event(resource=f"{DISK_ID}?{SIGNED}"),
]


@pytest.mark.parametrize("bad", BAD, ids=["number", "null", "nothing", "ID", "link"])
async def test_one_unreadable_event_of_a_poison_array_keeps_no_other_from_being_looked_at(
    bad: Any,
) -> None:
    """It is told by itself; all others are told and closed."""
    world, message = many(3)
    await intake.on_poison_events(json.dumps([bad, *json.loads(message)]).encode(), world.ports)
    assert world.outcomes == ["not reverted", *["deferred"] * 3]
    assert "guard-events" in world.alerts[0]["reason"]
    assert "holder" not in json.dumps(world.alerts)
    await world.settle()
    assert all(world.is_closed(disk_id(number)) for number in range(3))


async def test_trouble_with_one_event_of_a_poison_array_keeps_no_other_from_being_put() -> None:
    """The message comes back for the one."""
    world, message = many(3)
    world.trouble.errors["work.put"] = [AWAY]
    with pytest.raises(Transient):
        await intake.on_poison_events(message, world.ports)
    await world.settle()
    assert [world.is_closed(disk_id(number)) for number in range(3)] == [False, True, True]
    await intake.on_poison_events(message, world.ports)
    await world.settle()
    assert world.is_closed(disk_id(0))


async def test_a_poison_event_needs_no_alert_to_be_looked_at() -> None:
    """The note is lost, the look is not, and the message does not come again for it."""
    world, message = many(2)
    world.trouble.errors["alerts.put"] = [AWAY] * 2
    await intake.on_poison_events(message, world.ports)
    assert len(world.intents) == 2
    await world.settle()
    assert all(world.is_closed(disk_id(number)) for number in range(2))


async def test_a_poison_grant_is_put_even_if_nobody_can_note_who_took_the_link() -> None:
    """The host brings it again, so that it is noted in the end: the stranger's link is cut."""
    world = World(disk(diskState="ActiveSAS"))
    text = json.dumps(grant()).encode()
    world.trouble.errors["store.write"] = [AWAY]
    with pytest.raises(Transient):
        await intake.on_poison_events(text, world.ports)
    assert len(world.intents) == 1
    await intake.on_poison_events(text, world.ports)
    await world.settle()
    assert not world.link_is_out()


@pytest.mark.parametrize("resource", [SIGNED, f"{DISK_ID}?{SIGNED}", f"{DISK_ID}/{SIGNED}"])
async def test_no_alert_shows_the_signature_of_a_link_in_place_of_an_id(resource: str) -> None:
    """Forged messages and events, looked at or given up, and misuse of the guard's identity."""
    world = await cut_and_put_off()
    message = json.loads(taken(world))
    message["change"]["resource"] = resource
    await intake.on_poison_work(json.dumps(message).encode(), world.ports)
    await world.message(message)
    await world.message({**message, f"?{SIGNED}": 1})
    await world.event(event(resource=resource))
    await world.event(event("x/y/write", resource, claims={OBJECT_ID_CLAIM: GUARD_ID}))
    assert len(world.alerts) == 5
    assert "holder" not in json.dumps(world.alerts)


async def test_of_the_guards_own_events_in_a_poison_array_nothing_is_said() -> None:
    """Its PATCH costs nothing; what it never does is told as critical, as ever."""
    world = World(disk())
    batch = [by_guard(id="patch"), by_guard("Microsoft.Compute/disks/delete", id="deletion")]
    await intake.on_poison_events(json.dumps(batch).encode(), world.ports)
    assert world.intents == []
    assert (world.alerts[0]["severity"], world.alerts[0]["eventId"]) == ("critical", "deletion")
    assert "patch" not in {alert["eventId"] for alert in world.alerts}


async def test_a_poison_event_is_looked_at_though_nobody_knows_who_the_guard_is() -> None:
    """Its identity cannot be asked for: that keeps nothing from being looked at."""
    world = World(disk())
    world.trouble.errors["own_id"] = [AWAY]
    await intake.on_poison_events(json.dumps(event()).encode(), world.ports)
    await world.settle()
    assert world.is_closed()
