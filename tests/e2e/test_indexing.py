"""What Azure would load: function_app.py, indexed by Microsoft's worker library."""

from sandbox.outside import Outside
from tests.e2e.conftest import Up

EXPECTED = {
    "resource_changed": {"type": "eventGridTrigger", "name": "event"},
    "event_queued": {"type": "queueTrigger", "name": "message", "queueName": "guard-events"},
    "work_due": {"type": "queueTrigger", "name": "message", "queueName": "guard-work"},
    "event_given_up": {
        "type": "queueTrigger",
        "name": "message",
        "queueName": "guard-events-poison",
    },
    "work_given_up": {"type": "queueTrigger", "name": "message", "queueName": "guard-work-poison"},
}


async def test_the_worker_library_indexes_the_expected_bindings(outside: Outside) -> None:
    """Every function with its one trigger, all queues on GUARD_STORAGE, and nothing else."""
    indexed = await outside.functions()
    assert set(EXPECTED) == set(indexed)
    for name, (binding,) in indexed.items():
        expected = {**EXPECTED[name], "direction": "IN"}
        if binding["type"] == "queueTrigger":
            expected["connection"] = "GUARD_STORAGE"
        assert expected == {key: binding[key] for key in expected}


async def test_make_run_prints_what_to_try(up: Up) -> None:
    """A user opens a disk and reads the alert with lines to paste, as somebody but the guard."""
    printed = up.log.read_text()
    assert "-H 'x-sandbox-caller: me' -X PUT" in printed
    assert up.endpoints["ca"] in printed
    assert "guard-alerts" in printed
