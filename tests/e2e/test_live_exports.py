"""A link that somebody took is cut, in the middle of a download; then what is open is closed."""

from typing import Any

import pytest

from sandbox.outside import Outside
from tests.e2e.events import granted
from tests.e2e.links import LATE, WHOLE, asked, closed, cut, is_closed, properties_of, rules, told
from tests.e2e.names import DISK, OPEN, PREMIUM, SNAPSHOT, fresh

END = "POST endGetAccess"


@pytest.mark.parametrize(
    ("type_", "azure", "accepted"),
    [
        (DISK, {}, ""),
        (SNAPSHOT, {"schema": "cloudevents"}, ""),
        (DISK, {"sas_survives_patch": False, "schema": "cloudevents"}, ""),
        (SNAPSHOT, {"patch_during_sas": "refuse", "sas_survives_patch": False}, ""),
        (DISK, {"patch_during_sas": "refuse", "operation_s": 0.2}, "POST"),
        (SNAPSHOT, {"sas_survives_patch": False, "operation_s": 0.2}, "PATCH"),
    ],
    ids=[
        "disk",
        "snapshot, cloud event",
        "disk, a patch ends links",
        "snapshot, a patch is refused while a link is out",
        "disk, grant and revocation take time",
        "snapshot, the patch takes time",
    ],
)
async def test_a_strangers_link_is_cut_in_the_middle_of_a_download(
    outside: Outside, type_: str, azure: dict[str, Any], accepted: str
) -> None:
    """Whatever Azure does with a PATCH while a link is out: dead link, closed, how long it was."""
    name = fresh("theft")
    path = await outside.put_unnoticed("mallory", type_, name, OPEN, PREMIUM)
    await outside.settings(**azure)
    grant = {"method": "POST", "caller": "mallory", "path": name}
    await outside.fault({"match": grant, "accept": accepted == "POST"})
    for method, delay in (("POST", 0.4), ("PATCH", 0)):
        match = {"method": method, "caller": "guard", "path": name}
        await outside.fault({"match": match, "delay_s": delay, "accept": method == accepted})
    link = await outside.grant_access("mallory", path)
    received = await outside.download(link)

    alert = await outside.alert_about(name, LATE)
    (download,) = [one for one in await outside.downloads() if one["resource"] == path]
    assert 0 < received < WHOLE
    assert download["brokenOff"]
    assert await outside.link_status(link) == 403
    assert (await properties_of(outside, path))["diskState"] == "Unattached"
    assert await is_closed(outside, path)

    assert (alert["outcome"], alert["severity"], alert["source"]) == (
        *("reverted", "critical"),
        "event",
    )
    seen = alert["exposure"]
    assert seen["caller"].startswith("mallory")
    assert seen["ipAddress"] == alert["caller"]["ipAddress"] != ""
    assert seen["grantedAt"] == alert["eventTime"] < seen["revokedAt"]
    assert 0.4 <= seen["secondsOpen"] < LATE
    assert seen["stateAfter"] == "Unattached"
    assert "may have been read" in seen["statement"]
    assert link not in str(alert)
    assert "sig=" not in str(alert)


@pytest.mark.parametrize("type_", [DISK, SNAPSHOT])
async def test_the_link_goes_before_anything_else_is_asked(outside: Outside, type_: str) -> None:
    """One GET between the event and the revocation; its own writes cost nothing."""
    name = fresh("quick")
    path = await outside.put_unnoticed("mallory", type_, name, OPEN, PREMIUM)
    await outside.forget_calls()
    link = await outside.grant_access("mallory", path)
    await cut(outside, link)
    await outside.alert_about(name)
    await outside.wait_until_idle()
    assert await asked(outside, name) == ["GET", END, "GET", "PATCH"]
    assert len(await outside.alerts_about(name)) == 1


async def test_a_link_taken_while_the_first_is_cut_is_cut_as_well(outside: Outside) -> None:
    """Taken between revocation and PATCH, unseen: the refused PATCH says that there is another."""
    name = fresh("again")
    path = await outside.put_unnoticed("mallory", DISK, name, OPEN, PREMIUM)
    await outside.settings(patch_during_sas="refuse")
    await outside.forget_calls()
    match = {"method": "PATCH", "caller": "guard", "path": name}
    await outside.fault({"match": match, "delay_s": 0.5})
    first = await outside.grant_access("mallory", path)
    await outside.wait_for_calls_of(name, 4)  # the PATCH waits
    assert await outside.link_status(first) == 403
    second = await outside.grant_unnoticed("mallory", path)
    await cut(outside, second)
    calls = await asked(outside, name)
    assert calls[:4] == ["GET", END, "GET", "PATCH"]
    assert calls[-3:] == ["PATCH", "GET", END]
    await closed(outside, path, LATE)
    assert "liveExport" in rules(await told(outside, name, "reverted"))


async def test_a_link_that_went_with_its_snapshot_is_told(outside: Outside) -> None:
    """Taken, copied, deleted before the guard could look: the event says who it was."""
    name = fresh("gone")
    path = await outside.put_unnoticed("mallory", SNAPSHOT, name, OPEN, PREMIUM)
    await outside.grant_unnoticed("mallory", path)
    assert (await outside.arm("POST", f"{path}/endGetAccess", "mallory"))[0] in (200, 202)
    assert (await outside.arm("DELETE", path, "mallory"))[0] in (200, 202, 204)
    await outside.post_event(granted(SNAPSHOT, path, "mallory"))
    alert = await outside.alert_about(name)
    assert (alert["outcome"], alert["severity"]) == ("deleted meanwhile", "critical")
    assert alert["caller"]["name"].startswith("mallory")
    assert "The resource is gone" in alert["exposure"]["statement"]


async def test_without_the_event_of_a_grant_a_link_is_told_and_left(outside: Outside) -> None:
    """A backup's link looks the same: its settings are closed, the link stays, a person looks."""
    name = fresh("whose")
    path = await outside.put_unnoticed("backup", DISK, name, OPEN, PREMIUM)
    link = await outside.grant_unnoticed("backup", path)
    status, _ = await outside.arm("PATCH", path, "platform", {"tags": {"touched": "yes"}})
    assert status == 200
    alert = await outside.alert_about(name)
    assert await is_closed(outside, path)
    assert await outside.link_status(link) == 200
    assert (alert["outcome"], alert["severity"]) == ("reverted", "high")
    assert "liveExport" in rules(alert)
    assert "liveExport" in alert["reason"]
    assert "The link is out" in alert["exposure"]["statement"]
    assert END not in await asked(outside, name)
