"""What one of several test workers makes, for all of them: runs that take half a minute."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_SHARED = Path(__file__).parents[1] / "build" / "shared"
_PATIENCE_S = 180


async def by_one(name: str, make: Callable[[], Awaitable[Any]]) -> Any:
    """What `make` returns, as JSON has it; made once in a run of tests, whoever asks first."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return json.loads(json.dumps(await make()))
    place = _SHARED / run[:16] / name
    done = place / "done.json"
    try:
        place.mkdir(parents=True)
    except FileExistsError:
        end = time.monotonic() + _PATIENCE_S
        while not done.exists() and time.monotonic() < end:
            await asyncio.sleep(0.1)
    else:
        for other in _SHARED.iterdir():  # of earlier runs
            if other != place.parent:
                shutil.rmtree(other, ignore_errors=True)
        made = place / "made.json"
        made.write_text(json.dumps(await make()), "utf-8")
        made.replace(done)
    return json.loads(done.read_text("utf-8"))
