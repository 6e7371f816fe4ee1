"""A listed exporter is left alone while its export lasts; anybody else is cut, each time."""

from datetime import UTC, datetime, timedelta

from sandbox.outside import Outside, until
from tests.e2e.events import claimed, event_about, granted
from tests.e2e.links import LATE, asked, cut, properties_of, rules, told
from tests.e2e.names import BACKED, BACKUP, CONTESTED, DISK, OPEN, PREMIUM, SNAPSHOT, fresh

END = "POST endGetAccess"
ROUNDS = 10


async def test_a_backup_is_not_ended_by_what_happens_meanwhile(outside: Outside) -> None:
    """A tag, its own event again an hour later, a resize: nothing is changed, the link is good."""
    name = fresh(BACKED)
    path = await outside.put_unnoticed("platform", DISK, name, OPEN, PREMIUM)
    link = await outside.grant_access(BACKUP, path)
    await told(outside, name, "deferred")  # its settings are open, and stay so for now
    before = await properties_of(outside, path)
    assert before["diskState"] == "ActiveSAS"

    tag = {"tags": {"backup": "running"}}
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    resize = event_about(path, f"{DISK}/write", **claimed("platform"))
    assert (await outside.arm("PATCH", path, "platform", tag))[0] == 200
    await outside.wait_for_calls_of(name, 3)
    await outside.post_event(granted(DISK, path, BACKUP, an_hour_ago))
    await outside.post_event(granted(DISK, path, BACKUP))
    await outside.post_event(resize)
    await outside.wait_for_calls_of(name, 6)
    await outside.wait_until_idle()

    assert await outside.link_status(link) == 200
    assert await properties_of(outside, path) == before
    assert set(await asked(outside, name)) == {"GET"}
    alerts = await outside.alerts_about(name)
    assert {alert["outcome"] for alert in alerts} == {"deferred"}
    assert "exports it" in alerts[0]["reason"]
    assert "liveExport" not in rules(alerts[0])


async def test_who_is_no_exporter_here_is_cut_all_the_same(outside: Outside) -> None:
    """A stranger where a backup may export; and the backup where it may not."""
    covered, elsewhere = fresh(BACKED), fresh("snap")
    for caller, type_, name in (("mallory", DISK, covered), (BACKUP, SNAPSHOT, elsewhere)):
        path = await outside.put_unnoticed("platform", type_, name, OPEN, PREMIUM)
        link = await outside.grant_access(caller, path)
        await cut(outside, link)
        alert = await told(outside, name, "reverted")
        assert alert["severity"] == "critical"
        assert alert["exposure"]["caller"].startswith(caller)


async def test_a_link_taken_again_and_again_is_cut_each_time_and_told_as_a_fight(
    outside: Outside,
) -> None:
    """Ten rounds: ten dead links; two alerts, a third that names the other side, then none."""
    name = fresh(CONTESTED)
    path = await outside.put("platform", DISK, name, OPEN, PREMIUM)
    await outside.wait_for_calls_of(name, 1)
    await outside.forget_calls()
    links = []
    for number in range(1, ROUNDS + 1):
        links.append(await outside.grant_access("mallory" if number % 2 else "eve", path))
        await cut(outside, links[-1])
        await outside.wait_for_calls_of(name, 3 * number)
        await _count_of_alerts(outside, name, min(number, 3))
    await outside.wait_until_idle()

    assert [await outside.link_status(link) for link in links] == [403] * ROUNDS
    assert await asked(outside, name) == ["GET", END, "GET"] * ROUNDS
    alerts = await outside.alerts_about(name)
    assert [alert["outcome"] for alert in alerts] == ["reverted"] * 3
    assert ["fight" in alert["reason"] for alert in alerts] == [False, False, True]
    assert "mallory@" in alerts[2]["reason"]
    assert "eve@" in alerts[2]["reason"]
    assert len({alert["alertId"] for alert in alerts}) == 3
    assert all(alert["exposure"]["secondsOpen"] < LATE for alert in alerts)


async def _count_of_alerts(outside: Outside, name: str, number: int) -> None:
    """Wait for so many alerts: the rounds are told in their order."""

    async def there() -> bool | None:
        return len(await outside.alerts_about(name)) >= number or None

    await until(there, f"{number} alerts about {name}")
