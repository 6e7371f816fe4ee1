"""Card, mail and digest as people see them: pages for any browser, and pictures of them."""

from dataclasses import dataclass
from typing import Any

from sandbox import pictures
from sandbox.demo.screen import out
from sandbox.functions import ROOT
from sandbox.pictures import Page

FOLDER = ROOT / "build" / "demo"
DESKTOP, PHONE = 900, 375
"""Widths in pixels: of a channel in Teams, and of a phone."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """What is shown: a card, the HTML of a mail, the card of a digest."""

    card: dict[str, Any]
    mail: str
    digest: dict[str, Any]


def show(gallery: Gallery) -> None:
    """Write the pages, and pictures where there is a browser, and say where they are.

    Raises:
        RuntimeError: the browser failed; with its last words.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    pages = {
        "card": pictures.teams_page(gallery.card),
        "mail": gallery.mail,
        "digest": pictures.teams_page(gallery.digest),
    }
    drawn = pictures.chromium() is not None
    out.print("\nTo look at, as Microsoft's renderer and a mail program show it:")
    for name, page in pages.items():
        html, png = FOLDER / f"{name}.html", FOLDER / f"{name}.png"
        html.write_text(page, encoding="utf-8")
        png.unlink(missing_ok=True)
        if drawn:
            pictures.draw_beside([Page(page, DESKTOP), Page(page, PHONE)], png)
        files = [file.relative_to(ROOT).as_posix() for file in (html, png) if file.exists()]
        out.print(f"  {'  '.join(files)}")
    if not drawn:
        out.print(
            "No Chromium was found, so there are no pictures, on a desktop and a phone: install "
            "Chromium or Chrome, or name its program in CHROMIUM, and run `make demo` again."
        )
