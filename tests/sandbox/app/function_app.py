"""A small function app for the tests of the local host: one function for each kind of trigger.

What a function saw is kept in `SEEN` for tests in the same process, and logged for the others;
events and messages say themselves whether they want their function to fail, wait or block.
"""

import asyncio
import json
import logging
import time
from collections import deque
from typing import Any

import azure.functions as func

logging.getLogger("azure.core").setLevel(logging.WARNING)
log = logging.getLogger("sample")

SEEN: deque[tuple[str, Any]] = deque(maxlen=1000)
running = most_running = 0

app = func.FunctionApp()


async def obey(wish: dict[str, Any]) -> None:
    """Fail, wait or block the event loop, as the input asks for."""
    if "wait" in wish:
        await asyncio.sleep(wish["wait"])
    if "block" in wish:
        time.sleep(wish["block"])  # the mistake that the watchdog is for
    if "fail" in wish:
        raise RuntimeError(wish["fail"])


@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    """Keeps the event."""
    SEEN.append(("event", (event.id, event.get_json())))
    log.info("event %s", event.id)
    await obey(event.get_json())


@app.queue_trigger(arg_name="msg", queue_name="work", connection="GUARD_STORAGE")
async def on_work(msg: func.QueueMessage) -> None:
    """Keeps the message with what the host says about it."""
    global running, most_running
    body = msg.get_body().decode()
    SEEN.append(("work", (msg.id, msg.dequeue_count, body)))
    log.info("work %s try %s", body, msg.dequeue_count)
    running += 1
    most_running = max(most_running, running)
    try:
        if body.startswith("{"):
            await obey(json.loads(body))
    finally:
        running -= 1


@app.queue_trigger(arg_name="msg", queue_name="work-poison", connection="GUARD_STORAGE")
async def on_poison(msg: func.QueueMessage) -> None:
    """Keeps what was given up."""
    SEEN.append(("poison", msg.get_body().decode()))


@app.queue_trigger(arg_name="msg", queue_name="%IN_QUEUE%", connection="GUARD_STORAGE")
@app.queue_output(arg_name="out", queue_name="out", connection="GUARD_STORAGE")
def forward(msg: func.QueueMessage, out: func.Out[str]) -> None:
    """Writes the body to another queue, through an output binding and in a thread."""
    out.set(msg.get_body().decode())


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
async def tick(timer: func.TimerRequest) -> None:
    """Keeps that the timer fired."""
    SEEN.append(("tick", timer.past_due))


@app.route(route="hello/{name?}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def hello(req: func.HttpRequest) -> func.HttpResponse:
    """Greets."""
    return func.HttpResponse(f"hello {req.route_params.get('name', 'nobody')}")
