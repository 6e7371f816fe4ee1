"""Draws mails and cards in Chromium, as people see them, and measures what is visible.

Nothing is fetched: every host name fails to resolve, and pages bring their scripts along. A page
is put into a frame, since Chromium's window cannot be as narrow as a phone.
"""

import html
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

TIMEOUT_S = 60
"""For one run; a start takes seconds on a busy machine."""

_HIGHEST = 4000
"""Pixels of a picture of a whole page."""

_GAP = 16
_PACKAGES = Path(__file__).parent / "node" / "node_modules"

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
    "C:/Program Files/Chromium/Application/chrome.exe",
)
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-dev-shm-usage",  # containers have little of it
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

_MEASURE = """
const measured = [...document.querySelectorAll("iframe")].map(frame => {
  const page = frame.contentDocument, root = page.documentElement;
  const all = [...page.querySelectorAll("*")];
  const channels = text => (text.match(/[0-9.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const contrast = element => {
    const pair = [channels(getComputedStyle(element).color), behind(element)].map(light);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  };
  const says = element => element.getClientRects().length > 0 &&
    [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  return {
    text: page.body.innerText,
    width: root.scrollWidth,
    room: root.clientWidth,
    height: root.scrollHeight,
    links: [...page.querySelectorAll("a")].map(link => link.getAttribute("href")),
    scripts: page.querySelectorAll("script").length,
    tags: [...new Set(all.map(element => element.localName))].sort(),
    handlers: all.flatMap(element => element.getAttributeNames())
      .filter(name => name.startsWith("on")),
    blocks: [...page.querySelectorAll(".ac-textBlock")].map(block => block.innerText),
    buttons: [...page.querySelectorAll("button")].map(button => button.innerText),
    contrast: Math.min(21, ...all.filter(says).map(contrast)),
  };
});
const result = document.createElement("pre");
result.id = "measured";
result.textContent = JSON.stringify(measured);
document.body.replaceChildren(result);
"""

_HOST = {
    "fontFamily": "'Segoe UI', -apple-system, 'Helvetica Neue', Helvetica, Arial, sans-serif",
    "supportsInteractivity": True,
    "fontSizes": {"small": 12, "default": 14, "medium": 16, "large": 20, "extraLarge": 24},
    "lineHeights": {"small": 16, "default": 20, "medium": 22, "large": 28, "extraLarge": 32},
    "spacing": {
        "small": 8, "default": 12, "medium": 16, "large": 20, "extraLarge": 24, "padding": 16,
    },
    "actions": {"maxActions": 6, "actionsOrientation": "horizontal", "buttonSpacing": 8},
    "factSet": {
        "title": {"weight": "bolder", "wrap": True, "maxWidth": 150},
        "value": {"wrap": True},
        "spacing": 16,
    },
}  # fmt: skip
"""As Teams draws cards in its light theme."""

_STYLES = {
    "default": ("#ffffff", "#242424"),
    "emphasis": ("#f5f5f5", "#242424"),
    "accent": ("#ebf3fc", "#0f548c"),
    "good": ("#e7f2da", "#237b4b"),
    "warning": ("#fbf6d9", "#835c00"),
    "attention": ("#fcf4f6", "#c4314b"),
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and the width of the screen it is looked at on, in pixels."""

    html: str
    width: int


def chromium() -> str | None:
    """The browser's program: `CHROMIUM`, or what is installed; None if there is none."""
    named = (os.environ.get("CHROMIUM", ""), *_NAMES, *_PLACES)
    return next((found for name in named if name and (found := shutil.which(name))), None)


def measure(pages: Sequence[Page], height: int = 900) -> list[dict[str, Any]]:
    """What is visible on each page: text, widths, links, tags, buttons, lowest contrast.

    The screen is `height` pixels high, and so is a page at least. One run of the browser for all
    of them. Raises RuntimeError with the browser's last words.
    """
    frames = "".join(_frame(page, height) for page in pages)
    source = f"{_page(frames)}<script>window.onload = () => {{{_MEASURE}}};</script>"
    out = _run(source, "--dump-dom", f"--window-size={_widest(pages)},1000")
    found = re.search(r'<pre id="measured">(.*?)</pre>', out, re.DOTALL)
    if found is None:
        raise RuntimeError(f"nothing was measured: {out[-2000:]!r}")
    measured: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    return measured


def draw(page: Page, png: Path, height: int = 1200) -> None:
    """A picture of the upper part of a page."""
    size = f"--window-size={_widest([page])},{height}"
    _run(_page(_frame(page, height)), f"--screenshot={png.absolute()}", size)


def draw_beside(pictures: Mapping[Path, Sequence[Page]]) -> None:
    """A PNG each of whole pages beside each other, as high as the highest, up to a bound."""
    every = [page for pages in pictures.values() for page in pages]
    heights = iter([seen["height"] for seen in measure(every, height=1)])
    for png, pages in pictures.items():
        height = min(_HIGHEST, max(islice(heights, len(pages))))
        frames = "".join(_frame(page, height) for page in pages)
        width = sum(page.width for page in pages) + _GAP * (len(pages) - 1)
        source = _page(f'<div style="display:flex;gap:{_GAP}px">{frames}</div>')
        _run(source, f"--screenshot={png.absolute()}", f"--window-size={max(500, width)},{height}")


def _widest(pages: Sequence[Page]) -> int:
    return max(500, *(page.width for page in pages))


def _frame(page: Page, height: int) -> str:
    return (
        f'<iframe srcdoc="{html.escape(page.html)}" width="{page.width}" height="{height}" '
        'style="border:0;display:block"></iframe>'
    )


def _page(body: str) -> str:
    return f'<!DOCTYPE html><meta charset="utf-8"><body style="margin:0;background:#ccc">{body}'


def _run(source: str, *arguments: str) -> str:
    program = chromium()
    if program is None:
        raise RuntimeError("no Chromium: install it, or name it in CHROMIUM")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder, "page.html")
        file.write_text(source, encoding="utf-8", errors="replace")
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        profile = f"--user-data-dir={Path(folder, 'profile')}"
        return _output([program, *_FLAGS, *root, profile, *arguments, file.as_uri()])


def _output(command: Sequence[str]) -> str:
    """What the browser wrote; it and its helpers are ended if they take too long."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as running:
        try:
            out, err = running.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as e:
            _end(running)
            raise RuntimeError(f"Chromium took more than {TIMEOUT_S} s") from e
    if running.returncode:
        raise RuntimeError(f"Chromium ended with {running.returncode}: {err[-2000:].decode()}")
    return out.decode(errors="replace")


def _end(running: "subprocess.Popen[bytes]") -> None:
    if hasattr(os, "killpg"):
        os.killpg(running.pid, signal.SIGKILL)
    else:
        running.kill()


def teams_page(message: dict[str, Any]) -> str:
    """`card_page` with the renderer that the sandbox's set-up installs."""
    cards = _PACKAGES / "adaptivecards" / "dist" / "adaptivecards.min.js"
    markdown = _PACKAGES / "markdown-it" / "dist" / "browser" / "markdown-it.umd.min.js"
    return card_page(message, cards.read_text("utf-8"), markdown.read_text("utf-8"))


def card_page(message: dict[str, Any], card_js: str, markdown_js: str) -> str:
    """A page that draws the body of a Teams workflow with Microsoft's renderer.

    Its own scripts remove themselves, so that what is left came from the card.
    """
    content = message["attachments"][0]["content"]
    data = html.escape(json.dumps({"card": content, "host": _host_config()}))
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<style>{_STYLE}</style><body><div id=card data-card="{data}"></div>'
        f"<script>{_inline(markdown_js)}</script><script>{_inline(card_js)}</script>"
        f"<script>{_DRAW}</script></body></html>"
    )


def _inline(script: str) -> str:
    """A script that nothing in it ends too early."""
    return script.replace("</script", "<\\/script")


def _host_config() -> dict[str, Any]:
    styles = {
        name: {"backgroundColor": back, "foregroundColors": _colours(ink)}
        for name, (back, ink) in _STYLES.items()
    }
    return {**_HOST, "containerStyles": styles}


def _colours(ink: str) -> dict[str, Any]:
    plain = {"default": ink, "subtle": ink}
    return {"default": plain, "dark": plain, "light": plain}


_STYLE = """
body { margin: 8px; background: #f0f0f0; }
#card { background: #fff; border: 1px solid #ddd; border-radius: 6px; }
.ac-pushButton { font: 600 14px 'Segoe UI', Helvetica, Arial, sans-serif; padding: 6px 12px;
  color: #242424; background: #fff; border: 1px solid #d1d1d1; border-radius: 4px; }
.ac-textBlock p { margin: 0; }
.ac-actionSet { flex-wrap: wrap; gap: 8px 0; }
"""

_DRAW = """
const place = document.getElementById("card");
const given = JSON.parse(place.dataset.card);
const card = new AdaptiveCards.AdaptiveCard();
card.hostConfig = new AdaptiveCards.HostConfig(given.host);
card.parse(given.card);
place.removeAttribute("data-card");
place.append(card.render());
document.querySelectorAll("script").forEach(script => script.remove());
"""
