"""Operations seen from outside: the headers that say where to ask, and what asking answers.

Compute: a Location whose answer is 202 until it is the result, and for a PUT an
Azure-AsyncOperation. Registries: an Azure-AsyncOperation only, without Retry-After; what answers
202 there (deletes, imports) has a Location, whose path is a guess. Real PUTs were recorded without
Retry-After; for PATCH and actions Compute documents it.
"""

import json
from typing import Final

from sandbox.arm.answers import Answer, Request
from sandbox.arm.bodies import Body
from sandbox.arm.errors import ArmError
from sandbox.arm.operations import Operation, Operations

COMPUTE: Final = "microsoft.compute/locations/operations"
REGISTRY: Final = "microsoft.containerregistry/registries/operationstatuses"
_PREFIX: Final = "registries-"


def poll(request: Request, operations: Operations) -> Answer:
    """An operation's status, or behind its Location the result."""
    target = request.target
    operation_id = target.names[-1].removeprefix(_PREFIX)
    operation = operations.get(target.subscription, operation_id)
    if operation is None:
        raise ArmError(404, "NotFound", f"The operation '{operation_id}' was not found.")
    here = f"{request.base_url}{request.path_qs}"
    if target.type_key == REGISTRY and not request.monitor:
        status = {"status": "Succeeded" if operation.done else "InProgress"}
        return Answer(200, json.dumps(status).encode(), {"Azure-AsyncOperation": here})
    if not request.monitor:
        return Answer(200, json.dumps(operation.status()).encode())
    if operation.done:
        return Answer(200, operation.result)
    return Answer(202, b"", {"Location": here, "Retry-After": "1"})


def compute_headers(request: Request, location: str, operation: Operation) -> dict[str, str]:
    """Where a disk's or snapshot's 202 sends its client."""
    url = (
        f"{request.base_url}/subscriptions/{request.target.subscription}/providers/"
        f"Microsoft.Compute/locations/{location}/operations/{operation.id}"
        f"?p={operation.id[:8]}&api-version={request.api_version}"
    )
    location_header = {"Location": f"{url}&monitor=true"}
    if request.method == "PUT":
        return {**location_header, "Azure-AsyncOperation": url}
    return {**location_header, "Retry-After": "1"}


def registry_headers(request: Request, registry: Body, operation: Operation) -> dict[str, str]:
    """Where a registry's 201 sends its client."""
    return {"Azure-AsyncOperation": _registry_url(request, registry["id"], operation)}


def registry_location(request: Request, operation: Operation) -> dict[str, str]:
    """Where a 202 of a registry or of what it has sends its client."""
    target = request.target
    top = f"{target.namespace}/{target.types[0]}/{target.names[0]}"
    registry = f"{target.scope}/providers/{top}"
    return {"Location": f"{_registry_url(request, registry, operation)}&monitor=true"}


def _registry_url(request: Request, registry_id: str, operation: Operation) -> str:
    return (
        f"{request.base_url}{registry_id}/operationStatuses/"
        f"{_PREFIX}{operation.id}?api-version={request.api_version}"
    )
