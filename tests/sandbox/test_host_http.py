"""HTTP triggers: routes, methods, keys and what comes back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from sandbox.host import Host
from tests.sandbox.host_fixtures import app_of

SOURCE = """
@app.route(route="hello/{name?}", auth_level=func.AuthLevel.FUNCTION)
async def hello(req: func.HttpRequest) -> func.HttpResponse:
    name = req.route_params.get("name", "nobody")
    text = f"{req.method} {name} {req.params.get('q')} {req.get_body().decode()}"
    return func.HttpResponse(text, status_code=201, headers={"x-app": "yes"})

@app.route(route="open/{number:int}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def open_(req: func.HttpRequest) -> str:
    return req.route_params["number"]

@app.route(route="rest/{*path}", auth_level=func.AuthLevel.ANONYMOUS)
def rest(req: func.HttpRequest) -> str:
    return req.route_params["path"]

@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> str:
    raise RuntimeError("no")
"""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ClientSession]:
    """A client of a host with four HTTP functions."""
    host = Host(
        app_of(tmp_path, SOURCE, '{"extensions": {"http": {"routePrefix": "v1"}}}'), key="key"
    )
    await host.start()
    async with ClientSession(host.url) as session:
        yield session
    await host.stop()


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/v1/hello/ann?code=key&q=1", 201, "POST ann 1 body"),
        ("GET", "/v1/hello?code=key", 201, "GET nobody None body"),
        ("GET", "/v1/hello/ann", 401, ""),
        ("GET", "/v1/open/7", 200, "7"),
        ("POST", "/v1/open/7", 405, None),
        ("GET", "/v1/rest/a/b", 200, "a/b"),
        ("GET", "/v1/broken", 500, ""),
        ("GET", "/api/open/7", 404, None),
    ],
)
async def test_a_request_gets_the_functions_answer(
    client: ClientSession, method: str, path: str, status: int, text: str | None
) -> None:
    """Method, route, key and prefix choose the function; its answer comes back."""
    async with client.request(method, path, data="body") as answer:
        assert answer.status == status
        if text is not None:
            assert await answer.text() == text
        if status == 201:
            assert answer.headers["x-app"] == "yes"
