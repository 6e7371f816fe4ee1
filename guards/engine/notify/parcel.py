"""What one message tells: one alert, or a digest of many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One alert as JSON, of any version; `note` is why it comes through this channel, or ""."""

    alert: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """Where buttons lead: the Azure portal of this cloud, and the team's runbook ("" if none)."""

    portal: str = "https://portal.azure.com"
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One or many alerts, oldest first; `more` says that others wait and follow."""

    items: tuple[Item, ...]
    links: Links = Links()
    more: bool = False
