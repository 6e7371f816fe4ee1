"""What tests of the sandbox's servers have in common."""

from collections.abc import Iterator

import pytest

from sandbox.certificates import Certificates


@pytest.fixture
def certificates() -> Iterator[Certificates]:
    """A throw-away authority."""
    made = Certificates()
    yield made
    made.close()
