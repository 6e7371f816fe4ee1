"""What ARM says when it refuses: one exception, and the refusals that every type shares.

The words are Azure's wherever they are documented or were recorded; they reach alerts, so they
matter.
"""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.arm.paths import Target


class ArmError(Exception):
    """A refusal, as the client will read it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The error body in Azure's shape."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            error["target"] = self.target
        return json.dumps({"error": error}).encode()


def bad_request(message: str, *, code: str = "BadRequest", target: str | None = None) -> ArmError:
    """400, for what the resource provider finds wrong with a request."""
    return ArmError(400, code, message, target=target)


def conflict(message: str, *, code: str = "OperationNotAllowed") -> ArmError:
    """409, for what the resource's state does not allow."""
    return ArmError(409, code, message)


def not_found(target: Target) -> ArmError:
    """404 of a resource that is not there."""
    names = "/".join(target.names)
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{target.type}/{names}' under resource group '{target.group}' was not "
        "found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def parent_not_found(target: Target) -> ArmError:
    """404 of a child whose parent is not there."""
    return ArmError(
        404,
        "ParentResourceNotFound",
        f"Failed to perform 'write' on resource(s) of type '{'/'.join(target.types)}', because "
        f"the parent resource '{target.parent_id}' could not be found.",
    )


def unknown_type(namespace: str, type_: str, api_version: str, known: str = "") -> ArmError:
    """404 of a type, or of a type in an API version that does not have it."""
    tail = f" The supported api-versions are '{known}'." if known else ""
    return ArmError(
        404,
        "InvalidResourceType",
        f"The resource type '{type_}' could not be found in the namespace '{namespace}' for api "
        f"version '{api_version}'.{tail}",
    )


def unknown_version(_namespace: str, type_: str, api_version: str, known: str) -> ArmError:
    """400 of a type that exists, in an API version that does not."""
    return ArmError(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location 'westeurope' and API version "
        f"'{api_version}' for type '{type_}'. The supported api-versions are '{known}'. The "
        "supported locations are 'westeurope'.",
    )


def method_not_allowed(method: str, type_: str) -> ArmError:
    """405 of a method the type does not have."""
    return ArmError(
        405, "MethodNotAllowed", f"The HTTP method '{method}' is not supported for '{type_}'."
    )


def busy(resource_id: str) -> ArmError:
    """409 while an earlier long-running operation holds the resource."""
    return conflict(
        f"The request failed due to conflict with a concurrent request: another operation on "
        f"'{resource_id}' is in progress.",
        code="Conflict",
    )
