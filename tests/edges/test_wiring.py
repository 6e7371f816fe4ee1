"""App settings become edges, and every mistake in them names the setting."""

import base64
import logging
from pathlib import Path

import pytest

from guards import GUARDS, wiring
from guards.edges import http
from guards.engine.errors import Transient
from guards.engine.model import Mode
from guards.wiring import Settings, SettingsError, open_app

KEY = base64.b64encode(b"a key that is none").decode()
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={KEY}"
STORAGE = {"GUARD_STORAGE": CONNECTION}
URI = "https://acct.queue.core.windows.net"
TABLES = "https://other.table.core.windows.net"


def test_storage_is_all_that_must_be_set() -> None:
    """The rest has defaults: the public cloud, the shipped policy, 20 seconds, enforce."""
    settings = Settings.read(STORAGE)
    assert Mode.ENFORCE is settings.cap
    assert settings.budget_s == 20
    assert settings.policy == "policy.yaml"
    assert settings.arm_endpoint == "https://management.azure.com/"
    assert settings.arm_scope == "https://management.azure.com/.default"
    assert (settings.client_id, settings.principal_id) == ("", "")
    assert settings.storage["connection"] == CONNECTION


def test_every_setting_is_read() -> None:
    """None is a decoration."""
    settings = Settings.read(
        {
            "GUARD_STORAGE__queueServiceUri": URI,
            "GUARD_STORAGE__tableServiceUri": TABLES,
            "GUARD_STORAGE__clientId": "storage-client",
            "GUARD_MODE": "audit",
            "GUARD_EVENT_BUDGET_SECONDS": "12.5",
            "GUARD_POLICY": "strict.yaml",
            "GUARD_PRINCIPAL_ID": "object-id",
            "AZURE_CLIENT_ID": "client-id",
            "ARM_ENDPOINT": "https://127.0.0.1:8443",
        }
    )
    assert (settings.cap, settings.budget_s) == (Mode.AUDIT, 12.5)
    assert settings.policy == "strict.yaml"
    assert settings.arm_endpoint == "https://127.0.0.1:8443"
    assert (settings.client_id, settings.principal_id) == ("client-id", "object-id")
    assert settings.storage == {
        "connection": "",
        "uri": URI,
        "tables": TABLES,
        "client_id": "storage-client",
    }


def test_settings_show_no_key() -> None:
    """Whoever logs them shows where the app works, and not what opens it."""
    for storage in (CONNECTION, f"{CONNECTION};EndpointSuffix=core.windows.net"):
        assert KEY not in repr(Settings.read({"GUARD_STORAGE": storage}))


@pytest.mark.parametrize(
    ("queues", "tables"),
    [
        (URI, "https://acct.table.core.windows.net"),
        (
            "https://acct.queue.core.usgovcloudapi.net/",
            "https://acct.table.core.usgovcloudapi.net/",
        ),
        ("https://a.queue.queue.example", "https://a.table.queue.example"),
        ("https://queue.example", ""),
    ],
)
def test_tables_are_beside_the_queues_unless_said_otherwise(queues: str, tables: str) -> None:
    """An account has one name for both; behind another name they are not guessed."""
    storage = Settings.read({"GUARD_STORAGE__queueServiceUri": queues}).storage
    assert storage["tables"] == tables


BLOB = "https://acct.blob.core.windows.net/policy/policy.yaml"


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"GUARD_POLICY": "/mnt/share/policy.yaml"}, "/mnt/share/policy.yaml"),
        ({"GUARD_POLICY": BLOB}, BLOB),
        (
            {
                "GUARD_CLOUD": "AzureUSGovernment",
                "GUARD_POLICY": "https://acct.blob.core.usgovcloudapi.net/policy/policy.yaml",
            },
            "https://acct.blob.core.usgovcloudapi.net/policy/policy.yaml",
        ),
        (
            {
                "GUARD_BLOB_ENDPOINT": "https://127.0.0.1:10000/devstoreaccount1",
                "GUARD_POLICY": "https://127.0.0.1:10000/devstoreaccount1/policy/policy.yaml",
            },
            "https://127.0.0.1:10000/devstoreaccount1/policy/policy.yaml",
        ),
    ],
)
async def test_a_policy_may_stand_anywhere(environ: dict[str, str], place: str) -> None:
    """In the package, on a mounted share, in a blob of the configured cloud."""
    app = await open_app({**STORAGE, **environ})
    assert app._policy_source().name == place.removeprefix("https://")
    await app.close()


@pytest.mark.parametrize(
    "environ",
    [
        {"GUARD_POLICY": "https://evil.example/policy/policy.yaml"},
        {"GUARD_POLICY": "http://acct.blob.core.windows.net/policy/policy.yaml"},
        {"GUARD_POLICY": f"{BLOB}?sv=2024&sig=secret"},
        {"GUARD_POLICY": BLOB, "GUARD_CLOUD": "AzureChinaCloud"},
        {"GUARD_POLICY": "https://127.0.0.1:1/x/y", "GUARD_BLOB_ENDPOINT": "http://127.0.0.1:1/x"},
        {"GUARD_POLICY": "ftp://acct.blob.core.windows.net/policy/policy.yaml"},
    ],
)
async def test_no_token_goes_where_no_policy_can_be(environ: dict[str, str]) -> None:
    """Only to a blob host of the configured cloud; else events wait, and are told why."""
    app = await open_app({**STORAGE, **environ})
    with pytest.raises(Transient, match="GUARD_") as refused:
        await app._policy_source().read("")
    assert "secret" not in str(refused.value)
    await app.close()


@pytest.mark.parametrize(
    ("cloud", "endpoint", "scope", "portal"),
    [
        (
            "",
            "https://management.azure.com/",
            "https://management.azure.com/.default",
            "https://portal.azure.com",
        ),
        (
            "AzurePublicCloud",
            "https://management.azure.com/",
            "https://management.azure.com/.default",
            "https://portal.azure.com",
        ),
        (
            "AzureUSGovernment",
            "https://management.usgovcloudapi.net/",
            "https://management.core.usgovcloudapi.net/.default",
            "https://portal.azure.us",
        ),
        (
            "AzureChinaCloud",
            "https://management.chinacloudapi.cn/",
            "https://management.chinacloudapi.cn/.default",
            "https://portal.azure.cn",
        ),
    ],
)
def test_a_cloud_has_its_endpoint_audience_and_portal(
    cloud: str, endpoint: str, scope: str, portal: str
) -> None:
    """A token or a link for one cloud is worth nothing in another."""
    settings = Settings.read({**STORAGE, "GUARD_CLOUD": cloud})
    assert (endpoint, scope) == (settings.arm_endpoint, settings.arm_scope)
    assert portal == settings.portal


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", Mode.ENFORCE),
        ("enforce", Mode.ENFORCE),
        (" Audit ", Mode.AUDIT),
        ("OFF", Mode.OFF),
        ("dry-run", Mode.AUDIT),
        ("enforced", Mode.AUDIT),
        ("0", Mode.AUDIT),
    ],
)
def test_a_mode_nobody_knows_stops_every_change(
    text: str, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Break-glass works in spite of a typing error, and the log says so."""
    assert mode is Settings.read({**STORAGE, "GUARD_MODE": text}).cap
    unknown = text.strip().lower() not in ("", "enforce", "audit", "off")
    assert unknown == any(
        r.levelno == logging.CRITICAL and "GUARD_MODE" in r.getMessage() for r in caplog.records
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GUARD_CLOUD", "AzureGermanCloud"),
        ("GUARD_CLOUD", "azurepubliccloud"),
        ("GUARD_EVENT_BUDGET_SECONDS", "0"),
        ("GUARD_EVENT_BUDGET_SECONDS", "20.5"),
        ("GUARD_EVENT_BUDGET_SECONDS", "-5"),
        ("GUARD_EVENT_BUDGET_SECONDS", "nan"),
        ("GUARD_EVENT_BUDGET_SECONDS", "inf"),
        ("GUARD_EVENT_BUDGET_SECONDS", "twenty"),
        ("ARM_ENDPOINT", "http://127.0.0.1:8080"),
        ("ARM_ENDPOINT", "management.azure.com"),
        ("ARM_ENDPOINT", "https://"),
        ("ARM_ENDPOINT", "https://user@management.azure.com"),
        ("ARM_ENDPOINT", "https://127.0.0.1:port"),
        ("GUARD_STORAGE", ""),
        ("GUARD_STORAGE", "not a connection string"),
        ("GUARD_STORAGE", "AccountName=acct"),
        ("GUARD_STORAGE__queueServiceUri", "http://acct.queue.core.windows.net"),
        ("GUARD_STORAGE__queueServiceUri", "acct"),
    ],
)
async def test_a_mistake_names_the_setting(name: str, value: str) -> None:
    """Whoever deploys reads which one, before the first event needs it."""
    storage = {} if name.startswith("GUARD_STORAGE") else STORAGE
    with pytest.raises(SettingsError, match=name):
        await open_app({**storage, name: value})


async def test_a_mistake_does_not_tell_the_storage_key() -> None:
    """The setting is a secret."""
    with pytest.raises(SettingsError) as caught:
        await open_app({"GUARD_STORAGE": f"AccountKey={KEY}"})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("text", ["UseDevelopmentStorage=true", "UseDevelopmentStorage=true;"])
async def test_development_storage_means_azurite(text: str) -> None:
    """The Functions host knows the short name, the SDK does not."""
    app = await open_app({"GUARD_STORAGE": text})
    assert app.ports.work._client.url == "http://127.0.0.1:10001/devstoreaccount1/guard-work"  # type: ignore[attr-defined]
    await app.close()


@pytest.mark.parametrize("storage", [STORAGE, {"GUARD_STORAGE__queueServiceUri": URI}])
async def test_the_app_is_built_and_closed(
    storage: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """By key or by identity, without a request, and without a warning about what stays open."""
    app = await open_app(storage)
    assert app.ports.guards == GUARDS
    assert (app.ports.cap, app.ports.budget_s, app.ports.intent_delay_s) == (Mode.ENFORCE, 20, 60)
    assert f"{URI}/guard-alerts" == app.ports.alerts._client.url  # type: ignore[attr-defined]
    await app.close()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_the_shipped_policy_is_read_once() -> None:
    """And is the same object for every event."""
    app = await open_app(STORAGE)
    assert await app.ports.policy() is await app.ports.policy()
    await app.close()


@pytest.mark.parametrize("content", [None, b"version: 2\n", b"\xff\xfe\x00", b"version: 1\nx: 1\n"])
async def test_an_unreadable_policy_is_no_policy_at_all(
    content: bytes | None, tmp_path: Path
) -> None:
    """Transient, so every event waits in the queue."""
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    app = await open_app({**STORAGE, "GUARD_POLICY": str(path)})
    with pytest.raises(Transient) as caught:
        await app.ports.policy()
    assert caught.value.code == "PolicyUnreadable"
    await app.close()


def test_the_clock_goes_forward_in_utc() -> None:
    """What deadlines and alerts are written with."""
    clock = wiring.SystemClock()
    assert clock.now().utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    assert clock.monotonic() <= clock.monotonic()


ARM = "https://management.azure.com/"


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, ARM, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, ARM, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, ARM, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, ARM, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://127.0.0.1:1/x", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "management.azure.com"}, ARM, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ".azure.com"}, ARM, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "localhost, azure.com"}, ARM, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, ARM, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "example.org"}, ARM, "http://p"),
        ({"HTTPS_PROXY": "http://p"}, "not a url", None),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    environ: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As curl and pip understand it, exceptions included."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy == http.proxy_for(url)
