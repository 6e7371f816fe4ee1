"""A sheet as the HTML of a mail: for Outlook of any age, phones, and dark mode.

Tables and inline styles only, since Outlook draws with Word's engine; nothing is loaded from
anywhere. Long words break, so that nothing is wider than a phone.
"""

import re
from html import escape

from guards.engine.notify.sheet import Button, Fact, Section, Sheet, Tone

_COLOURS = {
    Tone.GOOD: "#0e6a38",
    Tone.ACCENT: "#1f4f8f",
    Tone.WARNING: "#8a4b08",
    Tone.ATTENTION: "#a4262c",
}
"""Dark enough for white text, and as readable when a client turns colours round."""

_INK, _SUBTLE, _PAPER, _AROUND = "#1f2328", "#57606a", "#fdfdfd", "#eef0f3"
_FONT = "font-family:'Segoe UI',Helvetica,Arial,sans-serif;"
_BREAK = "overflow-wrap:anywhere;word-break:break-word;"
_SHORT = len("CRITICAL")
_TABLE = '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'

FOOTER = "Sent by Export Guard."


def html(sheet: Sheet) -> str:
    """The whole document."""
    colour = _COLOURS[sheet.tone]
    parts = [*map(_section, sheet.sections), _buttons(sheet.buttons, colour)]
    rows = [
        _header(sheet, colour),
        *parts,
        _row(FOOTER, f"padding-bottom:16px;color:{_SUBTLE};font-size:12px;"),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(sheet.title)}</title></head>\n"
        f'<body style="margin:0;padding:0;background:{_AROUND};" bgcolor="{_AROUND}">'
        f'{_TABLE} bgcolor="{_AROUND}"><tr><td align="center" style="padding:12px 8px;">'
        '<!--[if mso]><table width="600"><tr><td><![endif]-->\n'
        f'{_TABLE} bgcolor="{_PAPER}" style="max-width:600px;table-layout:fixed;'
        f'background:{_PAPER};border-collapse:collapse;">\n{"".join(rows)}</table>\n'
        "<!--[if mso]></td></tr></table><![endif]--></td></tr></table></body></html>\n"
    )


def _header(sheet: Sheet, colour: str) -> str:
    style = f"padding:18px 20px;background:{colour};color:#ffffff;text-align:left;{_FONT}{_BREAK}"
    return (
        f'<tr><td bgcolor="{colour}" style="{style}">'
        '<h1 style="margin:0;font-size:19px;line-height:25px;font-weight:600;color:#ffffff;">'
        f"{escape(sheet.title)}</h1>"
        '<p style="margin:6px 0 0;font-size:13px;line-height:18px;color:#ffffff;">'
        f"{escape(sheet.line)}</p></td></tr>\n"
    )


def _row(content: str, style: str = "") -> str:
    """One row of the page; the content is HTML already."""
    look = f"padding:14px 20px 2px;text-align:left;color:{_INK};font-size:14px;line-height:20px;"
    return f'<tr><td style="{look}{_FONT}{_BREAK}{style}">{content}</td></tr>\n'


def _section(section: Section) -> str:
    title = text = facts = ""
    if section.title:
        title = (
            '<h2 style="margin:0 0 4px;font-size:14px;line-height:20px;font-weight:600;'
            f'color:{_INK};">{escape(section.title)}</h2>'
        )
    if section.text:
        below = "4px" if section.facts else "0"
        text = f'<p style="margin:0 0 {below};">{_breakable(section.text)}</p>'
    if section.facts:
        facts = _facts(section)
    return _row(title + text + facts)


def _facts(section: Section) -> str:
    """Two columns; numbers and severities need less room than words."""
    short = all(len(fact.label) <= _SHORT for fact in section.facts)
    size = "font-size:12px;line-height:17px;" if section.aside else ""
    rows = (_fact(fact, "84" if short else "34%", size) for fact in section.facts)
    return f'{_TABLE} style="table-layout:fixed;">{"".join(rows)}</table>'


def _fact(fact: Fact, width: str, size: str) -> str:
    look = f"padding:2px 0;text-align:left;font-size:14px;line-height:20px;{_FONT}{_BREAK}{size}"
    return (
        f'<tr><td width="{width}" valign="top" style="{look}padding-right:10px;color:{_SUBTLE};">'
        f'{_camels(_breakable(fact.label))}</td><td valign="top" style="{look}color:{_INK};">'
        f"{_breakable(fact.value)}</td></tr>"
    )


def _camels(markup: str) -> str:
    """Names of settings break before a capital."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "<wbr>", markup)


def _breakable(text: str) -> str:
    """Escaped; paths break where a reader would break them, numbers nowhere."""
    return re.sub(r"(?<=\w)(/|\.(?!\d))(?=\w)", r"\1<wbr>", escape(text))


def _buttons(buttons: tuple[Button, ...], colour: str) -> str:
    """Links that look like buttons also where paddings of links are ignored: cells have them."""
    cells = "".join(
        f'<table role="presentation" cellpadding="0" cellspacing="0" border="0" '
        'style="display:inline-block;margin:0 8px 8px 0;"><tr>'
        f'<td bgcolor="{colour}" style="padding:8px 14px;background:{colour};{_FONT}">'
        f'<a href="{escape(button.url)}" style="color:#ffffff;font-size:14px;'
        f'text-decoration:none;">{escape(button.title)}</a></td></tr></table>'
        for button in buttons
    )
    return _row(cells) if cells else ""
