"""ARM templates: the resources a deployment would write, as far as that is known before it.

Nothing is fetched and no file is read: what a template links to stays unread, with a note.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from guards import GUARDS
from guards.cli.expressions import Budget, Scope, Unresolved, evaluated_again, folded
from guards.cli.positions import Located, Path, parse
from guards.engine.catalogue import by_type
from guards.engine.errors import Unreadable
from guards.engine.events import clean
from guards.engine.model import Guard

MAX_RESOURCES = 800
"""Most resources Azure Resource Manager takes in one template."""

_SCHEMA = re.compile(
    r"(?i)(?:^|/)(?:subscription|managementGroup|tenant)?deploymentTemplate\.json#?$"
)
_USING = re.compile(r"(?m)^[ \t]*using[ \t]+(?:'|none\b)")
_DEPLOYMENTS = "microsoft.resources/deployments"

_NOT_SENT = {
    "apiversion",
    "comments",
    "condition",
    "copy",
    "dependson",
    "existing",
    "id",
    "name",
    "resources",
    "type",
}
"""Members of a resource that are not part of its body, or are told apart from it."""

_NO_RESOURCES = "resources: an array or an object is needed"
_TOO_MUCH_WORK = "its expressions take too much work: values that were left count as unknown"


@dataclass(frozen=True, slots=True)
class TemplateResource:
    """A resource as a deployment would write it; `Unresolved` stands where nobody can know.

    Attributes:
        type: the full type, as `Microsoft.Compute/disks`.
        name: the full name, a child's behind its parent's.
        body: what is sent, with type and name, in the spelling of the guards.
        line: where it begins in the file.
        lines: where the members and elements of the body begin, by their path.
        api_version: the version its body is written for.
        subscription: of a nested deployment elsewhere; None for that of the outermost one.
        group: likewise.
    """

    type: str
    name: str | Unresolved
    body: dict[str, Any]
    line: int
    lines: Mapping[Path, int]
    api_version: str | Unresolved
    subscription: str | Unresolved | None = None
    group: str | Unresolved | None = None

    def line_of(self, path: str) -> int:
        """Where a dotted path stands, or what of it comes nearest."""
        parts = tuple(path.split("."))
        ends = (parts[:length] for length in range(len(parts), 0, -1))
        return next((self.lines[end] for end in ends if end in self.lines), self.line)


@dataclass(frozen=True, slots=True)
class Note:
    """What could not be read or known; `mistake` where the template itself is wrong."""

    line: int
    text: str
    mistake: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """A value of the file, and where it stands."""

    value: Any
    path: Path
    lines: Mapping[Path, int]

    @property
    def line(self) -> int:
        return self.lines[self.path]

    def at(self, key: str | int) -> "_Part":
        """An element, or a member by its exact name."""
        return _Part(self.value[key], (*self.path, key), self.lines)

    def member(self, name: str) -> "_Part":
        """A member in any casing: None where absent, Unresolved where two are the same."""
        if not isinstance(self.value, dict):
            return _Part(None, self.path, self.lines)
        same = [key for key in self.value if key.lower() == name.lower()]
        if len(same) == 1:
            return self.at(same[0])
        twice = Unresolved(f"{name} stands there twice") if same else None
        return _Part(twice, self.path, self.lines)

    def elements(self) -> Iterator["_Part"]:
        """The elements of an array, the members of an object."""
        keys = self.value if isinstance(self.value, dict) else range(len(self.value))
        return map(self.at, keys)


type _Resolve = Callable[[Any], Any]
type _Spelling = dict[str, tuple[str, "_Spelling"]]
"""Lower-case names -> the guards' spelling, and that of what lies below."""


def _spelling(guard: Guard) -> _Spelling:
    spelling: _Spelling = {}
    paths = [rule.path for rule in guard.rules]
    for path in (*paths, *guard.also_changes, "sku.name", "tags", "location"):
        below = spelling
        for name in path.split("."):
            below = below.setdefault(name.lower(), (name, {}))[1]
    return spelling


_SPELLINGS = {type_: _spelling(guard) for type_, guard in by_type(GUARDS).items()}


def is_template(document: Any) -> bool:
    """Whether this is an ARM template, by its schema or its sections."""
    if not isinstance(document, Mapping):
        return False
    sections = folded(document)
    schema = sections.get("$schema")
    if isinstance(schema, str) and _SCHEMA.search(schema.strip()):
        return True
    return "contentversion" in sections and "resources" in sections


def read_parameters(text: str) -> Mapping[str, Any]:
    """The values in a parameter file by name, Unresolved where they come from a key vault.

    Raises:
        Unreadable: it is not a parameter file; with the line.
    """
    try:
        located = parse(text)
    except Unreadable:
        using = _USING.search(text)
        if using is None:
            raise
        line = text.count("\n", 0, using.start()) + 1
        raise Unreadable(
            f"line {line}: a .bicepparam file: build it to JSON first (az bicep build-params)"
        ) from None
    document = _Part(located.value, (), located.lines)
    listed = document.member("parameters")
    if listed.value is None:
        listed = document
    if not isinstance(listed.value, dict):
        raise Unreadable(f"line {listed.line}: parameters: an object is needed")
    found: dict[str, Any] = {}
    seen: set[str] = set()
    for entry in listed.elements():
        name = str(entry.path[-1])
        if not _has_value(entry.value):
            raise Unreadable(f"line {entry.line}: {clean(name)}: a value or a reference is needed")
        if name.lower() in seen:
            raise Unreadable(f"line {entry.line}: {clean(name)} stands there twice")
        seen.add(name.lower())
        found[name] = _given(name, entry.value)
    return found


def _has_value(entry: Any) -> bool:
    """Whether this is an entry of a parameter file; Bicep has expressions of what it looks up."""
    fields = folded(entry) if isinstance(entry, dict) else {}
    return any(name in fields for name in ("value", "reference", "expression"))


def _given(name: str, entry: Any) -> Any:
    """The value of a parameter; Unresolved where it comes from elsewhere."""
    fields = folded(entry) if isinstance(entry, dict) else {}
    return fields["value"] if "value" in fields else Unresolved(f"[parameters('{name}')]")


def resources(
    located: Located, parameters: Mapping[str, Any]
) -> tuple[list[TemplateResource], list[Note]]:
    """What a deployment of the template with these parameters writes, and what is to be told.

    Resources of nested deployments stand among the others; the deployments themselves do not.

    Raises:
        Unreadable: it has no resources to read; with the line.
    """
    template = _Part(located.value, (), located.lines)
    if not isinstance(template.value, dict):
        raise Unreadable(f"line {template.line}: a template is an object")
    listed = template.member("resources")
    if not isinstance(listed.value, list | dict):
        raise Unreadable(f"line {listed.line}: {_NO_RESOURCES}")
    budget = Budget()
    reader = _Reader(budget)
    reader.template(template, reader.scope(template, parameters).resolve)
    if budget.exhausted:
        reader.notes.append(Note(template.line, _TOO_MUCH_WORK))
    return reader.found, sorted(reader.notes, key=lambda note: note.line)


@dataclass(frozen=True, slots=True)
class _Identity:
    """Full type and name, of which those of children are made."""

    type: str
    name: str | Unresolved

    def child(self, type_: str, name: str | Unresolved) -> "_Identity":
        """That of a child written within: relative to this one, or in full."""
        namespace, slash, _ = type_.partition("/")
        full = bool(slash) and "." in namespace
        whole = type_ if full else f"{self.type}/{type_}"
        if isinstance(name, Unresolved) or (full and name.count("/") + 1 == whole.count("/")):
            return _Identity(whole, name)
        if isinstance(self.name, Unresolved):
            return _Identity(whole, self.name)
        return _Identity(whole, f"{self.name}/{name}")


type _Target = tuple[str | Unresolved | None, str | Unresolved | None]


class _Reader:
    """Walks a template and what is nested in it, and collects resources and notes."""

    def __init__(self, budget: Budget) -> None:
        self.found: list[TemplateResource] = []
        self.notes: list[Note] = []
        self._budget = budget
        self._target: _Target = (None, None)

    def scope(self, template: _Part, given: Mapping[str, Any] | None) -> Scope:
        """What the expressions of a template see."""
        parameters = self._section(template, "parameters")
        variables = self._section(template, "variables")
        return Scope(parameters, variables, given, self._budget)

    def template(self, template: _Part, resolve: _Resolve) -> None:
        """One template, the outermost or a nested one."""
        listed = template.member("resources")
        count = self._resources(listed, resolve, None)
        if count > MAX_RESOURCES:
            limit = f"Azure Resource Manager takes at most {MAX_RESOURCES} in one template"
            self._note(listed, f"{count} resources: {limit}")

    def _note(self, part: _Part, text: str, *, mistake: bool = False) -> None:
        self.notes.append(Note(part.line, text, mistake))

    def _section(self, template: _Part, name: str) -> Mapping[str, Any]:
        section = template.member(name)
        if isinstance(section.value, dict):
            return section.value
        if section.value is not None:
            self._note(section, f"{name}: an object is needed", mistake=True)
        return {}

    def _resources(self, listed: _Part, resolve: _Resolve, parent: _Identity | None) -> int:
        """How many stand there, children included; those of nested deployments count for them."""
        if not isinstance(listed.value, list | dict):
            self._note(listed, _NO_RESOURCES, mistake=True)
            return 0
        return sum(self._resource(entry, resolve, parent) for entry in listed.elements())

    def _resource(self, entry: _Part, resolve: _Resolve, parent: _Identity | None) -> int:
        if not isinstance(entry.value, dict):
            self._note(entry, "a resource is an object", mistake=True)
            return 1
        if entry.member("existing").value is True:
            return 0
        identity = self._identity(entry, resolve, parent)
        if identity is None or _is_empty_loop(entry, resolve):
            return 1
        deployed = resolve(entry.member("condition").value) is not False
        if identity.type.lower() == _DEPLOYMENTS:
            if deployed:
                self._nested(entry, resolve)
            return 1
        if deployed:
            self._add(entry, resolve, identity)
        children = entry.member("resources")  # a condition says nothing about them
        if children.value is None:
            return 1
        return 1 + self._resources(children, resolve, identity)

    def _identity(
        self, entry: _Part, resolve: _Resolve, parent: _Identity | None
    ) -> _Identity | None:
        """Full type and name; None, with a note, where the resource cannot be judged."""
        type_, name = resolve(entry.member("type").value), resolve(entry.member("name").value)
        if isinstance(type_, Unresolved):
            self._note(entry.member("type"), "type cannot be known before deployment: not judged")
            return None
        for field, value in (("type", type_), ("name", name)):
            if not isinstance(value, str | Unresolved) or not value:
                self._note(entry.member(field), f"{field}: a text is needed", mistake=True)
                return None
        return _Identity(type_, name) if parent is None else parent.child(type_, name)

    def _add(self, entry: _Part, resolve: _Resolve, identity: _Identity) -> None:
        sent = {key: item for key, item in entry.value.items() if key.lower() not in _NOT_SENT}
        resolved = resolve(sent)
        spelling = _SPELLINGS.get(identity.type.lower(), {})
        if isinstance(resolved, Unresolved):
            if not spelling:
                return
            resolved = dict.fromkeys(("properties", "sku", "tags"), resolved)
        lines: dict[Path, int] = {(name,): entry.member(name).line for name in ("type", "name")}
        _locate(_Part(sent, entry.path, entry.lines), (), spelling, lines)
        version = resolve(entry.member("apiVersion").value)
        self.found.append(
            TemplateResource(
                identity.type,
                identity.name,
                {"type": identity.type, "name": identity.name, **_spelled(resolved, spelling)},
                entry.line,
                lines,
                version if isinstance(version, str | Unresolved) else Unresolved(""),
                *self._target,
            )
        )

    def _nested(self, entry: _Part, resolve: _Resolve) -> None:
        properties = entry.member("properties")
        link, template = properties.member("templateLink"), properties.member("template")
        if link.value is not None:
            self._note(link, "the linked template was not read: what it deploys is not judged")
        if template.value is None and link.value is not None:
            return
        if any(isinstance(part.value, str | Unresolved) for part in (properties, template)):
            unknown = "the nested template cannot be known before deployment: not judged"
            self._note(template, unknown)
            return
        if not isinstance(template.value, dict):
            self._note(template, "properties.template: an object is needed", mistake=True)
            return
        inner = self._resolve_of(properties, template, resolve)
        if inner is None:
            options = properties.member("expressionEvaluationOptions")
            self._note(options, "neither inner nor outer: what it deploys is not judged")
            return
        outer = self._target
        self._target = _target(entry, resolve, outer)
        self.template(template, inner)
        self._target = outer

    def _resolve_of(self, properties: _Part, template: _Part, resolve: _Resolve) -> _Resolve | None:
        """How values of a nested template are resolved: in its scope or the outer one."""
        options = resolve(properties.member("expressionEvaluationOptions").value)
        scope = folded(options).get("scope") if isinstance(options, dict) else options
        if scope is None or (isinstance(scope, str) and scope.lower() in ("outer", "notspecified")):
            return lambda value: evaluated_again(resolve(value))
        if not isinstance(scope, str) or scope.lower() != "inner":
            return None
        entries = resolve(properties.member("parameters").value)
        linked = properties.member("parametersLink").value is not None
        given: dict[str, Any] | None = None
        if not linked and (entries is None or isinstance(entries, dict)):
            given = {name: _given(name, item) for name, item in (entries or {}).items()}
        return self.scope(template, given).resolve


def _target(entry: _Part, resolve: _Resolve, outer: _Target) -> _Target:
    """Where a nested deployment goes: what it does not say is as around it."""
    if entry.member("scope").value is not None:  # another tenant level, or a whole ID
        return Unresolved("scope"), Unresolved("scope")
    named = (resolve(entry.member(name).value) for name in ("subscriptionId", "resourceGroup"))
    subscription, group = (
        value if isinstance(value, str | Unresolved | None) else Unresolved("not a text")
        for value in named
    )
    if subscription is None:
        return outer[0], outer[1] if group is None else group
    return subscription, Unresolved("resourceGroup") if group is None else group


def _is_empty_loop(entry: _Part, resolve: _Resolve) -> bool:
    count = resolve(entry.member("copy").member("count").value)
    return count == 0 and count is not False


def _spelled(value: Any, spelling: _Spelling) -> Any:
    """The value with the members that guards read in their spelling; two of one are unknown."""
    if not isinstance(value, dict) or not spelling:
        return value
    found: dict[str, Any] = {}
    for key, item in value.items():
        name, below = spelling.get(key.lower(), (key, {}))
        twice = Unresolved(f"{name} stands there twice")
        found[name] = twice if name in found else _spelled(item, below)
    return found


def _locate(part: _Part, own: Path, spelling: _Spelling, lines: dict[Path, int]) -> None:
    """The lines of all that lies in a part, by its path within the body."""
    if not isinstance(part.value, list | dict):
        return
    for item in part.elements():
        key = item.path[-1]
        name, below = spelling.get(str(key).lower(), (key, {}))
        place = (*own, name)
        lines[place] = item.line
        _locate(item, place, below, lines)
