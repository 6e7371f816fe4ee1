"""App settings become edges: the only place that builds them, once per process, inside the loop."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from azure.core import AzureClouds
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient
from azure.mgmt.core.tools import get_arm_endpoints
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from guards import GUARDS
from guards.edges import http
from guards.edges.arm import AzureResourceManager, origin
from guards.edges.identity import Identity
from guards.edges.policy_keeper import PolicyKeeper
from guards.edges.policy_source import BLOB_HOSTS, BlobSource, FileSource, NoSource, blob_url
from guards.edges.queues import StorageQueue
from guards.edges.register import Register
from guards.engine.model import Mode
from guards.engine.ports import Ports

log = logging.getLogger(__name__)

WORK_QUEUE = "guard-work"
ALERTS_QUEUE = "guard-alerts"
EVENTS_QUEUE = "guard-events"
STORAGE = "GUARD_STORAGE"
"""The prefix of the storage settings, and the connection of the queue triggers."""

DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)
"""Azurite's public well-known account: the host's short name for it is unknown to the SDK."""

_CLOUDS = {
    "AzurePublicCloud": AzureClouds.AZURE_PUBLIC_CLOUD,
    "AzureUSGovernment": AzureClouds.AZURE_US_GOVERNMENT,
    "AzureChinaCloud": AzureClouds.AZURE_CHINA_CLOUD,
}


class SettingsError(ValueError):
    """An app setting is missing or wrong; the message names it and says what is allowed."""


class SystemClock:
    """The `Clock` port."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()


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
    storage: Mapping[str, str]

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
        if not _is_https(endpoint):
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
        )


def _is_https(url: str) -> bool:
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
            ("client_id", f"{STORAGE}__clientId"),
        )
    }
    if found["connection"].rstrip(";") == "UseDevelopmentStorage=true":
        found["connection"] = DEVELOPMENT_STORAGE
    if not found["connection"] and not found["uri"]:
        raise SettingsError(
            f"set {STORAGE} (a connection string) or {STORAGE}__queueServiceUri (with identity)"
        )
    if not found["connection"] and not _is_https(found["uri"]):
        raise SettingsError(f"{STORAGE}__queueServiceUri must be an https:// URL")
    return found


class App:
    """The running app: its ports, and what must be closed with it."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        transport = http.transport(self._session)
        self._identity = Identity(
            settings.arm_scope, client_id=settings.client_id, expected_id=settings.principal_id
        )
        arm = AzureResourceManager(
            endpoint=settings.arm_endpoint,
            scope=settings.arm_scope,
            identity=self._identity,
            transport=transport,
            clients={
                "Microsoft.Compute": ComputeManagementClient,
                "Microsoft.ContainerRegistry": ContainerRegistryManagementClient,
            },
        )
        self._storage_identity = self._storage_credential()
        work, alerts = (self._queue(name, transport) for name in (WORK_QUEUE, ALERTS_QUEUE))
        clock = SystemClock()
        self._blob_identity: Identity | None = None
        keeper = PolicyKeeper(
            self._policy_source(), Register(work), StorageQueue(alerts), clock, GUARDS
        )
        self.ports = Ports(
            guards=GUARDS,
            arm=arm,
            work=StorageQueue(work),
            alerts=StorageQueue(alerts),
            clock=clock,
            policy=keeper.current,
            own_id=self._identity.own_id,
            own_names=self._identity.own_names,
            cap=settings.cap,
            budget_s=settings.budget_s,
        )

    async def close(self) -> None:
        """Close connections; for tests and the benchmark, Functions just ends the process."""
        await self._identity.close()
        for identity in (self._storage_identity, self._blob_identity):
            if identity is not None:
                await identity.close()
        await self._session.close()

    def _storage_credential(self) -> Identity | None:
        storage = self._settings.storage
        if storage["connection"]:
            return None
        client_id = storage["client_id"] or self._settings.client_id
        return Identity(self._settings.arm_scope, client_id=client_id)

    def _policy_source(self) -> FileSource | BlobSource | NoSource:
        """Where GUARD_POLICY points; no token goes to a URL that is no blob of this cloud.

        A wrong one is like a policy that cannot be read: events wait, and an alert tells why.
        """
        settings = self._settings
        if "://" not in settings.policy:
            return FileSource(settings.policy)
        try:
            url = blob_url(settings.policy, settings.blob_hosts, settings.blob_endpoint)
        except ValueError as e:
            return NoSource(str(e))
        # Of its own: an account that refuses its tokens must not renew those for ARM.
        self._blob_identity = Identity(settings.arm_scope, client_id=settings.client_id)
        return BlobSource(url, self._session, self._blob_identity)

    def _queue(self, name: str, transport: Any) -> QueueClient:
        storage = self._settings.storage
        proxy = http.proxy_for(storage["uri"] or "https://queue.core.windows.net")
        options: dict[str, Any] = {
            "proxies": {"https": proxy} if proxy else {},
            "message_encode_policy": TextBase64EncodePolicy(),
            "transport": transport,
            # A dropped connection is common, and there are 3 s: again after 0.3 s, and once more
            # at once. The SDK's defaults wait 15 s and more.
            "retry_total": 2,
            "initial_backoff": 0,
            "increment_base": 0.3,
            "random_jitter_range": 0.1,
            "connection_timeout": http.CONNECT_TIMEOUT_S,
            "read_timeout": http.READ_TIMEOUT_S,
        }
        if storage["connection"]:
            try:
                return QueueClient.from_connection_string(storage["connection"], name, **options)
            except ValueError as e:
                raise SettingsError(f"{STORAGE} is not a storage connection string") from e
        return QueueClient(storage["uri"], name, credential=self._storage_identity, **options)


async def open_app(environ: Mapping[str, str]) -> App:
    """The app that the app settings describe, inside the running loop.

    Raises:
        SettingsError: a setting is missing or wrong; nothing is left open.
    """
    settings = Settings.read(environ)
    session = http.open_session()
    try:
        return App(settings, session)
    except BaseException:
        await session.close()
        raise
