"""Who calls: the guard by its token, anyone else by the name in `x-sandbox-caller`.

A caller knows how events and `systemData` speak of it. A name never becomes the guard, not even
the name "guard".
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from sandbox.arm.errors import ArmError
from sandbox.identity import TENANT_ID, TokenRefusedError, Tokens

GUARD: Final = "guard"
HEADER: Final = "x-sandbox-caller"
AUDIENCES: Final = frozenset(
    {
        "https://management.azure.com",
        "https://management.core.windows.net",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net",
        "https://management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn",
    }
)
_CLI: Final = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"  # Azure CLI, the client people use
_PEOPLE: Final = uuid.UUID("5f0c6a0e-7b1d-4c0a-9a77-0e5a1d0c0de5")
_SCHEMAS: Final = "http://schemas.microsoft.com"
_XML: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"


@dataclass(frozen=True)
class Caller:
    """One principal, and how Azure writes it down."""

    name: str
    object_id: str
    app_id: str
    signed_in_as: str
    principal_type: str
    """User or ServicePrincipal."""
    ip_address: str
    claims: Mapping[str, str]
    by_token: bool

    @property
    def created_by_type(self) -> str:
        """As `systemData` says it."""
        return "User" if self.principal_type == "User" else "Application"

    @cached_property
    def evidence(self) -> dict[str, Any]:
        """The role assignment that let the caller in, as events tell it (GUIDs without dashes)."""
        principal = self.object_id.replace("-", "")
        return {
            "role": "Contributor",
            "roleAssignmentScope": "/",
            "roleAssignmentId": uuid.uuid5(_PEOPLE, principal).hex,
            "roleDefinitionId": "b24988ac618042a0ab8820f7382dd24c",
            "principalId": principal,
            "principalType": self.principal_type,
        }


def authenticate(headers: Mapping[str, str], tokens: Tokens) -> Caller:
    """The caller of a request.

    Raises:
        ArmError: 401, for a token ARM does not take.
    """
    name = headers.get(HEADER)
    if name:
        return named(name)
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer" or not token:
            raise TokenRefusedError(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            )
        claims = tokens.verify(token.strip(), AUDIENCES)
    except TokenRefusedError as e:
        challenge = (
            f'Bearer authorization_uri="https://login.windows.net/{tokens.tenant_id}", '
            f'error="invalid_token", error_description="{e.message}"'
        )
        raise ArmError(401, e.code, e.message, headers={"WWW-Authenticate": challenge}) from e
    return _by_token(claims["oid"], claims["appid"], claims["aud"], tokens.tenant_id)


@lru_cache(maxsize=4096)
def named(name: str) -> Caller:
    """The person of that name: the same one in every run."""
    object_id = str(uuid.uuid5(_PEOPLE, name))
    address = f"203.0.113.{uuid.UUID(object_id).int % 254 + 1}"
    upn = name if "@" in name else f"{name}@contoso.example"
    claims = {
        **_common("https://management.core.windows.net/", TENANT_ID, object_id, _CLI),
        f"{_SCHEMAS}/claims/authnclassreference": "1",
        f"{_SCHEMAS}/claims/authnmethodsreferences": "pwd,mfa",
        f"{_XML}/givenname": name,
        f"{_XML}/surname": "Contoso",
        "ipaddr": address,
        "name": name,
        "puid": uuid.UUID(object_id).hex[:16].upper(),
        f"{_SCHEMAS}/identity/claims/scope": "user_impersonation",
        f"{_XML}/name": upn,
        f"{_XML}/upn": upn,
    }
    return Caller(name, object_id, _CLI, upn, "User", address, claims, by_token=False)


@lru_cache(maxsize=64)
def _by_token(object_id: str, app_id: str, audience: str, tenant_id: str) -> Caller:
    claims = {
        **_common(audience, tenant_id, object_id, app_id),
        f"{_SCHEMAS}/identity/claims/identityprovider": f"https://sts.windows.net/{tenant_id}/",
    }
    return Caller(
        GUARD, object_id, app_id, app_id, "ServicePrincipal", "198.51.100.7", claims, by_token=True
    )


def _common(audience: str, tenant_id: str, object_id: str, app_id: str) -> dict[str, str]:
    """The claims that people and applications share."""
    return {
        "aud": audience,
        "iss": f"https://sts.windows.net/{tenant_id}/",
        "iat": "1767225600",
        "nbf": "1767225600",
        "exp": "1767312000",
        "aio": "E2ZgYDi+8Fpx",
        "appid": app_id,
        "appidacr": "2",
        f"{_SCHEMAS}/identity/claims/objectidentifier": object_id,
        f"{_XML}/nameidentifier": object_id,
        f"{_SCHEMAS}/identity/claims/tenantid": tenant_id,
        "uti": "sandbox",
        "ver": "1.0",
    }
