"""How this Azure behaves: the knobs of `POST /_sandbox/settings`.

Most of them stand for a question that Azure's documentation leaves open; a guard has to be right
under either answer.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "patch": ("sync", "async"),
    "event_at": ("completed", "accepted", "never"),
    "claims": ("full", "empty"),
    "schema": ("eventgrid", "cloudevents"),
    "disk_access_clear": ("null", "empty", "neither"),
    "patch_during_sas": ("ok", "refuse"),
}
SECONDS: Final = ("latency_ms", "operation_s")
SWITCHES: Final = ("sas_survives_patch", "implicit_disk_events")


@dataclass
class Settings:
    """The start values; changed through `merge`."""

    latency_ms: float = 0
    """Added to every ARM call."""
    patch: str = "sync"
    """Whether PUT, PATCH and actions are done at once, or as operations."""
    operation_s: float = 2
    """How long an operation takes."""
    event_at: str = "completed"
    """When an event is raised: when a write is done, already when it is accepted, or not at all."""
    claims: str = "full"
    """Whether events say who called."""
    schema: str = "eventgrid"
    disk_access_clear: str = "null"
    """The empty value by which a PATCH may take a diskAccessId away: null, "" or neither."""
    patch_during_sas: str = "ok"
    """Whether a disk with an active SAS takes a PATCH."""
    sas_survives_patch: bool = True
    """Whether an active SAS goes on after a PATCH to DenyAll."""
    implicit_disk_events: bool = False
    """Whether disks that a machine's or scale set's PUT makes raise events of their own."""

    def as_dict(self) -> dict[str, Any]:
        """All settings, as JSON has them."""
        return asdict(self)

    def merge(self, changes: object) -> None:
        """Take over `changes`, all of them or none.

        Raises:
            ValueError: an unknown name or value; the text names it and what is possible.
        """
        if not isinstance(changes, dict):
            raise ValueError("settings are a JSON object")  # noqa: TRY004  # one kind of refusal
        for name, value in changes.items():
            _check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)


def _check(name: str, value: object) -> None:
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}, not {value!r}")
    elif name in SECONDS:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise ValueError(f"{name} is a number from 0 on, not {value!r}")
    elif name in SWITCHES:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is true or false, not {value!r}")
    else:
        known = ", ".join((*SECONDS, *CHOICES, *SWITCHES))
        raise ValueError(f"there is no setting {name!r}; there are {known}")
