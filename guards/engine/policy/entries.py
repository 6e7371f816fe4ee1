"""Models of what somebody answers for until a date: exemptions and exporters, and their tags."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from guards.engine.events import clean
from guards.engine.policy.exemptions import LONGEST, moment
from guards.engine.policy.exporters import HOURS, MOST_HOURS
from guards.engine.policy.fields import A_GUID, Model, ScopeText, described, guid

_LONGEST_TEXT = 500


def _within_a_year(what: str) -> AfterValidator:
    """Beyond a year nobody remembers why; a past date is `policy check`'s business."""

    def checked(text: str, info: ValidationInfo) -> str:
        now = (info.context or {}).get("now")
        if now is not None and moment(text) > now + LONGEST:
            raise ValueError(f"more than a year away; {what} lasts a year at most")
        return text

    return AfterValidator(checked)


def _shown(text: str) -> str:
    if not clean(text):
        raise ValueError("nothing of it can be seen")
    return clean(text, _LONGEST_TEXT)


_Said = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=_LONGEST_TEXT),
    AfterValidator(_shown),
]
_END = described(
    "A date (its first second, UTC) or a time with zone; a year at most.",
    examples=["2026-12-31", "2026-12-31T18:00:00+01:00"],
    json_schema_extra={"pattern": r"^\d{4}-\d{2}-\d{2}(T.+)?$"},
)


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
    expires_on: Annotated[str, _within_a_year("an exemption"), _END]


_EVERYBODYS = {
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "the Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "the Azure portal",
    "872cd9fa-d31f-45e0-9eab-6e460a02d1f1": "Visual Studio",
    "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
}
"""Microsoft's applications that people sign in with: the app ID of every one of them."""


def _somebodys(principal: str) -> str:
    used = _EVERYBODYS.get(principal.lower())
    if used:
        raise ValueError(f"the app ID of {used}: whoever signs in with it would be an exporter")
    return principal


class ExporterModel(Model):
    """May take data out by SAS link within its scope until it expires."""

    principals: Annotated[
        list[Annotated[str, guid("an object ID or app ID"), AfterValidator(_somebodys), A_GUID]],
        Field(min_length=1, max_length=100),
        described("Object IDs or app IDs; of a group its members, one by one."),
    ]
    scope: ScopeText
    purpose: Annotated[_Said, described("What it exports for.")]
    owner: Annotated[_Said, described("Who answers for it.")]
    expires_on: Annotated[str, _within_a_year("an exporter's entry"), _END]
    hours: Annotated[
        int,
        Field(ge=1, le=MOST_HOURS, strict=True),
        described("How long one export may last."),
    ] = HOURS
