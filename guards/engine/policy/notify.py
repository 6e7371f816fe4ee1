"""`notify`: who is told of which alerts, as a pydantic model and compiled to routes."""

import re
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints, create_model

from guards.engine.events import clean
from guards.engine.model import Outcome, Severity
from guards.engine.notify.routes import Route, Routes
from guards.engine.policy.fields import A_GUID, Model, ScopeText, described, guid, list_of, one_of
from guards.engine.policy.scopes import Scope

MAX_ROUTES = 200
"""How many routes are read."""

_MOST_PLACES, _LONGEST_URL, _LONGEST_NAME = 1000, 500, 200

_SILENT = (Outcome.ALREADY_COMPLIANT, Outcome.EXEMPT)
"""These post no alert."""

_CHANNEL = re.compile(r"[a-z][a-z0-9-]{0,39}")
_UNSAFE = re.compile(r'[\s<>"\\^`{|}]')
"""What no URL has, and what two readers of one take for different things."""


def _channel(text: str) -> str:
    if not _CHANNEL.fullmatch(text):
        raise ValueError(
            "a channel's name has lower case letters, digits and hyphens, begins with a letter, "
            "and has 40 characters at most"
        )
    return text


def _runbook(text: str) -> str:
    form = f"an https URL without user name, of {_LONGEST_URL} characters at most"
    harmless = clean(text, _LONGEST_URL) == text and not _UNSAFE.search(text)
    if not harmless or not text.startswith("https://"):
        raise ValueError(form)
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for one that is none
    except ValueError as e:
        raise ValueError(form) from e
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError(form)
    return text


_Channel = Annotated[
    str,
    AfterValidator(_channel),
    described(
        "As the app settings GUARD_CHANNEL_... name it.",
        json_schema_extra={"pattern": f"^{_CHANNEL.pattern}$"},
    ),
]
_Subscription = Annotated[str, guid("the subscription"), A_GUID]
_Runbook = Annotated[
    str,
    AfterValidator(_runbook),
    described(
        "What to do about an alert: a button in cards and mails leads there.",
        json_schema_extra={"pattern": "^https://", "maxLength": _LONGEST_URL},
    ),
]


def model(types: Sequence[str]) -> type[BaseModel]:
    """The model of `notify` for these resource types."""
    outcomes = [outcome.value for outcome in Outcome if outcome not in _SILENT]
    names = {type_.lower(): type_ for type_ in types}
    spelled = BeforeValidator(lambda text: names.get(str(text).lower(), text))

    def any_of(kind: Any, text: str, at_most: int = 100) -> Any:
        # A key with nothing behind it would match everything, so it is a mistake.
        return list_of(kind, at_least=1, at_most=at_most), described(text, default=[])

    route = create_model(
        "Route",
        __base__=Model,
        __doc__="An alert for which all criteria hold goes to the channels; none: every alert.",
        name=(
            Annotated[str, StringConstraints(max_length=_LONGEST_NAME)],
            described("For people.", default=""),
        ),
        outcome=any_of(one_of(outcomes), "How it ended: any of these."),
        severity=any_of(Severity, "How bad it is: any of these."),
        type=any_of(Annotated[one_of(types), spelled], "Of the resource: any of these."),
        subscription=any_of(_Subscription, "The resource's: any of these.", _MOST_PLACES),
        scope=any_of(ScopeText, "The resource is within any of these.", _MOST_PLACES),
        channels=(list_of(_Channel), described("Who is told; []: nobody.")),
    )
    return create_model(
        "Notify",
        __base__=Model,
        __doc__="Who is told of which alerts; every route that matches adds its channels.",
        routes=(
            list_of(route, at_most=MAX_ROUTES),
            described("Which alerts go where.", default=[]),
        ),
        default=any_of(_Channel, "Where no route matches; left out: every configured channel."),
        runbook=(_Runbook, ""),
    )


def compiled(notify: Any, types: Sequence[str]) -> Routes:
    """The routes of a model that was read; None is a policy without them."""
    if notify is None:
        return Routes()
    routes = tuple(_route(entry, types) for entry in notify.routes)
    return Routes(routes, tuple(notify.default) or None, notify.runbook)


def _route(entry: Any, types: Sequence[str]) -> Route:
    return Route(
        channels=tuple(entry.channels),
        name=clean(entry.name, _LONGEST_NAME),
        outcomes=tuple(entry.outcome),
        severities=tuple(entry.severity),
        types=tuple(type_.lower() for type_ in entry.type),
        subscriptions=tuple(one.lower() for one in entry.subscription),
        scopes=tuple(Scope.parse(text, types) for text in entry.scope),
    )
