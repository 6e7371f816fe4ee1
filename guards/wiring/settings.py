"""The app settings, parsed; every mistake names the setting and what is allowed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from azure.core import AzureClouds
from azure.mgmt.core.tools import get_arm_endpoints

from guards.edges.arm_origin import origin
from guards.edges.policy_source import BLOB_HOSTS
from guards.engine.model import Mode

log = logging.getLogger(__name__)

STORAGE = "GUARD_STORAGE"
"""The prefix of the storage settings, and the connection of the queue triggers."""

DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
"""Azurite's public well-known account: the host's short name for it is unknown to the SDK."""

_PORTALS = {
    "AzurePublicCloud": "https://portal.azure.com",
    "AzureUSGovernment": "https://portal.azure.us",
    "AzureChinaCloud": "https://portal.azure.cn",
}
_CLOUDS = {
    "AzurePublicCloud": AzureClouds.AZURE_PUBLIC_CLOUD,
    "AzureUSGovernment": AzureClouds.AZURE_US_GOVERNMENT,
    "AzureChinaCloud": AzureClouds.AZURE_CHINA_CLOUD,
}


class SettingsError(ValueError):
    """An app setting is missing or wrong; the message names it and says what is allowed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The app settings, parsed; README.md explains each."""

    cap: Mode
    budget_s: float
    policy: str
    """A path in the package, or the https URL of a blob."""
    blob_hosts: Sequence[str]
    blob_endpoint: str
    arm_endpoint: str
    arm_scope: str
    client_id: str
    principal_id: str
    storage: Mapping[str, str] = field(repr=False)  # with the account's key
    portal: str
    """Where buttons of cards and mails lead."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """From environment variables, as Functions hands app settings over.

        Raises:
            SettingsError: the first that is missing or wrong.
        """
        cloud = environ.get("GUARD_CLOUD") or "AzurePublicCloud"
        if cloud not in _CLOUDS:
            raise SettingsError(f"GUARD_CLOUD is {cloud!r}; allowed: {', '.join(_CLOUDS)}")
        endpoints = get_arm_endpoints(_CLOUDS[cloud])
        endpoint = environ.get("ARM_ENDPOINT") or endpoints["resource_manager"]
        if not is_https(endpoint):
            raise SettingsError("ARM_ENDPOINT must be an https:// URL: a token is sent there")
        return cls(
            cap=_mode(environ.get("GUARD_MODE")),
            budget_s=_seconds(environ.get("GUARD_EVENT_BUDGET_SECONDS")),
            policy=environ.get("GUARD_POLICY") or "policy.yaml",
            blob_hosts=BLOB_HOSTS[cloud],
            blob_endpoint=environ.get("GUARD_BLOB_ENDPOINT", ""),
            arm_endpoint=endpoint,
            arm_scope=endpoints["credential_scopes"][0],
            client_id=environ.get("AZURE_CLIENT_ID", ""),
            principal_id=environ.get("GUARD_PRINCIPAL_ID", ""),
            storage=_storage(environ),
            portal=_PORTALS[cloud],
        )


def is_https(url: str) -> bool:
    """Whether it is https with a host, and without a user name."""
    scheme, host, _ = origin(url)
    return scheme == "https" and bool(host)


def _mode(text: str | None) -> Mode:
    """GUARD_MODE; a word nobody knows stops every change, as audit does."""
    try:
        return Mode((text or "enforce").strip().lower())
    except ValueError:
        log.critical("GUARD_MODE is %r; allowed: enforce, audit, off. Taken as audit", text)
        return Mode.AUDIT


def _seconds(text: str | None) -> float:
    try:
        seconds = float(text or 20)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 20:
        raise SettingsError(
            f"GUARD_EVENT_BUDGET_SECONDS is {text!r}; allowed: 1 to 20: Event Grid waits 30, "
            "and the alert must be posted, too"
        )
    return seconds


def _storage(environ: Mapping[str, str]) -> Mapping[str, str]:
    found = {
        name: environ.get(key, "")
        for name, key in (
            ("connection", STORAGE),
            ("uri", f"{STORAGE}__queueServiceUri"),
            ("tables", f"{STORAGE}__tableServiceUri"),
            ("client_id", f"{STORAGE}__clientId"),
        )
    }
    if found["connection"].rstrip(";") == "UseDevelopmentStorage=true":
        found["connection"] = DEVELOPMENT_STORAGE
    if not found["connection"] and not found["uri"]:
        raise SettingsError(
            f"set {STORAGE} (a connection string) or {STORAGE}__queueServiceUri (with identity)"
        )
    if found["connection"]:
        return found
    if not is_https(found["uri"]):
        raise SettingsError(f"{STORAGE}__queueServiceUri must be an https:// URL")
    if not found["tables"] and ".queue." in found["uri"]:
        # The same account, unless said otherwise: only the host's second word is another.
        found["tables"] = found["uri"].replace(".queue.", ".table.", 1)
    if found["tables"] and not is_https(found["tables"]):
        raise SettingsError(f"{STORAGE}__tableServiceUri must be an https:// URL")
    return found
