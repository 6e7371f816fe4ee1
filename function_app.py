"""The Functions app: bindings and nothing else. Decode, call, log one line.

Every way in ends in `guards.engine.intake`; what to guard stands in `guards/__init__.py`.
"""

import logging
import os

import azure.functions as func

from guards import wiring
from guards.engine import intake
from guards.engine.look import Result
from guards.engine.model import Outcome
from guards.engine.ports import Ports
from guards.engine.shapes import timestamp

logging.getLogger("azure").setLevel(logging.WARNING)  # the worker logs every HTTP request otherwise
log = logging.getLogger("export_guard")

app = func.FunctionApp()
_running: list[wiring.App] = []


async def _app() -> wiring.App:
    """The app, built with the first invocation, inside the worker's loop."""
    if not _running:
        _running.append(await wiring.open_app(os.environ))
    return _running[0]


async def _ports() -> Ports:
    return (await _app()).ports


def _log(function: str, result: Result) -> None:
    level = logging.WARNING if result.outcome is Outcome.NOT_REVERTED else logging.INFO
    log.log(level, "%s: %s", function, result)


@app.event_grid_trigger(arg_name="event")
async def resource_changed(event: func.EventGridEvent) -> None:
    """An Event Grid event, pushed by a subscription of destination type Azure Function."""
    _log("resource_changed", await intake.on_event(_as_json(event), await _ports()))


@app.queue_trigger(arg_name="message", queue_name=wiring.EVENTS_QUEUE, connection=wiring.STORAGE)
async def event_queued(message: func.QueueMessage) -> None:
    """Events that a subscription delivers into a storage queue instead."""
    for result in await intake.on_queued_events(message.get_body(), await _ports()):
        _log("event_queued", result)


@app.queue_trigger(arg_name="message", queue_name=wiring.WORK_QUEUE, connection=wiring.STORAGE)
async def work_due(message: func.QueueMessage) -> None:
    """Intents that surfaced, and looks that were put off."""
    _log("work_due", await intake.on_work(message.get_body(), await _ports()))


@app.queue_trigger(
    arg_name="message", queue_name=f"{wiring.EVENTS_QUEUE}-poison", connection=wiring.STORAGE
)
async def event_given_up(message: func.QueueMessage) -> None:
    """A message of guard-events that failed five times: an alert, and looked at again."""
    for result in await intake.on_poison_events(message.get_body(), await _ports()):
        _log("event_given_up", result)


@app.queue_trigger(
    arg_name="message", queue_name=f"{wiring.WORK_QUEUE}-poison", connection=wiring.STORAGE
)
async def work_given_up(message: func.QueueMessage) -> None:
    """A message of guard-work that failed five times becomes an alert."""
    _log("work_given_up", await intake.on_poison_work(message.get_body(), await _ports()))


# Without a channel nobody here takes alerts, and guard-alerts is left to whoever reads it.
if wiring.notifies(os.environ):
    # What these need is imported when the first alert comes: an event to guard never waits for it.

    @app.queue_trigger(
        arg_name="message", queue_name=wiring.ALERTS_QUEUE, connection=wiring.STORAGE
    )
    async def alert_posted(message: func.QueueMessage) -> None:
        """An alert, to one delivery for each channel that it goes to."""
        from guards.engine.notify import fan_out

        post = (await _app()).post()
        log.info("alert_posted: %s", await fan_out.on_alert(message.get_body(), post))

    @app.queue_trigger(
        arg_name="message", queue_name=f"{wiring.ALERTS_QUEUE}-poison", connection=wiring.STORAGE
    )
    async def alert_given_up(message: func.QueueMessage) -> None:
        """An alert that failed five times goes to every channel."""
        from guards.engine.notify import fan_out

        post = (await _app()).post()
        log.info("alert_given_up: %s", await fan_out.on_poison_alert(message.get_body(), post))

    @app.queue_trigger(
        arg_name="message", queue_name=wiring.DELIVERIES_QUEUE, connection=wiring.STORAGE
    )
    async def delivery_due(message: func.QueueMessage) -> None:
        """An alert for one channel, or a look at what waits there."""
        from guards.engine.notify import deliver

        post = (await _app()).post()
        log.info("delivery_due: %s", await deliver.on_delivery(message.get_body(), post))

    @app.queue_trigger(
        arg_name="message",
        queue_name=f"{wiring.DELIVERIES_QUEUE}-poison",
        connection=wiring.STORAGE,
    )
    async def delivery_given_up(message: func.QueueMessage) -> None:
        """What a channel cannot deliver is told through the others."""
        from guards.engine.notify import deliver

        post = (await _app()).post()
        log.info("delivery_given_up: %s", await deliver.on_given_up(message.get_body(), post))


def _as_json(event: func.EventGridEvent | func.CloudEvent) -> dict[str, object]:
    """The event as it came, either schema; the library has decoded it into one of two classes."""
    if isinstance(event, func.CloudEvent):
        kind, moment = event.type, event.time
    else:
        kind, moment = event.event_type, event.event_time
    return {
        "id": event.id,
        "eventType": kind,
        "eventTime": timestamp(moment) if moment else None,
        "subject": event.subject,
        "data": event.get_json(),
    }
