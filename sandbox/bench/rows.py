"""`python -m sandbox.bench.rows COUNT`: the floor of a flood, the SDK's table client used plainly.

For each alert and each of two channels, one row is written, and deleted again one by one: no
digest, no limit, no one else to agree with, and whoever dies in between loses nothing.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

from azure.data.tables.aio import TableClient

from sandbox.bench import alerts, pace
from sandbox.bench.burst import AT_ONCE
from sandbox.notify import TABLE

_CHANNELS = 2


async def _main(count: int) -> None:
    calls = 0
    async with TableClient.from_connection_string(os.environ["GUARD_STORAGE"], TABLE) as table:

        async def keep(key: tuple[int, int]) -> None:
            nonlocal calls
            number, channel = key
            row: dict[str, Any] = {
                "PartitionKey": f"floor {channel}",
                "RowKey": alerts.identity(number),
                "item": alerts.alert(number).encode(),
            }
            await table.create_entity(row)
            await table.delete_entity(row)
            calls += 2

        keys = [(number, channel) for number in range(count) for channel in range(_CHANNELS)]
        block = await pace.run(keys, AT_ONCE, keep, time.process_time)
    print(json.dumps({"cpu_s": block.cpu_s, "wall_s": block.wall_s, "calls": calls}))


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
