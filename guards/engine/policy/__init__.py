"""policy.yaml: what is guarded how strictly, where, and for whom not, validated and compiled.

    text          YAML as data with line numbers
    shape         what may stand in it, as pydantic models made from the catalogue; JSON Schema
    fields        what these models are made of
    notify        who is told of which alerts
    file          a text read with its shape, and every mistake with its line
    scopes        patterns of resource IDs, and finding those that cover a resource
    entries       the models of exemptions and exporters
    exemptions    who may leave what open until when
    exporters     who may take data out until when
    settings      one rule's settings laid over another's, and which are stricter
    unsettled     settings of a resource that is not known yet, as strict and loose as they may be
    changes       what another policy would loosen
    notices       alerts about the policy itself

A rule that the file does not name means what its profile says. A file that cannot be read never
means "no policy": `parse` raises, and callers change nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from guards.engine.ids import ResourceId, folded
from guards.engine.model import Body, Caller, Guard, Mode, TypePolicy
from guards.engine.notify.routes import Routes
from guards.engine.policy import file, notify, text
from guards.engine.policy.entries import TagModel
from guards.engine.policy.exemptions import Exemption, Tag, moment
from guards.engine.policy.exporters import Exporter, allowing, by_principal
from guards.engine.policy.scopes import Index, Parts, Scope, parts_of
from guards.engine.policy.settings import Given, capped, laid, looser, of_profile, strictest
from guards.engine.policy.shape import Profile
from guards.engine.policy.text import Document, Mistake, Path, PolicyError, place

__all__ = ["Applied", "Layer", "Policy", "PolicyError", "default", "parse"]

_MAX_CACHED = 4096
_EVERYBODY = Routes()


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One entry of `scopes`, or the policy's own settings: what it lays over what is below it."""

    name: str
    scope: Scope | None = None
    tag: Tag | None = None
    cap: Mode | None = None
    profile: Profile | None = None
    given: Mapping[str, Given] | None = None
    """Type -> rule -> the settings it names."""

    @property
    def weight(self) -> tuple[int, int, int]:
        """How specific its scope is; what has none is least."""
        return self.scope.weight if self.scope else (0, 0, 0)

    @property
    def where(self) -> str:
        """Where it holds, for people."""
        return self.scope.text if self.scope else str(self.tag) if self.tag else "everywhere"


@dataclass(frozen=True, slots=True)
class Applied:
    """What the policy says about one resource: settings, and the layers they come from.

    `exemptions` are those whose place fits; whether one still counts, its `counts` says.
    """

    rules: TypePolicy
    layers: tuple[Layer, ...]
    exemptions: tuple[Exemption, ...]

    @property
    def off(self) -> bool:
        """Whether nothing is looked at."""
        return all(rule.mode is Mode.OFF for rule in self.rules.values())


class Policy:
    """A validated policy; `hash` is the SHA-256 of the file, in every alert."""

    def __init__(
        self,
        hash_: str,
        guards: tuple[Guard, ...],
        layers: tuple[Layer, ...],
        exemptions: tuple[Exemption, ...],
        *,
        tags_may_exempt: bool,
        notify: Routes = _EVERYBODY,
        exporters: tuple[Exporter, ...] = (),
    ) -> None:
        self.hash = hash_
        self.guards = guards
        self.layers = layers
        """The policy's own settings first, then `scopes` in the file's order."""
        self.exemptions = exemptions
        self.tags_may_exempt = tags_may_exempt
        self.notify = notify
        self.exporters = exporters
        self._exporters = by_principal(exporters)
        numbered = list(enumerate(layers))
        ranked = sorted(numbered[1:], key=lambda one: one[1].weight)
        self._rank = {number: rank for rank, (number, _) in enumerate(ranked)}
        places: list[tuple[Scope, int | Exemption]] = [
            (layer.scope, n) for n, layer in numbered if layer.scope
        ]
        places += [(e.scope, e) for e in exemptions if e.scope and not e.tag]
        self._places = Index(places)  # one walk finds both
        self._tags = _by_tag((layer.tag, n) for n, layer in numbered)
        self._exempt_tags = _by_tag((e.tag, e) for e in exemptions)
        self._guards = {guard.resource_type: guard for guard in guards}
        self._cached: dict[tuple[Any, ...], TypePolicy] = {}

    @property
    def types(self) -> Mapping[str, TypePolicy]:
        """What it says about every guarded type outside every scope."""
        return {guard.resource_type: self.of(guard) for guard in self.guards}

    def of(self, guard: Guard) -> TypePolicy:
        """What it says about one guarded type outside every scope."""
        return self._settings(guard.resource_type, (), ())

    def applied(self, guard: Guard, resource: ResourceId | None, body: Body) -> Applied:
        """What it says about one resource; the body only tells its tags.

        Without an ID (it is not created yet) no scope and no exemption by ID fits.
        """
        parts = parts_of(resource) if resource else ()
        here = self._places.find(parts)
        by_id = [one for one in here if isinstance(one, int)]
        found = [one for one in here if not isinstance(one, int)]
        if len(by_id) > 1:
            by_id.sort(key=self._rank.__getitem__)
        by_tag, exempt = self._by_tags(body.get("tags"), parts)
        layers = tuple(self.layers[number] for number in (*by_id, *by_tag))
        rules = self._settings(guard.resource_type, tuple(by_id), tuple(by_tag))
        return Applied(rules, layers, (*found, *exempt))

    def _by_tags(self, tags: object, parts: Parts) -> tuple[list[int], list[Exemption]]:
        """The layers, by their numbers, and the exemptions that a resource's tags lead to."""
        layers: list[int] = []
        exempt: list[Exemption] = []
        if not isinstance(tags, Mapping) or not (self._tags or self._exempt_tags):
            return layers, exempt
        for name, value in tags.items():
            if not isinstance(name, str) or not isinstance(value, str):
                continue
            key = (folded(name), value)
            layers += self._tags.get(key, ())
            exempt += self._exempt_tags.get(key, ())
        layers.sort()
        return layers, [one for one in exempt if one.scope is None or one.scope.covers(parts)]

    def exporter(self, caller: Caller, resource: ResourceId, when: datetime) -> Exporter | None:
        """The entry by which a caller may export a resource now; of several that of most hours."""
        return allowing(self._exporters, (caller.object_id, caller.app_id), resource, when)

    def exports(self, object_id: str, resource: ResourceId, when: datetime) -> Exporter | None:
        """The same for a principal of which only the object ID is known, as roles are given to."""
        return allowing(self._exporters, (object_id,), resource, when)

    def out_of_scope(self, guard: Guard, resource: ResourceId) -> bool:
        """Whether the ID alone tells that nothing of the resource is looked at."""
        return not self._tags and self.applied(guard, resource, {}).off

    def _settings(self, type_: str, by_id: tuple[int, ...], by_tag: tuple[int, ...]) -> TypePolicy:
        key = (type_, by_id, by_tag)
        known = self._cached.get(key)
        if known is None:
            known = self._compiled(self._guards[type_], by_id, by_tag)
            if len(self._cached) >= _MAX_CACHED:
                self._cached.clear()
            self._cached[key] = known
        return known

    def _compiled(
        self, guard: Guard, by_id: tuple[int, ...], by_tag: tuple[int, ...]
    ) -> TypePolicy:
        cap, rules = chained(guard, [self.layers[number] for number in (0, *by_id)])
        settled = capped(rules, cap)
        if not by_tag:
            return settled
        tagged = overlays(guard, [self.layers[number] for number in by_tag], cap, rules)
        return strictest(tagged if self.tags_may_exempt else [settled, *tagged])


def chained(guard: Guard, layers: Iterable[Layer]) -> tuple[Mode, TypePolicy]:
    """Layers over one another, the most specific last: the cap, and settings it is not on yet."""
    cap, rules = Mode.ENFORCE, of_profile(guard, Profile.STRICT)
    for layer in layers:
        cap, rules = over(guard, layer, cap, rules)
    return cap, rules


def overlays(
    guard: Guard, layers: Iterable[Layer], cap: Mode, rules: TypePolicy
) -> list[TypePolicy]:
    """What each of several layers makes of the same settings, capped."""
    overlaid = (over(guard, layer, cap, rules) for layer in layers)
    return [capped(changed, its_cap) for its_cap, changed in overlaid]


def over(guard: Guard, layer: Layer, cap: Mode, rules: TypePolicy) -> tuple[Mode, TypePolicy]:
    """One layer over what is below it."""
    if layer.profile is not None:
        rules = of_profile(guard, layer.profile)
    given = (layer.given or {}).get(guard.resource_type)
    return layer.cap or cap, laid(guard, rules, given) if given else rules


def _by_tag[T](entries: Iterable[tuple[Tag | None, T]]) -> dict[tuple[str, str], list[T]]:
    found: dict[tuple[str, str], list[T]] = {}
    for tag, value in entries:
        for one in tag.values if tag else ():
            assert tag is not None
            found.setdefault((folded(tag.name), one), []).append(value)
    return found


def parse(content: str, guards: Iterable[Guard], now: datetime) -> Policy:
    """The policy in a YAML text.

    An exemption that has expired is read, and counts no more: time alone never makes a policy
    unreadable.

    Raises:
        PolicyError: with every mistake, its line and what is allowed.
    """
    catalogue = tuple(guards)
    document = text.load(content)
    read = file.read(document, catalogue, now)
    builder = _Builder(document, catalogue, read.mistakes)
    policy = builder.policy(read, hashlib.sha256(content.encode("utf-8", "replace")).hexdigest())
    if read.mistakes:
        raise PolicyError(sorted(read.mistakes, key=lambda mistake: mistake.line))
    return policy


def default(guards: Iterable[Guard]) -> Policy:
    """The built-in strict policy, what an empty file means."""
    return parse("version: 1\n", guards, datetime.min.replace(tzinfo=UTC))


class _Builder:
    """From the file's model to a policy; what only shows between entries goes to `mistakes`."""

    def __init__(
        self, document: Document, guards: tuple[Guard, ...], mistakes: list[Mistake]
    ) -> None:
        self._document = document
        self._guards = guards
        self._types = [guard.resource_type for guard in guards]
        self._mistakes = mistakes

    def policy(self, read: file.File, hash_: str) -> Policy:
        """The policy of what could be read."""
        model = read.model
        root = Layer("", cap=model.mode, profile=model.profile, given=_given(model.resources))
        numbered = [(n, self._layer(n, entry)) for n, entry in read.scopes]
        scopes = [(n, layer) for n, layer in numbered if layer is not None]
        exempt = [e for n, entry in read.exemptions if (e := self._exemption(n, entry, model))]
        policy = Policy(
            hash_,
            self._guards,
            (root, *(layer for _, layer in scopes)),
            tuple(exempt),
            tags_may_exempt=model.tags_may_exempt,
            notify=notify.compiled(model.notify, self._types),
            exporters=tuple(self._exporter(n, entry) for n, entry in read.exporters),
        )
        self._ties(scopes)
        self._loosening_tags(policy, scopes)
        return policy

    def _wrong(self, path: Path, advice: str) -> None:
        self._mistakes.append(Mistake(self._document.line(path), place(path), advice))

    def _layer(self, number: int, entry: Any) -> Layer | None:
        path = ("scopes", number)
        if (entry.scope is None) == (entry.tag is None):
            self._wrong(path, "either `scope` or `tag` is needed, and not both")
            return None
        if entry.mode is None and entry.profile is None and entry.resources is None:
            self._wrong(path, "changes nothing; allowed: mode, profile, resources")
        scope = Scope.parse(entry.scope, self._types) if entry.scope else None
        return Layer(
            name=entry.name,
            scope=scope,
            tag=_tag(entry.tag),
            cap=entry.mode,
            profile=entry.profile,
            given=_given(entry.resources),
        )

    def _exemption(self, number: int, entry: Any, model: Any) -> Exemption | None:
        path: Path = ("exemptions", number)
        if entry.scope is None and entry.tag is None:
            self._wrong(path, "`scope`, `tag` or both are needed")
            return None
        if entry.tag is not None and not model.tags_may_exempt:
            self._wrong(
                (*path, "tag"),
                "tags do not exempt unless the policy says `tags_may_exempt: true`: whoever can "
                "open a disk can usually write its tags",
            )
        scope = Scope.parse(entry.scope, self._types) if entry.scope else None
        type_ = scope.parts[2] if scope and len(scope.parts) > 2 else ""
        known = [r.id for g in self._guards if g.resource_type.lower() == type_ for r in g.rules]
        for i, rule in enumerate(entry.rules):
            if known and rule not in known:
                self._wrong(
                    (*path, "rules", i), f"{rule} is no rule there; allowed: {', '.join(known)}"
                )
        return Exemption(
            scope=scope,
            tag=_tag(entry.tag),
            rules=tuple(entry.rules),
            reason=entry.reason,
            owner=entry.owner,
            approved_by=entry.approved_by,
            ticket=entry.ticket,
            expires_on=moment(entry.expires_on),
            line=self._document.line(path),
        )

    def _exporter(self, number: int, entry: Any) -> Exporter:
        return Exporter(
            principals=tuple(dict.fromkeys(one.lower() for one in entry.principals)),
            scope=Scope.parse(entry.scope, self._types),
            purpose=entry.purpose,
            owner=entry.owner,
            expires_on=moment(entry.expires_on),
            hours=entry.hours,
            line=self._document.line(("exporters", number)),
        )

    def _ties(self, scopes: list[tuple[int, Layer]]) -> None:
        """Two scopes of equal weight that some resource is within: nobody could say which wins.

        Each scope is told of the first that it collides with.
        """
        ties: dict[int, int] = {}
        wild: dict[tuple[int, ...], list[tuple[int, Scope]]] = {}
        exact: dict[object, int] = {}
        for number, layer in scopes:
            places: list[object] = [("scope", layer.scope.parts)] if layer.scope else []
            if layer.tag:
                places += [("tag", folded(layer.tag.name), value) for value in layer.tag.values]
            for key in places:
                first = exact.setdefault(key, number)
                if first != number:
                    ties.setdefault(number, first)
            if layer.scope and any("*" in part for part in layer.scope.parts):
                wild.setdefault(layer.scope.weight, []).append((number, layer.scope))
        for equals in wild.values():
            for (first, one), (second, other) in combinations(equals, 2):
                if second not in ties and one.overlaps(other):
                    ties[second] = first
        for second, first in ties.items():
            self._tie(first, second)

    def _tie(self, first: int, second: int) -> None:
        line = self._document.line(("scopes", first))
        self._wrong(
            ("scopes", second),
            f"as specific as scopes[{first}] (line {line}), and some resource is within both; "
            "make one of them more specific, or one scope of the two",
        )

    def _loosening_tags(self, policy: Policy, scopes: list[tuple[int, Layer]]) -> None:
        if policy.tags_may_exempt:
            return
        for number, layer in scopes:
            if layer.tag is None:
                continue
            changes = [
                f"{guard.resource_type} {change}"
                for guard in self._guards
                for change in self._loosened_by(guard, layer, policy.of(guard))
            ]
            if changes:
                self._wrong(
                    ("scopes", number),
                    "a scope by tag may only tighten, since whoever can open a disk can usually "
                    "write its tags (`tags_may_exempt: true` allows it); this one loosens "
                    f"{'; '.join(changes)}",
                )

    def _loosened_by(self, guard: Guard, layer: Layer, below: TypePolicy) -> list[str]:
        cap, rules = over(guard, layer, Mode.ENFORCE, below)
        return looser(below, capped(rules, cap))


def _tag(model: TagModel | None) -> Tag | None:
    return Tag(model.name, tuple(model.values)) if model else None


def _given(resources: Any) -> dict[str, Given]:
    """Type -> rule -> only the settings that the file names."""
    if resources is None:
        return {}
    dumped = resources.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    found: dict[str, Given] = dumped
    return found
