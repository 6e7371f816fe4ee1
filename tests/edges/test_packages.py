"""What the installed SDKs and the app's imports must agree on."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from azure.mgmt import compute, containerregistry
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.containerregistry.aio import ContainerRegistryManagementClient

from guards import container_registry, managed_disk

ROOT = Path(__file__).resolve().parents[2]

_DEFAULT = re.compile(
    r"""api_version[^\n]*?(?:Literal\[|pop\(\s*"api_version",|or\s+|=\s*)\s*"(20\d\d-\d\d-\d\d)"|
        kwargs\.pop\("api_version",.*?"(20\d\d-\d\d-\d\d)"\)""",
    re.VERBOSE,
)


def _versions(source: str) -> set[str]:
    """API versions that operations send when nobody says otherwise."""
    return {one or other for one, other in _DEFAULT.findall(source)}


class _Credential:
    """A credential that is never asked."""

    async def get_token(self, *scopes: str, **options: object) -> object:
        raise AssertionError(scopes)

    async def get_token_info(self, *scopes: str, **options: object) -> object:
        raise AssertionError(scopes)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> "_Credential":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def _source(package: object, *parts: str) -> str:
    assert inspect.ismodule(package)
    assert package.__file__ is not None
    return Path(package.__file__).parent.joinpath(*parts).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["disks", "snapshots"])
def test_disks_and_snapshots_speak_the_sdks_version(kind: str) -> None:
    """The one that Microsoft tests this client with."""
    source = _source(compute, "operations", "_operations.py")
    builder = source.partition(f"def build_{kind}_update_request(")[2].partition("\ndef ")[0]
    assert {managed_disk.API_VERSION} == _versions(builder)


async def test_registries_speak_the_sdks_version() -> None:
    """As the client's own configuration has it."""
    client = ContainerRegistryManagementClient(
        _Credential(),  # type: ignore[arg-type]
        "11111111-2222-3333-4444-555555555555",
    )
    config = client._config
    assert config.api_version == container_registry.API_VERSION
    await client.close()


def test_the_packages_are_the_ones_looked_at() -> None:
    """The walks above read what the app runs."""
    assert ComputeManagementClient.__module__.startswith(compute.__name__)
    assert ContainerRegistryManagementClient.__module__.startswith(containerregistry.__name__)


def _modules(code: str) -> set[str]:
    """What is loaded after this code has run in a process of its own."""
    program = f"{code}\nimport sys\nprint('\\n'.join(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of the running app."""
    return _modules("import function_app")


@pytest.mark.parametrize(
    "package",
    [
        "rich", "jsonschema", "markdown_it", "pygments", "guards.cli", "guards.__main__",
        "sandbox", "tests", "pytest", "hypothesis", "trustme", "argparse.__main__",
    ],
)  # fmt: skip
def test_the_app_loads_nothing_of_the_operators_tools(package: str, loaded: set[str]) -> None:
    """A cold start pays for the guard only."""
    assert set() == {n for n in loaded if n == package or n.startswith(f"{package}.")}


def test_the_app_loads_no_more_of_azure_than_its_clients_do(loaded: set[str]) -> None:
    """Models and operations that are not needed stay on the disk."""
    floor = _modules(
        "import azure.mgmt.compute.aio, azure.mgmt.containerregistry.aio, azure.mgmt.core.tools"
    )
    assert set() == {name for name in loaded - floor if name.startswith("azure.mgmt.")}
    assert "azure.mgmt.compute.aio" in loaded
