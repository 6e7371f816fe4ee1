"""What ARM checks before a type's own rules: the type, the API version, rights and locks."""

import re
from collections.abc import Iterable
from typing import Final

from sandbox.arm.answers import Request
from sandbox.arm.errors import ArmError, busy, unknown_type, unknown_version
from sandbox.arm.kinds import ACTION_NAMES, KINDS, NAMESPACES, Kind
from sandbox.arm.paths import Target
from sandbox.arm.store import Resource

FORBIDDEN_SUBSCRIPTIONS: Final = "00000000-dead-"
"""The guard has no role in subscriptions whose ID begins so; everyone else has."""


_VERSION: Final = re.compile(r"20\d\d-\d\d-\d\d(-(preview|beta|privatepreview))?")


def verb(request: Request) -> str:
    """What the request does, as operation names say it."""
    if request.method == "POST":
        action = request.target.trailing or ""
        return f"{ACTION_NAMES.get(action.lower(), action)}/action"
    return {"GET": "read", "DELETE": "delete"}.get(request.method, "write")


def authorize(request: Request) -> None:
    """Keep the guard out of where it has no role."""
    target, caller = request.target, request.caller
    if not caller.by_token or not target.subscription.startswith(FORBIDDEN_SUBSCRIPTIONS):
        return
    type_ = "/".join(_types(request)) if target.namespace else "Microsoft.Resources/subscriptions"
    raise ArmError(
        403,
        "AuthorizationFailed",
        f"The client '{caller.app_id}' with object id '{caller.object_id}' does not have "
        f"authorization to perform action '{type_}/{verb(request)}' over scope '{target.id}' or "
        "the scope is invalid. If access was recently granted, please refresh your credentials.",
    )


def kind_of(request: Request) -> Kind:
    """The catalogue's entry for what is written, acted on, read or listed.

    Raises:
        ArmError: 404, for a type that is not served, or in no stable API version; 400, for a
            preview that there is not. Azure uses both codes, for which cases is undocumented.
    """
    namespace, *types = _types(request)
    if namespace.lower() not in NAMESPACES:
        raise ArmError(
            404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid."
        )
    type_ = "/".join(types)
    kind = KINDS.get(f"{namespace}/{type_}".lower())
    if kind is None:
        raise unknown_type(namespace, type_, request.api_version)
    if kind.versions and request.api_version not in kind.versions:
        preview = request.api_version.endswith("-preview")
        refuse = unknown_version if preview else unknown_type
        raise refuse(namespace, type_, request.api_version, ", ".join(kind.versions))
    if not _VERSION.fullmatch(request.api_version):
        raise unknown_type(namespace, type_, request.api_version)
    return kind


def refuse_place(target: Target, kind: Kind) -> None:
    """Only locks and roles live outside resource groups, and nothing outside subscriptions."""
    if not target.subscription or (kind.tracked and target.group is None):
        raise _no_place(target)


def refuse_list(target: Target) -> None:
    """Above subscriptions nothing is listed."""
    if not target.subscription:
        raise _no_place(target)


def _no_place(target: Target) -> ArmError:
    return ArmError(404, "InvalidRequestUri", f"The request path for '{target.type}' is not valid.")


def refuse_name(target: Target, kind: Kind) -> None:
    """A new resource has a name its type allows."""
    name = target.names[-1]
    if not kind.names.fullmatch(name):
        raise ArmError(400, "InvalidResourceName", f"Resource name {name} is invalid.")


def refuse_busy(resource: Resource | None) -> None:
    """One operation at a time."""
    if resource is not None and resource.busy:
        raise busy(resource.body["id"])


def refuse_locked(target: Target, what: str, locks: Iterable[Resource]) -> None:
    """ReadOnly stops every change and every POST, CanNotDelete stops deletes."""
    deleting = what == "delete"
    scopes = [
        lock.body["id"].rpartition("/providers/")[0]
        for lock in locks
        if (deleting or lock.body["properties"]["level"] == "ReadOnly")
        and f"{target.key}/".startswith(f"{lock.key.rpartition('/providers/')[0]}/")
    ]
    if scopes:
        listed = ", ".join(f"'{scope}'" for scope in scopes)
        raise ArmError(
            409,
            "ScopeLocked",
            f"The scope '{target.id}' cannot perform {'delete' if deleting else 'write'} operation "
            f"because following scope(s) are locked: {listed}. Please remove the lock and try "
            "again.",
        )


def _types(request: Request) -> tuple[str, ...]:
    """The namespace and the types; what a GET ends with is a type to list."""
    target = request.target
    types = (target.namespace, *target.types)
    if request.method == "GET" and target.trailing:
        return (*types, target.trailing)
    return types
