"""Only Azure Resource Manager is ever asked: no request and no token leaves for another origin.

The SDK's `send_request` would send the bearer token to any absolute URL. What an answer names, to
poll or for the next page, is resolved and compared here; `arm_requests.OnlyArm` looks again.
"""

from urllib.parse import urljoin, urlsplit

from guards.engine.errors import Terminal

OTHER_HOST = "OtherHost"
"""The code of a request that was refused here, before it was sent."""


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL; user names and passwords in it count as another host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", None, None
    host = None if "@" in parts.netloc else parts.hostname
    return parts.scheme, host, port or {"https": 443, "http": 80}.get(parts.scheme)


def own(base: str, url: str) -> str:
    """The absolute URL that an answer of `base` names, as the SDK takes it: it reads braces.

    Raises:
        Terminal: it leads to another origin than `base`, or nowhere.
    """
    try:
        absolute = urljoin(base, url)
        absolute.encode()  # JSON and headers can hold what no URL can: half a surrogate pair
    except ValueError:
        absolute = ""
    if origin(absolute) != origin(base):
        raise other_host()
    return absolute.replace("{", "%7B").replace("}", "%7D")


def other_host() -> Terminal:
    """What a request that would leave ARM ends with."""
    return Terminal("only Azure Resource Manager is ever asked", code=OTHER_HOST)
