"""Cards, mail and digest as people see them: pages for any browser, and pictures of them."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

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
    return await asyncio.to_thread(_written, pages)


def _written(pages: Mapping[str, str]) -> list[str]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    sheets: dict[Path, list[Page]] = {}
    for name, page in pages.items():
        (FOLDER / f"{name}.html").write_text(page, encoding="utf-8")
        sheets[FOLDER / f"{name}.png"] = [Page(page, DESKTOP), Page(page, PHONE)]
    for png in sheets:
        png.unlink(missing_ok=True)
    if pictures.chromium() is not None:
        pictures.draw_beside(sheets)
    return [_files(png) for png in sheets]


def _files(png: Path) -> str:
    both = (png.with_suffix(".html"), png)
    return "  ".join(file.relative_to(ROOT).as_posix() for file in both if file.exists())


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
