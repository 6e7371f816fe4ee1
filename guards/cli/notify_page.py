"""One HTML page that shows what a channel would send: the mail, and the card of Teams.

It runs no script and loads nothing, whatever is in the alerts: its own rules forbid it.
"""

from collections.abc import Iterable
from html import escape

from guards.cli import notify_card
from guards.engine.notify import card, mail
from guards.engine.notify.mail import Mail
from guards.engine.notify.parcel import Item, Parcel

_RULES = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
body { margin: 0 auto; max-width: 760px; padding: 8px 16px 32px; background: #f4f5f7;
  color: #1f2328; font: 14px/20px 'Segoe UI', Helvetica, Arial, sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 20px; line-height: 26px; }
h2 { font-size: 15px; margin: 28px 0 8px; }
small { color: #57606a; font-weight: 400; }
iframe { width: 100%; height: 640px; border: 1px solid #ddd; box-sizing: border-box;
  resize: both; background: #fff; }
pre { white-space: pre-wrap; background: #fff; border: 1px solid #ddd; padding: 12px; margin: 0;
  font: 12px/17px Consolas, Menlo, monospace; }
"""


def page(items: Iterable[Item]) -> tuple[str, str]:
    """The page, and a line that says how large the messages are.

    Of more alerts than one message tells, the first ones, as channels take them.
    """
    every = tuple(items)
    letter = mail.compose(_parcel(every, mail.MOST_ALERTS))
    message = card.message(_parcel(every, card.MOST_ALERTS))
    sizes = f"mail {_size(letter.html)}, card {card.size(message):,} bytes"
    body = f"{_letter(letter)}<h2>Teams {_note(card.size(message))}</h2>{notify_card.draw(message)}"
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_RULES}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(letter.subject)}</title>\n"
        f"<style>{_STYLE}{notify_card.STYLE}</style></head>\n"
    )
    return f"{head}<body>\n{body}</body></html>\n", sizes


def _parcel(items: tuple[Item, ...], most: int) -> Parcel:
    return Parcel(items[:most], more=len(items) > most)


def _letter(letter: Mail) -> str:
    parts = [
        f"<h1>{escape(letter.subject)}</h1>\n",
        f"<h2>Mail <small>HTML, {_size(letter.html)}</small></h2>\n",
        f'<iframe sandbox title="Mail" srcdoc="{escape(letter.html)}"></iframe>\n',
        f"<h2>Mail <small>plain text, {_size(letter.text)}</small></h2>\n",
        f"<pre>{escape(letter.text)}</pre>\n",
    ]
    if letter.attachment:
        name, size = escape(letter.attachment.name), _size(letter.attachment.text)
        parts.append(f"<h2>{name} <small>attached, {size}</small></h2>\n")
    return "".join(parts)


def _note(size: int) -> str:
    return f"<small>card, {size:,} of {card.MAX_BYTES:,} bytes</small>"


def _size(text: str) -> str:
    return f"{len(text.encode()):,} bytes"
