"""The id of an alert: a reader counts violations by it, whoever reports them how often."""

from dataclasses import replace
from typing import Any

import pytest

from guards.engine import alerts
from guards.engine.model import Finding, Severity
from tests.engine.samples import DISK_ID

FINDING = Finding(
    "networkAccessPolicy", "properties.networkAccessPolicy", None, "DenyAll", Severity.HIGH
)
BODY = {"systemData": {"lastModifiedAt": "t1"}, "etag": "e1"}
KEY = DISK_ID.lower()
OTHER = replace(FINDING, rule="publicNetworkAccess")


def test_the_id_is_the_same_for_the_same_violation() -> None:
    """Doubled events, in any order of findings, count once."""
    first = alerts.violation_id(KEY, "e", [FINDING, OTHER], BODY)
    assert first == alerts.violation_id(KEY, "e", [OTHER, FINDING], {**BODY, "tags": {"a": "b"}})
    assert len(first) == 64


@pytest.mark.parametrize(
    ("key", "event_id", "findings", "body"),
    [
        (KEY + "2", "e", [FINDING], BODY),
        (KEY, "e2", [FINDING], BODY),
        (KEY, "e", [OTHER], BODY),
        (KEY, "e", [FINDING, OTHER], BODY),
        (KEY, "e", [replace(FINDING, actual="AllowPrivate")], BODY),
        (KEY, "e", [FINDING], {"systemData": {"lastModifiedAt": "t2"}}),
        (KEY, "e", [FINDING], {"etag": "e1"}),
        (KEY, "e", [FINDING], {}),
    ],
)
def test_the_id_differs_for_another_violation(
    key: str, event_id: str, findings: list[Finding], body: dict[str, Any]
) -> None:
    """A second violation never hides behind the first."""
    first = alerts.violation_id(KEY, "e", [FINDING], BODY)
    assert first != alerts.violation_id(key, event_id, findings, body)


def test_without_system_data_the_etag_tells_writes_apart() -> None:
    """Registries and old resources have one or the other."""
    ids = {alerts.violation_id(KEY, "e", [FINDING], {"etag": etag}) for etag in ("1", "2")}
    assert len(ids) == 2


def test_the_worst_finding_counts() -> None:
    """An alert is as severe as the worst that it tells."""
    assert alerts.worst([replace(FINDING, severity=Severity.LOW), FINDING]) == Severity.HIGH
    assert alerts.worst([FINDING], Severity.CRITICAL) == Severity.CRITICAL
    assert alerts.worst([]) == Severity.LOW
