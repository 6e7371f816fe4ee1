"""The shape of policy.yaml as pydantic models, made from the catalogue; its JSON Schema, too."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    create_model,
)

from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.ids import ResourceId
from guards.engine.model import Guard, Mode, Rule
from guards.engine.policy.exemptions import LONGEST, moment
from guards.engine.policy.fields import Model, ScopeText, described, list_of, one_of
from guards.engine.policy.notify import model as notify_model

MAX_SCOPES, MAX_EXEMPTIONS = 1000, 5000
"""How many entries are read."""

_LONGEST_TEXT = 500


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


def _expiry(text: str, info: ValidationInfo) -> str:
    """Beyond a year nobody remembers why; a past date is `policy check`'s business."""
    now = (info.context or {}).get("now")
    if now is not None and moment(text) > now + LONGEST:
        raise ValueError("more than a year away; an exemption lasts a year at most")
    return text


def _shown(text: str) -> str:
    if not clean(text):
        raise ValueError("nothing of it can be seen")
    return clean(text, _LONGEST_TEXT)


_Mode = Annotated[Mode, BeforeValidator(_mode)]
_Said = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=_LONGEST_TEXT),
    AfterValidator(_shown),
]
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
}
"""The settings that only some rules have, by the name in `Rule.options`."""


class TagModel(Model):
    """A tag of the resource: any of these values, in exactly this spelling."""

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=512),
        described("In any casing, as in Azure."),
    ]
    values: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^*]+$")]],
        Field(min_length=1, max_length=100),
        described("Written out, without *; casing counts."),
    ]


class ExemptionModel(Model):
    """Leaves what its rules find open until it expires."""

    model_config = ConfigDict(
        coerce_numbers_to_str=True,  # a ticket is often a bare number
        json_schema_extra={"anyOf": [{"required": ["scope"]}, {"required": ["tag"]}]},
    )

    scope: ScopeText | None = None
    tag: Annotated[TagModel | None, described("Needs tags_may_exempt; with scope, both count.")] = (
        None
    )
    rules: list[str]
    reason: Annotated[_Said, described("Why it has to stay open.")]
    owner: Annotated[_Said, described("Who answers for it.")]
    approved_by: Annotated[_Said, described("Who allowed it.")]
    ticket: Annotated[
        _Said,
        WithJsonSchema({"type": ["string", "integer"], "description": "Where it was decided."}),
    ]
    expires_on: Annotated[
        str,
        AfterValidator(_expiry),
        described(
            "A date (its first second, UTC) or a time with zone; a year at most.",
            examples=["2026-12-31", "2026-12-31T18:00:00+01:00"],
            json_schema_extra={"pattern": r"^\d{4}-\d{2}-\d{2}(T.+)?$"},
        ),
    ]


def _rule_model(guard: Guard, rule: Rule) -> Any:
    others = [other.id for other in guard.rules if other is not rule]
    closed = tuple(value for value in rule.values if value != rule.when_absent)
    fields: dict[str, Any] = {
        "mode": (_Mode, Field(rule.default_mode, description="Close it, report it, or not look.")),
        "allowed": (
            list_of(one_of(closed)),
            Field(
                list(rule.allowed),
                description=f"The values that are fine; {rule.desired} always is.",
            ),
        ),
        **{name: _OPTIONS[name] for name, _ in rule.options},
    }
    if others:
        about = "Also fine while one of these rules is met."
        fields["satisfied_by"] = (list_of(one_of(others)), Field([], description=about))
    name = f"{guard.resource_type.rpartition('/')[2]}_{rule.id}"
    return create_model(name, __base__=Model, **fields)


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
        name = guard.resource_type.replace("/", "_").replace(".", "_")
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
