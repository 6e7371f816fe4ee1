"""What mail has in common, whoever carries it: addresses, their limits, and the Message-ID."""

import hashlib
from collections.abc import Iterable
from email.errors import MessageError
from email.headerregistry import Address

from guards.engine.events import clean
from guards.engine.notify import limits
from guards.engine.notify.limits import Limit

_LONGEST = 254
"""Characters of an address, by RFC 5321."""


def addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """The addresses, each once.

    Raises:
        ValueError: there is none, or one of them is not written name@domain.
    """
    found = {text.lower(): text for text in texts}
    if not found:
        raise ValueError("no mail address is given")
    for text in found.values():
        if not _is_address(text):
            raise ValueError(f"{text!r} is no mail address: name@domain is needed")
    return tuple(found.values())


def _is_address(text: str) -> bool:
    try:
        address = Address(addr_spec=text)
    # What the standard library's parser stumbles with; AttributeError at `a@[`.
    except (ValueError, IndexError, AttributeError, MessageError):
        return False
    plain = address.addr_spec == text == clean(text, _LONGEST)
    return plain and " " not in text and bool(address.username and address.domain)


def limits_of(recipients: Iterable[str]) -> tuple[Limit, ...]:
    """One limit for each recipient, whatever the channel; the store sees no address."""
    keys = (hashlib.sha256(one.lower().encode()).hexdigest() for one in recipients)
    return tuple(limits.mail(key[:32]) for key in keys)


def message_id(key: str, channel: str, sender: str) -> str:
    """The same for the same alerts through one channel, so that mail programs know doubles."""
    return f"<{key}.{channel}@{sender.rpartition('@')[2]}>"
