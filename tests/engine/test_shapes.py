"""What of a text is never shown, whoever wrote it and however it is encoded."""

import pytest

from guards.engine.shapes import unsigned


@pytest.mark.parametrize(
    "before", ["?", "&", "%26", "%3F", "%3f", "\\u0026", " ", "", '"', ";", "?sv=1&"]
)
@pytest.mark.parametrize("equals", ["=", "%3D", "%3d", "\\u003d"])
@pytest.mark.parametrize("name", ["sig", "SIG", "Sig"])
def test_the_signature_of_a_link_is_not_shown(before: str, equals: str, name: str) -> None:
    """The rest of the text is: people see which link it was."""
    text = f"https://x.example/c{before}{name}{equals}S3cr3t%2Bx and more"
    shown = unsigned(text if before else text.removeprefix("https://x.example/c"))
    assert "S3cr3t" not in shown
    assert shown.endswith(f"{name}{equals}… and more")


@pytest.mark.parametrize("text", ["design=blue", "?design=blue", "a signal", "sig", "assig=1", ""])
def test_other_words_stay(text: str) -> None:
    """Only a parameter of that name is one."""
    assert unsigned(text) == text
