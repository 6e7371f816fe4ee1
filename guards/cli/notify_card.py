"""Draws our Adaptive Cards as HTML: exactly the elements that they use, no JavaScript.

A picture of what Teams shows, for people at a desk; Teams' own fonts and spacing differ.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from guards.engine.notify.markdown import shown

type _Element = Mapping[str, Any]

STYLE = """
.card { max-width: 720px; background: #fff; color: #242424; border: 1px solid #ddd;
  border-radius: 6px; overflow-wrap: anywhere; font-size: 14px; line-height: 20px; }
.card > * { margin: 8px 16px; }
.card > .box { margin: 0; padding: 12px 16px; }
.card .box p { margin: 0 0 4px; }
.card > p + p { margin-top: 0; }
.card .Bolder { font-weight: 600; }
.card .Medium { font-size: 16px; }
.card .Small { font-size: 12px; line-height: 16px; }
.card .Monospace { font-family: Consolas, Menlo, monospace; }
.card th { text-align: left; vertical-align: top; font-weight: 600; padding: 0 12px 0 0;
  min-width: 84px; max-width: 150px; }
.card td { vertical-align: top; padding: 0; }
.card table { border-collapse: collapse; }
.card .good { background: #e7f2da; color: #1d6b40; }
.card .accent { background: #ebf3fc; color: #0f548c; }
.card .warning { background: #fbf6d9; color: #7a5600; }
.card .attention { background: #fcf4f6; color: #b02a46; }
.card .actions { display: flex; flex-wrap: wrap; gap: 8px; }
.card .actions a, .card summary { display: inline-block; padding: 5px 12px; color: #242424;
  border: 1px solid #d1d1d1; border-radius: 4px; font-weight: 600; text-decoration: none; }
"""


def draw(message: Mapping[str, Any]) -> str:
    """The card of a workflow's body, as `card.message` and `card.plain` make it."""
    content = message["attachments"][0]["content"]
    hidden = {one["id"]: one for one in content["body"] if not one.get("isVisible", True)}
    body = _elements([one for one in content["body"] if one.get("isVisible", True)])
    actions = [_action(one, hidden) for one in content.get("actions", ())]
    row = f'<div class="actions">{"".join(actions)}</div>' if actions else ""
    return f'<div class="card">{body}{row}</div>\n'


def _elements(elements: Sequence[_Element]) -> str:
    return "".join(map(_element, elements))


def _element(element: _Element) -> str:
    return {"TextBlock": _text, "FactSet": _facts, "Container": _container}[element["type"]](
        element
    )


def _text(element: _Element) -> str:
    looks = (element.get(key, "") for key in ("weight", "size", "fontType"))
    classes = " ".join(look for look in looks if look)
    return f'<p class="{classes}">{_plain(element["text"])}</p>\n'


def _facts(element: _Element) -> str:
    rows = (
        f"<tr><th>{_plain(fact['title'])}</th><td>{_plain(fact['value'])}</td></tr>"
        for fact in element["facts"]
    )
    return f"<table>{''.join(rows)}</table>\n"


def _container(element: _Element) -> str:
    return f'<div class="box {element.get("style", "")}">{_elements(element["items"])}</div>\n'


def _action(action: _Element, hidden: Mapping[str, _Element]) -> str:
    if action["type"] == "Action.OpenUrl":
        return f'<a href="{escape(action["url"])}">{escape(action["title"])}</a>'
    inner = _elements([hidden[name] for name in action["targetElements"]])
    return f"<details><summary>{escape(action['title'])}</summary>{inner}</details>"


def _plain(text: str) -> str:
    return escape(shown(text))
