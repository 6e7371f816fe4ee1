"""One request and one answer, free of the web server: what `provider` takes and gives."""

from dataclasses import dataclass, field

from sandbox.arm.callers import Caller
from sandbox.arm.paths import Target


@dataclass(frozen=True)
class Request:
    """An ARM request that may be served: it has a caller, an API version and a target."""

    method: str
    target: Target
    api_version: str
    caller: Caller
    body: bytes
    base_url: str
    path_qs: str
    monitor: bool
    """Whether a poll asked for the operation's result rather than its status."""
    correlation_id: str
    client_request_id: str
    accepted: bool = False
    """Whether a fault wants it done as an operation, whatever the settings say."""


@dataclass
class Answer:
    """Status, headers and body as they go out."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
