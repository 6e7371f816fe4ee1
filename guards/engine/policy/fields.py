"""What the models of a policy's shape are made of."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from guards.engine.ids import is_guid
from guards.engine.policy.scopes import Scope


class Model(BaseModel):
    """A mapping with these keys and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def described(text: str, **more: Any) -> Any:
    """A field with its description, for editors."""
    return Field(description=text, **more)


def list_of(kind: Any, at_least: int = 0, at_most: int = 100) -> Any:
    """A list of so many."""
    return Annotated[list[kind], Field(min_length=at_least, max_length=at_most)]


def one_of(values: Iterable[str]) -> Any:
    """One of these words."""
    return Literal[tuple(values)]


def guid(what: str) -> AfterValidator:
    """That a text is a whole GUID; `what` names it for people."""

    def checked(text: str) -> str:
        if not is_guid(text):
            raise ValueError(f"{what} must be a whole GUID")
        return text

    return AfterValidator(checked)


A_GUID = described("A GUID.", json_schema_extra={"format": "uuid"})


def _scope(text: str, info: ValidationInfo) -> str:
    Scope.parse(text, (info.context or {}).get("types", ()))
    return text


ScopeText = Annotated[
    str,
    AfterValidator(_scope),
    Field(
        description="Subscription, resource group or resource ID; * within a part.",
        examples=[
            "/subscriptions/11111111-2222-3333-4444-555555555555",
            "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-sandbox-*",
        ],
    ),
]
