"""What delivers alerts is made of app settings: channels, and such that say why they are none."""

import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from guards.edges import http
from guards.engine.errors import Terminal, Transient
from guards.engine.notify.ports import Channel, Post
from guards.engine.notify.routes import Route, Routes
from guards.engine.store import Delete
from guards.wiring import App, SettingsError, SystemClock, open_app
from guards.wiring.channels import read
from guards.wiring.post import Broken, Makers
from tests.edges.channels.parcels import ONE
from tests.edges.test_wiring import CONNECTION, STORAGE, URI
from tests.engine.notify.office import Office

SECRET = "Zm9yIG5vYm9keXMgZXllcw"
HOOK = f"https://workflow.example/invoke?sig={SECRET}"
PEOPLE = {"from": "guard@contoso.example", "to": "ann@contoso.example, bob@contoso.example"}


class Nobody:
    """An identity that must not be asked: nothing is sent here."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Never."""
        raise AssertionError(scopes)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> "Nobody":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@pytest.fixture
async def makers() -> AsyncIterator[Makers]:
    """As the app has them."""
    async with http.open_session() as session:
        yield Makers(session, Nobody(), SystemClock())


def made(makers: Makers, kind: str, address: str, **fields: str) -> Channel:
    """A channel of these settings."""
    settings = {kind: address, **{name.rstrip("_"): value for name, value in fields.items()}}
    (one,) = read({f"GUARD_CHANNEL_SEC_OPS__{name}": value for name, value in settings.items()})
    return makers.channel(one)


async def why(channel: Channel) -> str:
    """What a broken channel says when it is used, which tells nothing that is secret."""

    async def never() -> bool:
        raise AssertionError

    assert isinstance(channel, Broken)
    with pytest.raises(Terminal) as caught:
        await channel.send(ONE, never)
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(channel)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "address", "fields", "limits"),
    [
        ("teams", HOOK, {}, 1),
        ("webhook", HOOK, {"secret": SECRET}, 0),
        ("eventgrid", "https://topic.westeurope-1.eventgrid.azure.net/api/events", {}, 0),
        ("email", "https://acs.unitedstates.communication.azure.com", PEOPLE, 2),
        ("smtp", "smtp://mail.example", PEOPLE, 2),
    ],
)
async def test_every_kind_becomes_a_channel(
    makers: Makers, kind: str, address: str, fields: dict[str, str], limits: int
) -> None:
    """Of the name its settings have, with the limits of its kind, and no secret in any words."""
    channel = made(makers, kind, address, **fields)
    assert not isinstance(channel, Broken)
    assert (channel.name, len(channel.limits)) == ("sec-ops", limits)
    assert channel.capacity >= 1
    for text in (repr(channel), *(limit.key for limit in channel.limits)):
        assert SECRET not in text
        assert "example" not in text


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("smtp://mail.example", ("mail.example", 587, "starttls", "")),
        ("smtp://mail.example:25/", ("mail.example", 25, "starttls", "")),
        ("SMTPS://mail.example", ("mail.example", 465, "tls", "")),
        (
            "smtps://guard%40contoso@mail.example:1465",
            ("mail.example", 1465, "tls", "guard@contoso"),
        ),
        ("smtp+plain://127.0.0.1:2525", ("127.0.0.1", 2525, "none", "")),
        ("smtp://[::1]:2525", ("::1", 2525, "starttls", "")),
    ],
)
async def test_the_scheme_of_a_mail_server_says_how_it_is_encrypted(
    makers: Makers, address: str, server: tuple[str, int, str, str]
) -> None:
    """STARTTLS unless told otherwise, each with its usual port."""
    channel: Any = made(makers, "smtp", address, **PEOPLE)
    found = channel._server
    assert (found.host, found.port, found.tls, found.user) == server


async def test_an_account_of_a_mail_server_has_settings_of_its_own(makers: Makers) -> None:
    """User and password, neither of them shown."""
    channel: Any = made(
        makers, "smtp", "smtp://mail.example", user="guard", password=SECRET, **PEOPLE
    )
    assert (channel._server.user, channel._server.password) == ("guard", SECRET)
    assert SECRET not in repr(channel._server)


BAD_URLS = [
    SECRET,
    f"http://workflow.example/?sig={SECRET}",
    f"https://user:{SECRET}@workflow.example/",
    f"https://?sig={SECRET}",
    f"https://workflow.example:{SECRET}/",
    f"ftp://workflow.example/{SECRET}",
    f"//workflow.example/{SECRET}",
]


@pytest.mark.parametrize("address", BAD_URLS, ids=range(len(BAD_URLS)))
@pytest.mark.parametrize("kind", ["teams", "webhook", "eventgrid", "email"])
async def test_an_address_that_is_no_https_url_is_told_by_its_setting(
    makers: Makers, kind: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, and to whoever is told instead: the setting, never its value."""
    needed = {"webhook": {"secret": "x"}, "email": PEOPLE}.get(kind, {})
    channel = made(makers, kind, address, **needed)
    expected = f"GUARD_CHANNEL_SEC_OPS__{kind} must be an https:// URL"
    assert await why(channel) == f"it is not configured: {expected}"
    assert f"channel sec-ops cannot deliver: {expected}" in caplog.messages
    assert SECRET not in caplog.text


BAD_SERVERS = [
    SECRET,
    "mail.example",
    "mail.example:25",
    "https://mail.example",
    "smtp://",
    "smtp://:25",
    f"smtp://mail.example:{SECRET}",
    "smtp://mail.example:99999",
    f"smtp://user:{SECRET}@mail.example",
    f"smtp://mail.example/{SECRET}",
    f"smtp://mail.example?password={SECRET}",
    f"smtp://mail.example#{SECRET}",
    f"smtp://[{SECRET}",
]


@pytest.mark.parametrize("address", BAD_SERVERS, ids=range(len(BAD_SERVERS)))
async def test_a_mail_server_that_is_none_is_told_by_its_setting(
    makers: Makers, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With the forms that are allowed."""
    told = await why(made(makers, "smtp", address, **PEOPLE))
    assert "GUARD_CHANNEL_SEC_OPS__smtp must be smtp://HOST[:PORT] (STARTTLS), smtps://" in told
    assert SECRET not in caplog.text


async def test_a_password_is_not_sent_in_the_clear(makers: Makers) -> None:
    """A channel that would do so is none."""
    channel = made(
        makers, "smtp", "smtp+plain://mail.example", user="guard", password=SECRET, **PEOPLE
    )
    assert "a password needs an encrypted connection" in await why(channel)


@pytest.mark.parametrize("kind", ["smtp", "email"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({**PEOPLE, "to": "ann"}, "'ann' is no mail address"),
        ({**PEOPLE, "from": "Guard <guard@contoso.example>"}, "is no mail address"),
        ({**PEOPLE, "to": "ann@contoso.example; bob@contoso.example"}, "is no mail address"),
        ({**PEOPLE, "to": " , ,"}, "no mail address is given"),
    ],
)
async def test_an_address_of_nobody_is_told(
    makers: Makers, kind: str, fields: dict[str, str], words: str
) -> None:
    """Before the first mail, not by a server's refusal."""
    address = "smtp://mail.example" if kind == "smtp" else "https://acs.communication.azure.com"
    assert words in await why(made(makers, kind, address, **fields))


async def test_a_mistake_in_the_settings_is_told_by_the_channel(makers: Makers) -> None:
    """With the settings that are missing."""
    told = await why(made(makers, "smtp", "smtp://mail.example"))
    assert told == (
        "it is not configured: not set: GUARD_CHANNEL_SEC_OPS__from, GUARD_CHANNEL_SEC_OPS__to"
    )


async def test_what_a_broken_channel_should_tell_the_others_do() -> None:
    """Nothing waits for somebody to correct a setting, and people read which one it is."""
    office = Office("teams", "mail", routes=Routes((Route(("teams",)),)))
    mistake = "not set: GUARD_CHANNEL_TEAMS__secret"
    office.channels["teams"] = Broken("teams", mistake)  # type: ignore[assignment]
    posted = await office.alert()
    await office.settle(3600)
    assert office["mail"].told == [posted["alertId"]]
    (notice,) = office["mail"].notices
    assert mistake in notice


type Opener = Callable[[Mapping[str, str]], Awaitable[App]]


@pytest.fixture
async def app_with() -> AsyncIterator[Opener]:
    """Opens apps with a channel, and closes them."""
    apps: list[App] = []

    async def opened(environ: Mapping[str, str]) -> App:
        apps.append(await open_app({**STORAGE, "GUARD_CHANNEL_SECOPS__teams": HOOK, **environ}))
        return apps[-1]

    yield opened
    for app in apps:
        await app.close()


@pytest.fixture
async def post(app_with: Opener) -> Post:
    """Of an app with three channels, one of them broken."""
    others = {"GUARD_CHANNEL_A__webhook": "nonsense", "GUARD_CHANNEL_A__secret": SECRET}
    app = await app_with({**others, "GUARD_CHANNEL_Z__eventgrid": "https://topic.example/api"})
    return app.post()


async def test_a_post_has_its_channels_queues_and_store(post: Any) -> None:
    """All of the app's storage account, by the names that the bindings listen to."""
    assert list(post.channels) == ["a", "secops", "z"]
    root = "https://acct.queue.core.windows.net"
    assert post.deliveries._client.url == f"{root}/guard-deliveries"
    assert post.given_up._client.url == f"{root}/guard-deliveries-poison"
    assert post.store._store._client.url == "https://acct.table.core.windows.net"
    assert post.store._store._client.table_name == "guardstate"
    assert len({post.ticket() for _ in range(100)}) == 100


async def test_a_post_shows_no_secret(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    """Neither webhooks nor keys, should somebody log it."""
    for text in (repr(post), *map(repr, post.channels.values()), caplog.text):
        assert SECRET not in text
        assert CONNECTION.partition("AccountKey=")[2] not in text


async def test_a_post_is_made_once_and_closed_with_its_app(
    app_with: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    """With its identity's connections; the app without deliveries closes as well."""
    app = await app_with({})
    assert app.post() is app.post()
    await app.close()
    await (await app_with({})).close()
    assert app._session.closed
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_a_post_is_not_made_before_it_is_needed(app_with: Opener) -> None:
    """An event that is only guarded opens nothing for it."""
    app = await app_with({})
    assert app._post_office is None


NOTIFY = """
version: 1
notify:
  routes:
    - {severity: [low], channels: [secops]}
  default: [a]
  runbook: https://wiki.contoso.example/guard
"""


async def test_the_policys_routes_decide(app_with: Opener, tmp_path: Path) -> None:
    """And its runbook is what buttons lead to."""
    (tmp_path / "policy.yaml").write_text(NOTIFY, encoding="utf-8")
    app = await app_with({"GUARD_POLICY": str(tmp_path / "policy.yaml")})
    post = app.post()
    routes = await post.routes()
    assert routes.default == ("a",)
    assert routes.routes[0].channels == ("secops",)
    links = await post.links()
    assert links.runbook == "https://wiki.contoso.example/guard"
    assert links.portal == "https://portal.azure.com"


@pytest.mark.parametrize("content", [None, "version: 2\n", "notify: {routes: 7}\n"])
async def test_without_a_readable_policy_everybody_is_told(
    app_with: Opener, tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """An alert does not wait for a policy to be mended, least of all the one that says so."""
    if content is not None:
        (tmp_path / "policy.yaml").write_text(content, encoding="utf-8")
    app = await app_with({"GUARD_POLICY": str(tmp_path / "policy.yaml")})
    post = app.post()
    assert await post.routes() == Routes()
    assert (await post.links()).runbook == ""
    assert any("every channel is told" in message for message in caplog.messages)


async def test_buttons_lead_to_the_portal_of_the_cloud(app_with: Opener) -> None:
    """A resource of one cloud is not to be found in another's."""
    app = await app_with({"GUARD_CLOUD": "AzureUSGovernment"})
    assert (await app.post().links()).portal == "https://portal.azure.us"


IDENTITY = {"GUARD_STORAGE": "", "GUARD_STORAGE__queueServiceUri": URI}


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, "https://acct.table.core.windows.net"),
        (
            {"GUARD_STORAGE": f"{CONNECTION};TableEndpoint=https://tables.example"},
            "https://tables.example",
        ),
        (
            {"GUARD_STORAGE": "UseDevelopmentStorage=true"},
            "http://127.0.0.1:10002/devstoreaccount1",
        ),
        (IDENTITY, "https://acct.table.core.windows.net"),
        (
            {**IDENTITY, "GUARD_STORAGE__queueServiceUri": "https://a.z3.queue.storage.azure.net"},
            "https://a.z3.table.storage.azure.net",
        ),
        (
            {**IDENTITY, "GUARD_STORAGE__tableServiceUri": "https://acct.table.private.example"},
            "https://acct.table.private.example",
        ),
    ],
    ids=["connection", "endpoint", "development", "identity", "zone", "explicit"],
)
async def test_the_table_is_in_the_apps_storage_account(
    app_with: Opener, environ: dict[str, str], address: str
) -> None:
    """By its connection string or its identity; only where its name cannot be known is it set."""
    app = await app_with(environ)
    store: Any = app.post().store
    assert store._store._client.url == address


ONLY_QUEUES = f"QueueEndpoint=https://q.example;SharedAccessSignature=sv=1&sig={SECRET}"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            {**IDENTITY, "GUARD_STORAGE__queueServiceUri": "https://queues.example"},
            "set GUARD_STORAGE__tableServiceUri",
        ),
        ({"GUARD_STORAGE": ONLY_QUEUES}, "GUARD_STORAGE is a connection string without a table"),
    ],
    ids=["identity", "connection"],
)
async def test_without_a_table_deliveries_wait_and_the_setting_is_named(
    app_with: Opener, environ: dict[str, str], words: str
) -> None:
    """Nothing is lost until it is set, and the key is not told."""
    store = (await app_with(environ)).post().store
    for operation in (store.get("p", "k"), store.page("p", "k", 1), store.write("p", Delete("k"))):
        with pytest.raises(Transient, match=words) as caught:
            await operation
        assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("uri", ["http://acct.table.core.windows.net", "acct", "https://"])
async def test_no_token_goes_to_a_table_without_encryption(uri: str) -> None:
    """A wrong address is a mistake when the app starts, whether alerts are delivered or not."""
    with pytest.raises(SettingsError, match="GUARD_STORAGE__tableServiceUri must be an https"):
        await open_app({**IDENTITY, "GUARD_STORAGE__tableServiceUri": uri})
