"""The shape of policy.yaml as pydantic models, made from the catalogue; its JSON Schema, too."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    create_model,
)

from guards.engine.errors import Unreadable
from guards.engine.ids import ResourceId
from guards.engine.model import Guard, Kind, Mode, Rule
from guards.engine.policy.entries import ExemptionModel, ExporterModel, TagModel
from guards.engine.policy.fields import Model, ScopeText, described, list_of, one_of
from guards.engine.policy.notify import model as notify_model

MAX_SCOPES, MAX_EXEMPTIONS, MAX_EXPORTERS = 1000, 5000, 1000
"""How many entries are read."""


class Profile(StrEnum):
    """What a rule means that the policy does not name."""

    STRICT = "strict"
    MINIMUM = "minimum"


def _mode(value: object) -> object:
    # False is what YAML 1.1 reads a bare `off` as, and `no` its synonym there.
    return "off" if str(value).lower() in ("false", "no", "off") else value


def _disk_access(value: str) -> str:
    try:
        fits = ResourceId.parse(value).type.lower() == "microsoft.compute/diskaccesses"
    except Unreadable as e:
        raise ValueError(str(e)) from e
    if not fits:
        raise ValueError("not the resource ID of a Microsoft.Compute/diskAccesses")
    return value


def _reported_mode(value: object) -> object:
    if value == Mode.ENFORCE:
        raise ValueError("the guard cannot change this, only tell of it; allowed: 'off' or 'audit'")
    return _mode(value)


def _word(value: object) -> object:
    # An unquoted true or false is a boolean in YAML; policies keep text.
    return str(value).lower() if isinstance(value, bool) else value


_Mode = Annotated[Mode, BeforeValidator(_mode)]
_ReportedMode = Annotated[
    Literal["off", "audit"],
    BeforeValidator(_reported_mode),
    AfterValidator(lambda word: Mode(word)),
]
_MODE_MEANS = "Close it, report it, or not look."
_OPTIONS: Mapping[str, Any] = {
    "allowed_disk_accesses": (
        list[Annotated[str, AfterValidator(_disk_access)]],
        Field(
            [],
            max_length=1000,
            description="Resource IDs of diskAccesses with which AllowPrivate is fine.",
        ),
    ),
    "when_unreachable": (
        Literal["block", "revert"],
        Field("block", description="No approved private endpoint: alert only, or close it anyway."),
    ),
    "unknown_granter": (
        Literal["report", "revoke"],
        Field("report", description="A SAS link is out and nobody knows who took it."),
    ),
    "export_pipelines": (
        Literal["audit", "delete"],
        Field(
            "audit",
            description="Where they stand in the way of closing: alert only, or save and delete.",
        ),
    ),
}
"""The settings that only some rules have, by the name in `Rule.options`."""


def _rule_model(guard: Guard, rule: Rule) -> Any:
    """The model of one rule: only what holds a setting says which values are fine."""
    kind = _ReportedMode if rule.kind is Kind.REPORTED else _Mode
    about = "Report it, or not look." if kind is _ReportedMode else _MODE_MEANS
    fields: dict[str, Any] = {"mode": (kind, Field(rule.default_mode, description=about))}
    if rule.kind is Kind.SETTING:
        fields["allowed"] = _allowed(rule)
    fields |= {name: _OPTIONS[name] for name, _ in rule.options}
    others = [one.id for one in guard.rules if one is not rule and one.kind is Kind.SETTING]
    if others and rule.kind is Kind.SETTING:
        about = "Also fine while one of these rules is met."
        fields["satisfied_by"] = (list_of(one_of(others)), Field([], description=about))
    return create_model(f"{_name(guard)}_{rule.id}", __base__=Model, **fields)


def _allowed(rule: Rule) -> Any:
    """The field of the values that are fine; the open one cannot be among them.

    Open is what Azure means where nothing is set, or else all that the rule does not want.
    """
    closed = tuple(value for value in rule.values if value != rule.when_absent)
    if rule.when_absent in rule.allowed:
        closed = rule.allowed
    value = one_of(closed)
    if rule.boolean:
        both = [word for text in closed for word in (text, text == "true")]
        value = Annotated[value, BeforeValidator(_word), WithJsonSchema({"enum": both})]
    about = f"The values that are fine; {rule.desired} always is."
    return list_of(value), Field(list(rule.allowed), description=about)


def _name(guard: Guard) -> str:
    """The type as a name in Python: all of it, so that no two types share one."""
    return guard.resource_type.replace("/", "_").replace(".", "_")


@lru_cache(maxsize=4)
def models(guards: tuple[Guard, ...], *, notify: bool = True) -> type[BaseModel]:
    """The model of a whole policy file for these guards.

    Without `notify`, for a file that has none, it is made a fifth quicker: a cold start waits.
    """
    types: dict[str, Any] = {}
    for guard in guards:
        rules: dict[str, Any] = {
            rule.id: (_rule_model(guard, rule) | None, described(f"{rule.path}.", default=None))
            for rule in guard.rules
        }
        name = _name(guard)
        model = create_model(name, __base__=Model, **rules)
        about = "A rule that is left out means what the profile says."
        types[name] = (model | None, described(about, default=None, alias=guard.resource_type))
    every = dict.fromkeys(rule.id for guard in guards for rule in guard.rules)
    exemption = create_model(
        "Exemption",
        __base__=ExemptionModel,
        rules=(list_of(one_of(every), at_least=1), described("Which findings it covers.")),
    )
    resources = create_model("Resources", __base__=Model, **types)
    scope = create_model(
        "Scope",
        __base__=Model,
        __doc__="Other settings for a part of the estate; the most specific scope wins.",
        name=(
            Annotated[str, StringConstraints(max_length=200)],
            described("What people call it.", default=""),
        ),
        scope=(ScopeText | None, None),
        tag=(TagModel | None, described("May only tighten, unless tags_may_exempt.", default=None)),
        mode=(_Mode | None, described("Caps every mode within this scope.", default=None)),
        profile=(Profile | None, described("In place of all settings below it.", default=None)),
        resources=(resources | None, described("The settings that differ.", default=None)),
    )
    scope.model_config["json_schema_extra"] = {
        "oneOf": [{"required": ["scope"]}, {"required": ["tag"]}]
    }
    routes: Any = None
    if notify:
        routes = notify_model([guard.resource_type for guard in guards]) | None
    return create_model(
        "Policy",
        __base__=Model,
        __doc__="What Export Guard enforces.",
        version=(Literal[1], described("Of this format.")),
        profile=(Profile, described("Means what the file leaves out.", default=Profile.STRICT)),
        mode=(
            _Mode,
            described("Caps every mode where no scope has its own.", default=Mode.ENFORCE),
        ),
        resources=(
            resources | None,
            described("Settings by type and rule, for everything.", default=None),
        ),
        tags_may_exempt=(
            bool,
            described(
                "Lets tags loosen; whoever can open a disk can usually tag it.",
                default=False,
                strict=True,
            ),
        ),
        scopes=(
            list_of(scope, at_most=MAX_SCOPES),
            described(
                "Other settings for parts of the estate; the most specific wins.", default=[]
            ),
        ),
        exemptions=(
            list_of(exemption, at_most=MAX_EXEMPTIONS),
            described("Who may leave what open, and until when.", default=[]),
        ),
        exporters=(
            list_of(ExporterModel, at_most=MAX_EXPORTERS),
            described("Who may take data out, and until when.", default=[]),
        ),
        notify=(
            routes,
            described("Who is told of which alerts; left out: every channel of all.", default=None),
        ),
    )


def schema(guards: tuple[Guard, ...]) -> dict[str, Any]:
    """The JSON Schema for editors: what they complete and check is what the guard reads."""
    found = models(guards).model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Export Guard policy",
        **{key: value for key, value in found.items() if key != "title"},
    }
