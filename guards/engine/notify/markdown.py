"""Text from outside, harmless where a client draws Markdown: it shows what it is, and nothing else.

Adaptive Cards know a subset of Markdown, and each client its own; a backslash before punctuation
is common to all. What cannot mean anything stays as it is: times, GUIDs, paths, mail addresses.
"""

import re

from guards.engine.events import clean

_MARKS = re.compile(
    r"[\\`*_\[\]()<>#~|!]"
    r"|&(?=#?\w{1,32};)"  # an entity would be shown as the character it stands for
    r"|(?<=:)/(?=/)|(?<=:/)/"  # an address would become a link
    r"|^[-+]"  # a list
)
_NUMBER = re.compile(r"^(\d{1,9})\.(?=\s|$)")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def escape(text: object, limit: int) -> str:
    """Cleaned, cut to `limit` characters as shown, then escaped."""
    marked = _MARKS.sub(r"\\\g<0>", clean(text, limit))
    return _NUMBER.sub(r"\1\\.", marked)


def shown(text: str) -> str:
    """What a client shows of a text from `escape`."""
    return _ESCAPED.sub(r"\1", text)
