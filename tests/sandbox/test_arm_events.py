"""The events of writes, actions and deletes: Azure's shapes, and who called."""

import re
import uuid
from typing import Any

import pytest

from sandbox.identity import GUARD_APP_ID, GUARD_OBJECT_ID
from tests.sandbox.test_arm_disks import GRANT
from tests.sandbox.test_arm_registries import CONNECTION, registry
from tests.sandbox.test_arm_server import DISK, REGISTRY, SUB, azure

OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
SUBJECT = DISK.replace("resourceGroups", "resourcegroups")


async def test_a_write_raises_an_event_in_event_grids_schema() -> None:
    """Subject in lower-case resourcegroups, seven digits, and no httpRequest for a creation."""
    async with azure() as az:
        reply = await az.disk()
        [event] = az.events

        assert event["subject"] == event["data"]["resourceUri"] == SUBJECT
        assert event["eventType"] == "Microsoft.Resources.ResourceWriteSuccess"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", event["eventTime"])
        assert uuid.UUID(event["id"])
        assert (f"/subscriptions/{SUB}", "2", "1") == (
            event["topic"],
            event["dataVersion"],
            event["metadataVersion"],
        )
        data = event["data"]
        assert data["operationName"] == "Microsoft.Compute/disks/write"
        assert data["operationName"] == data["authorization"]["action"]
        assert (
            data["resourceProvider"],
            data["status"],
            data["subscriptionId"],
        ) == ("Microsoft.Compute", "Succeeded", SUB)
        assert reply.headers["x-ms-correlation-request-id"] == data["correlationId"]
        assert "httpRequest" not in data


async def test_an_update_an_action_and_a_delete_raise_their_events() -> None:
    """Each names its operation; an action's subject is the resource without the action."""
    async with azure() as az:
        await az.disk()
        await az.call("PATCH", DISK, {"tags": {}})
        await az.call("POST", f"{DISK}/BEGINGETACCESS", GRANT)
        await az.call("POST", f"{DISK}/endGetAccess")
        await az.call("DELETE", DISK)
        assert [(e["eventType"].split(".")[-1], e["data"]["operationName"]) for e in az.events] == [
            ("ResourceWriteSuccess", "Microsoft.Compute/disks/write"),
            ("ResourceWriteSuccess", "Microsoft.Compute/disks/write"),
            ("ResourceActionSuccess", "Microsoft.Compute/disks/beginGetAccess/action"),
            ("ResourceActionSuccess", "Microsoft.Compute/disks/endGetAccess/action"),
            ("ResourceDeleteSuccess", "Microsoft.Compute/disks/delete"),
        ]
        assert {SUBJECT} == {event["subject"] for event in az.events}
        assert len({event["id"] for event in az.events}) == 5
        http = az.events[2]["data"]["httpRequest"]
        assert http["method"] == "POST"
        assert http["url"].startswith(f"https://management.azure.com{DISK}/BEGINGETACCESS?api-")


async def test_a_child_is_the_subject_of_its_own_event() -> None:
    """The registry's event is not repeated for it."""
    async with azure() as az:
        await registry(az)
        await az.call("PUT", CONNECTION, {"properties": {}})
        assert [
            (e["subject"].replace("groups", "Groups"), e["data"]["operationName"])
            for e in az.events
        ] == [
            (REGISTRY, "Microsoft.ContainerRegistry/registries/write"),
            (CONNECTION, "Microsoft.ContainerRegistry/registries/privateEndpointConnections/write"),
        ]


async def test_reads_and_refused_requests_raise_no_event() -> None:
    """Events tell of success only."""
    async with azure() as az:
        await az.disk()
        az.events.clear()
        await az.call("GET", DISK)
        await az.call("PATCH", DISK, {"properties": {"networkAccessPolicy": "AllowPrivate"}})
        await az.call("POST", f"{DISK}/beginGetAccess", {})
        assert az.events == []


async def test_a_person_is_told_by_name_address_and_object_id() -> None:
    """The same person in every run, and another one for another name."""
    async with azure() as az:
        for caller in ("alice", "alice", "bob"):
            await az.call("PUT", DISK, {"properties": {}}, caller=caller)
        alice, again, bob = (event["data"]["claims"] for event in az.events)
        assert alice == again
        assert (alice["name"], alice[UPN]) == ("alice", "alice@contoso.example")
        assert alice["ipaddr"].startswith("203.0.113.")
        assert alice[OBJECT_ID] != bob[OBJECT_ID]
        evidence = az.events[0]["data"]["authorization"]["evidence"]
        assert ("User", alice[OBJECT_ID].replace("-", "")) == (
            evidence["principalType"],
            evidence["principalId"],
        )


async def test_the_guard_is_told_by_its_tokens_identity() -> None:
    """An application: object and app ID, no name, no address."""
    async with azure() as az:
        await az.disk()
        await az.as_guard("PATCH", DISK, {"tags": {}})
        claims = az.events[-1]["data"]["claims"]
        assert (claims[OBJECT_ID], claims["appid"]) == (GUARD_OBJECT_ID, GUARD_APP_ID)
        assert not {"name", "ipaddr", UPN} & claims.keys()
        assert (
            (az.events[-1]["data"]["authorization"]["evidence"]["principalType"])
            == "ServicePrincipal"
        )


async def test_a_person_called_guard_is_not_the_guard() -> None:
    """Nobody becomes the guard by name."""
    async with azure() as az:
        await az.call("PUT", DISK, {"properties": {}}, caller="guard")
        assert GUARD_OBJECT_ID not in str(az.events)


async def test_claims_can_be_empty() -> None:
    """As some captured events are: nothing tells who it was."""
    async with azure() as az:
        await az.disk()
        await az.settings(claims="empty")
        await az.call("PATCH", DISK, {"tags": {}})
        data = az.events[-1]["data"]
        assert (data["claims"], data["authorization"], data["httpRequest"]) == ({}, {}, {})
        assert data["operationName"] == "Microsoft.Compute/disks/write"


@pytest.mark.parametrize("gone", ["topic", "eventType", "eventTime", "dataVersion"])
async def test_events_come_as_cloud_events_when_asked(gone: str) -> None:
    """Version 1.0, with the same data and none of the other schema's members."""
    async with azure() as az:
        await az.settings(schema="cloudevents")
        await az.disk()
        event: dict[str, Any] = az.events[0]
        assert gone not in event
        assert ("1.0", f"/subscriptions/{SUB}", SUBJECT) == (
            event["specversion"],
            event["source"],
            event["subject"],
        )
        assert event["type"] == "Microsoft.Resources.ResourceWriteSuccess"
        assert {"id", "time", "data"} <= event.keys()
