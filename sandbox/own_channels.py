"""App settings that lead every alert to the sandbox, so that a demo or a benchmark disturbs nobody.

Whoever works on notifications may have the settings of real channels in the environment.
"""

import os
from collections.abc import Mapping
from typing import Any

from sandbox.notify import channels


def own_channels(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """The sandbox's Teams and mail server, and no channel that the environment names."""
    named = {name: "" for name in os.environ if name.upper().startswith("GUARD_CHANNEL_")}
    return {**named, "GUARD_NOTIFY": "on", **channels(endpoints, {})}
