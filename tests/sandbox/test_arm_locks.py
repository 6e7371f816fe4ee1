"""Management locks: what they stop, where they reach."""

import pytest

from tests.sandbox.test_arm_server import DISK, GROUP, SUB, azure

LOCK = "/providers/Microsoft.Authorization/locks/keep"


@pytest.mark.parametrize("scope", [DISK, GROUP, f"/subscriptions/{SUB}"])
async def test_a_readonly_lock_stops_every_change_and_post(scope: str) -> None:
    """PATCH, PUT, POST and DELETE are ScopeLocked in Azure's words; reading is not."""
    async with azure() as az:
        await az.disk()
        lock = await az.call("PUT", scope + LOCK, {"properties": {"level": "ReadOnly"}})
        assert lock.status == 201
        before = (await az.call("GET", DISK)).body

        for method, path, body, verb in (
            ("PATCH", DISK, {"tags": {}}, "write"),
            ("PUT", DISK, before, "write"),
            ("POST", f"{DISK}/endGetAccess", None, "write"),
            ("DELETE", DISK, None, "delete"),
        ):
            reply = await az.call(method, path, body)
            assert (reply.status, reply.code) == (409, "ScopeLocked")
            assert reply.message == (
                f"The scope '{DISK}' cannot perform {verb} operation because following scope(s) "
                f"are locked: '{scope}'. Please remove the lock and try again."
            )
        assert before == (await az.call("GET", DISK)).body

        await az.call("DELETE", scope + LOCK)
        assert (await az.call("PATCH", DISK, {"tags": {}})).status == 200


async def test_a_delete_lock_stops_deletes_only() -> None:
    """CanNotDelete lets changes through."""
    async with azure() as az:
        await az.disk()
        await az.call("PUT", GROUP + LOCK, {"properties": {"level": "CanNotDelete"}})
        assert (await az.call("PATCH", DISK, {"tags": {}})).status == 200
        assert (await az.call("DELETE", DISK)).status == 409


async def test_a_lock_reaches_no_further_than_its_scope() -> None:
    """A neighbour whose name begins alike is free."""
    async with azure() as az:
        await az.disk()
        await az.disk(f"{DISK}-2")
        await az.call("PUT", DISK + LOCK, {"properties": {"level": "ReadOnly"}})
        assert (await az.call("PATCH", DISK, {"tags": {}})).status == 409
        assert (await az.call("PATCH", f"{DISK}-2", {"tags": {}})).status == 200


async def test_a_lock_without_a_level_is_refused() -> None:
    """ReadOnly or CanNotDelete, nothing else."""
    async with azure() as az:
        assert (await az.call("PUT", GROUP + LOCK, {"properties": {}})).status == 400
        wrong = {"properties": {"level": "Soft"}}
        assert (await az.call("PUT", GROUP + LOCK, wrong)).status == 400
