"""`python -m sandbox.host --app DIR --port N [--key KEY]`: one function app in this process.

Ends with exit code 1 when the app cannot be loaded, and with 3 when a function exceeded
functionTimeout: the supervisor then starts it again, as Azure starts a new worker.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
import time

from sandbox.host.host import Host
from sandbox.host.invocations import Invocations

BAD_APP = 1
TIMED_OUT = 3
_GRACE = 0.5
"""Seconds between a time-out and the end of the process, for queue messages to be released."""

log = logging.getLogger("sandbox.host")


def main() -> int:
    """Run until SIGTERM, SIGINT or a function's time-out."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.host", description=__doc__)
    parser.add_argument("--app", required=True, help="folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="key of webhook, admin endpoints and HTTP functions")
    options = parser.parse_args()
    # The real worker sets the root logger to INFO too: an app that does not quiet its libraries is
    # as talkative here as there.
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("azure.functions").setLevel(logging.WARNING)
    # azure-functions says this at each start of an app without HTTP triggers; no one can act on it.
    logging.getLogger().addFilter(
        lambda record: not str(record.msg).startswith("Auth level is not applied")
    )
    return asyncio.run(_run(options.app, options.port, options.key))


async def _run(app_dir: str, port: int, key: str | None) -> int:
    stop, timed_out = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def end_soon() -> None:
        timed_out.set()
        loop.call_later(_GRACE, stop.set)

    host = Host(app_dir, key=key, on_timeout=end_soon)
    try:
        await host.start(port)
    except Exception as exc:  # noqa: BLE001 (whatever the app does at import is told, then the end)
        log.critical("%s: %s", type(exc).__name__, exc)
        if trace := getattr(exc, "stack_trace", ""):
            print(trace, file=sys.stderr)
        return BAD_APP
    _watch(host.invocations)
    await stop.wait()
    if timed_out.is_set():
        log.critical("A function exceeded its time; the process ends, to be started again.")
        os._exit(TIMED_OUT)  # a function that ignores its end must not keep the process
    await host.stop()
    # Azure ends its worker like this too: an app never gets to close its clients.
    logging.shutdown()
    os._exit(0)


def _watch(invocations: Invocations) -> None:
    """End the process from a thread when blocking code keeps the event loop from doing so."""
    limit = invocations.time_limit
    if limit is None:
        return

    def watch() -> None:
        while invocations.longest_running() <= limit + 2 * _GRACE:
            time.sleep(min(limit, 5.0))
        log.critical("A function blocks the event loop beyond its time; the process ends.")
        os._exit(TIMED_OUT)

    threading.Thread(target=watch, name="functionTimeout", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
