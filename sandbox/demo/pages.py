"""Cards, mail and digest as people see them: pages for any browser, and pictures of them."""

import asyncio
from collections.abc import Mapping, Sequence

from sandbox import pictures
from sandbox.demo.screen import say
from sandbox.functions import ROOT
from sandbox.pictures import Page

FOLDER = ROOT / "build" / "demo"
DESKTOP, PHONE = 900, 375
"""Widths in pixels: of a channel in Teams, and of a phone."""


async def write(pages: Mapping[str, str]) -> list[str]:
    """Write HTML pages by name, and pictures where there is a browser; a line about each.

    A thread does it: the demo goes on meanwhile.

    Raises:
        RuntimeError: the browser failed; with its last words.
    """
    return await asyncio.to_thread(lambda: [_written(*page) for page in pages.items()])


def _written(name: str, page: str) -> str:
    FOLDER.mkdir(parents=True, exist_ok=True)
    html, png = FOLDER / f"{name}.html", FOLDER / f"{name}.png"
    html.write_text(page, encoding="utf-8")
    png.unlink(missing_ok=True)
    if pictures.chromium() is not None:
        pictures.draw_beside([Page(page, DESKTOP), Page(page, PHONE)], png)
    files = [file.relative_to(ROOT).as_posix() for file in (html, png) if file.exists()]
    return "  ".join(files)


def show(written: Sequence[str]) -> None:
    """Say where the pages are, and the pictures, or how to get some."""
    say("")
    say("To look at, as Microsoft's renderer and a mail program show it:")
    for files in written:
        say(f"  {files}")
    if pictures.chromium() is None:
        say(
            "No Chromium was found, so there are no pictures, on a desktop and a phone: install "
            "Chromium or Chrome, or name its program in CHROMIUM, and run `make demo` again."
        )
