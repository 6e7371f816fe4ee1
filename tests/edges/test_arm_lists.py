"""Lists come page by page, whole or not at all, and no page leads away from ARM."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from guards.edges import arm_lists
from guards.edges.arm import AzureResourceManager
from guards.engine.errors import Gone, GuardError, Terminal, Transient
from guards.engine.ids import ResourceId
from guards.engine.model import Body
from sandbox.certificates import Certificates
from tests.edges.conftest import DISK, GROUP, VERSION, Connect, World, soon
from tests.edges.loopback import FOREIGN, Loopback, answer

POOL = ResourceId.parse(f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/pool")
INSTANCES = "virtualMachines"
PATH = f"{POOL}/{INSTANCES}"
ONE, TWO = {"name": "one"}, {"name": "two"}
LAST = answer(200, {"value": [TWO]})


def page(link: object, *bodies: Any) -> bytes:
    """A page of a list that goes on at `link`."""
    return answer(200, {"value": list(bodies), "nextLink": link})


async def listed(edge: AzureResourceManager, seconds: float = 5) -> list[Body]:
    """The instances of the scale set."""
    return list(await edge.children(POOL, INSTANCES, VERSION, soon(seconds)))


async def outcome(edge: AzureResourceManager) -> list[Body] | GuardError:
    """What comes of listing them in a second."""
    try:
        return await listed(edge, 1)
    except GuardError as e:
        return e


async def scale_set(world: World, capacity: int) -> None:
    """A scale set of so many instances."""
    disk = {"createOption": "FromImage", "osType": "Linux"}
    image = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
    profile = {"storageProfile": {"imageReference": image, "osDisk": disk, "dataDisks": []}}
    body = {
        "location": "westeurope",
        "sku": {"name": "Standard_D2s_v5", "capacity": capacity},
        "properties": {"virtualMachineProfile": profile},
    }
    await world.put(POOL, body)


@pytest.mark.parametrize(("capacity", "pages"), [(0, 1), (5, 1), (6, 2), (12, 3)])
async def test_every_page_is_read_once(capacity: int, pages: int, world: World) -> None:
    """All instances, in Azure's order; a list that fits a page costs one call."""
    await scale_set(world, capacity)
    found = await listed(world.edge)
    assert [one["instanceId"] for one in found] == [str(number) for number in range(capacity)]
    assert ["GET 200"] * pages == world.guard_calls


async def test_an_extension_is_listed_by_its_path(world: World) -> None:
    """Such as the locks of a disk, or its diagnostic settings."""
    name = "providers/Microsoft.Authorization/locks"
    version = "2020-05-01"
    url = f"{world.url}{DISK.path}/{name}/keep?api-version={version}"
    body = {"properties": {"level": "CanNotDelete"}}
    caller = {"x-sandbox-caller": "alice"}
    async with world.client.put(url, json=body, headers=caller) as said:
        assert said.status < 300, await said.text()
    found = await world.edge.children(DISK, name, version, soon())
    assert [one["id"] for one in found] == [f"{DISK}/{name}/keep"]


async def test_children_of_what_is_not_there_are_gone(world: World) -> None:
    """404 of the scale set itself."""
    with pytest.raises(Gone):
        await listed(world.edge)


async def test_a_part_of_a_list_is_not_passed_off_as_the_whole(world: World) -> None:
    """The time is up between two pages: later, from the first page on."""
    await scale_set(world, 12)
    for delay_s in (0, 4):
        await world.tell("faults", {"match": {"caller": "guard"}, "delay_s": delay_s})
    with pytest.raises(Transient):
        await listed(world.edge, 2)
    assert len(world.guard_calls) == 2


async def test_a_page_that_is_refused_fails_the_list(world: World) -> None:
    """With Azure's code; a hiccup is asked again."""
    await scale_set(world, 6)
    again = {"match": {"caller": "guard"}, "status": 500, "headers": {"Retry-After": "0"}}
    await world.tell("faults", again)
    assert len(await listed(world.edge)) == 6
    assert world.guard_calls == ["GET 500", "GET 200", "GET 200"]

    world.arm.calls.clear()
    body = {"error": {"code": "AuthorizationFailed", "message": "Not this page."}}
    await world.tell("faults", {"match": {"caller": "guard"}, "delay_s": 0})
    await world.tell("faults", {"match": {"caller": "guard"}, "status": 403, "body": body})
    with pytest.raises(Terminal, match="Not this page"):
        await listed(world.edge)
    assert world.guard_calls == ["GET 200", "GET 403"]


@pytest.mark.parametrize("kind", FOREIGN)
async def test_no_page_leaves_arm(kind: str, connect: Connect, certificates: Certificates) -> None:
    """Whatever URL a page names: nobody else is asked, nobody else sees the token."""
    context = certificates.server_context()
    async with Loopback(context, LAST) as thief, Loopback(context) as server:
        link = FOREIGN[kind](server.url, thief.url) + PATH
        server.script(page(link, ONE), LAST)
        found = await outcome(await connect(server.url))
    if isinstance(found, GuardError):
        assert (found.code, len(server.requests)) == ("OtherHost", 1)
    else:
        assert (found, len(server.requests)) == ([ONE, TWO], 2)
    assert (thief.requests, thief.connections) == ([], 0)


async def test_a_page_on_another_host_fails_the_list(
    connect: Connect, certificates: Certificates
) -> None:
    """For good: what it would have had is not known, and nobody asks there."""
    context = certificates.server_context()
    async with Loopback(context, LAST) as thief, Loopback(context) as server:
        server.script(page(thief.url + PATH, ONE), LAST)
        with pytest.raises(Terminal) as caught:
            await listed(await connect(server.url))
    assert caught.value.code == "OtherHost"
    assert (server.lines, thief.connections) == ([f"GET {PATH}"], 0)


async def test_no_page_goes_over_plain_http(connect: Connect, certificates: Certificates) -> None:
    """Not even to a port of the same address."""
    async with (
        Loopback(None, LAST) as plain,
        Loopback(certificates.server_context()) as server,
    ):
        server.script(page(plain.url + PATH, ONE), LAST)
        with pytest.raises(Terminal):
            await listed(await connect(server.url))
    assert plain.connections == 0


@pytest.mark.parametrize(
    ("link", "path"),
    [
        (f"{PATH}?api-version=1&$skiptoken=5", PATH),
        ("?api-version=1&$skiptoken=5", PATH),
        ("virtualMachines?$skiptoken=5", PATH),
        ("/elsewhere", "/elsewhere"),
    ],
)
async def test_a_relative_link_is_arms_own(
    link: str, path: str, connect: Connect, certificates: Certificates
) -> None:
    """It means the page that names it, as in any document."""
    async with Loopback(certificates.server_context(), page(link, ONE), LAST) as server:
        assert await listed(await connect(server.url)) == [ONE, TWO]
    assert [f"GET {PATH}", f"GET {path}"] == server.lines


async def test_a_token_arrives_as_azure_wrote_it(
    connect: Connect, certificates: Certificates
) -> None:
    """Escaped or not, it means the same; the link is followed, not understood."""
    query = "api-version=1&%24skiptoken=a%2Bb%3D%3D%26c%25d&$top=5"
    async with Loopback(certificates.server_context()) as server:
        server.script(page(f"{server.url}{PATH}?{query}", ONE), LAST)
        assert await listed(await connect(server.url)) == [ONE, TWO]
    sent = server.requests[1].split()[1]
    assert parse_qsl(query, strict_parsing=True) == parse_qsl(urlsplit(sent).query)


@pytest.mark.parametrize(
    ("links", "asked"),
    [
        ([f"{PATH}?api-version={VERSION}"], 1),
        (["?a", "?a"], 2),
        (["?a", "?b", "?a"], 3),
        (["?a", "?b", "?c", "?b"], 4),
    ],
)
async def test_a_list_that_repeats_itself_ends(
    links: list[str], asked: int, connect: Connect, certificates: Certificates
) -> None:
    """No page is asked for twice; later Azure may have come to its senses."""
    async with Loopback(certificates.server_context()) as server:
        server.script(*(page(f"{PATH}{link}" if link[0] == "?" else link) for link in links))
        with pytest.raises(Transient, match="leads back"):
            await listed(await connect(server.url))
    assert asked == len(server.requests)


@pytest.mark.parametrize("pages", [4, 5, 6, 9])
async def test_a_list_has_a_bounded_number_of_pages(
    pages: int, connect: Connect, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that never ends costs no more than that; it is told, not cut."""
    monkeypatch.setattr(arm_lists, "MOST_PAGES", 5)
    scripts = [page(f"?page={number}", ONE) for number in range(2, pages + 1)]
    async with Loopback(certificates.server_context(), *scripts, LAST) as server:
        edge = await connect(server.url)
        if pages <= 5:
            assert await listed(edge) == [*[ONE] * (pages - 1), TWO]
        else:
            with pytest.raises(Terminal, match="more than 5 pages") as caught:
                await listed(edge)
            assert caught.value.code == "TooManyPages"
    assert min(pages, 5) == len(server.requests)


@pytest.mark.parametrize("link", [None, ""])
async def test_a_link_to_nowhere_is_the_end(
    link: object, connect: Connect, certificates: Certificates
) -> None:
    """As some of Azure's lists write it."""
    async with Loopback(certificates.server_context(), page(link, ONE)) as server:
        assert await listed(await connect(server.url)) == [ONE]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        answer(204),
        answer(200, {}),
        answer(200, []),
        answer(200, {"value": None}),
        answer(200, {"value": {"0": ONE}}),
        answer(200, {"value": "one"}),
        answer(200, {"properties": {}}),
        page(5, ONE),
        page(True, ONE),
        page({"href": PATH}, ONE),
        page([PATH], ONE),
    ],
)
async def test_what_is_no_list_is_not_an_empty_one(
    said: bytes, connect: Connect, certificates: Certificates
) -> None:
    """Nothing there would be good news, and this is none."""
    async with Loopback(certificates.server_context(), said) as server:
        with pytest.raises(Transient):
            await listed(await connect(server.url))


async def test_what_is_no_resource_is_left_out(
    connect: Connect, certificates: Certificates
) -> None:
    """The rest of the page counts."""
    odd = answer(200, {"value": [None, ONE, "two", 3, ["four"], TWO]})
    async with Loopback(certificates.server_context(), odd) as server:
        assert await listed(await connect(server.url)) == [ONE, TWO]


@pytest.mark.parametrize(
    "link",
    [
        "\ud800",
        "?\udfff",
        "?a\r\nHost: evil.example",
        "?\x00",
        "? HTTP/1.1",
        "?" + "x" * 100_000,
        "?%zz",
        "?größe",
        "?" + "%" * 99,
    ],
)
async def test_no_link_leaks_anothers_errors(
    link: str, connect: Connect, certificates: Certificates
) -> None:
    """Characters that no URL has: the next page, or an error of ours, and no second header."""
    async with Loopback(certificates.server_context(), page(link, ONE), LAST) as server:
        found = await outcome(await connect(server.url))
    assert found == [ONE, TWO] or (isinstance(found, GuardError) and link not in str(found))
    assert not any("\r\nhost: evil" in request.lower() for request in server.requests)
