"""Policies for tests: written out, and drawn at random with an estate of resources to judge."""

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import strategies as st

from guards import GUARDS, disk
from guards.engine import policy
from guards.engine.ids import ResourceId
from guards.engine.model import Body, Guard
from guards.engine.policy import Policy, PolicyError
from tests.engine.samples import DISK_ACCESS_ID, GROUP, SUBSCRIPTION
from tests.engine.samples import disk as disk_body
from tests.fakes import START

SUB = f"/subscriptions/{SUBSCRIPTION}"
DISKS = "Microsoft.Compute/disks"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
BOTH_RULES = ("networkAccessPolicy", "publicNetworkAccess")
BACKUP_ID = "b1b1b1b1-3434-5656-7878-909090909090"
SCANNER_ID = "5ca11e55-3434-5656-7878-909090909090"

type Data = dict[str, Any]


def parse(text: str, now: datetime = START) -> Policy:
    """A policy for the real catalogue."""
    return policy.parse(text, GUARDS, now)


def rules_of(**keys: Any) -> str:
    """The text after `version: 1`: JSON is YAML."""
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in keys.items())


def made(**keys: Any) -> Policy:
    """A policy of these top-level keys."""
    return parse(f"version: 1\n{rules_of(**keys)}\n")


def mistakes(text: str) -> list[str]:
    """The lines that say what is wrong."""
    with pytest.raises(PolicyError) as refused:
        parse(text)
    return str(refused.value).splitlines()


def wrong(**keys: Any) -> str:
    """What is said of a policy of these top-level keys."""
    return "\n".join(mistakes(f"version: 1\n{rules_of(**keys)}\n"))


def exemption(**changed: Any) -> Data:
    """An exemption of everything in the samples' group until the end of the year.

    None leaves a key out.
    """
    whole = {
        "scope": GROUP,
        "rules": list(BOTH_RULES),
        "reason": "nightly copy",
        "owner": "backup-team",
        "approved_by": "security",
        "ticket": "CHG0042",
        "expires_on": "2026-12-31",
        **changed,
    }
    return {key: value for key, value in whole.items() if value is not None}


def exporter(**changed: Any) -> Data:
    """An exporter of everything in the samples' group until the end of the year.

    None leaves a key out.
    """
    whole = {
        "principals": [BACKUP_ID],
        "scope": GROUP,
        "purpose": "nightly backup",
        "owner": "backup-team",
        "expires_on": "2026-12-31",
        **changed,
    }
    return {key: value for key, value in whole.items() if value is not None}


def tag(name: str, *values: str) -> Data:
    """A tag as the file writes it."""
    return {"name": name, "values": list(values)}


def on_disks(**rules: Data) -> Data:
    """`resources` with these rules of disks."""
    return {DISKS: rules}


def modes(parsed: Policy, resource_id: str, tags: Mapping[str, str] | None = None) -> list[str]:
    """The modes of the network rule and of public access for a disk."""
    body = {"tags": tags or {}}
    rules = parsed.applied(disk.GUARD, ResourceId.parse(resource_id), body).rules
    return [rules[name].mode for name in BOTH_RULES]


def disk_id(group: str = "rg-data", name: str = "ledger-disk") -> str:
    """A disk's ID."""
    return f"{SUB}/resourceGroups/{group}/providers/{DISKS}/{name}"


_MODES = st.sampled_from(["off", "audit", "enforce"])
_PUBLIC = st.fixed_dictionaries(
    {}, optional={"mode": _MODES, "satisfied_by": st.just(["networkAccessPolicy"])}
)
_DISK_RULES = st.fixed_dictionaries(
    {},
    optional={
        "networkAccessPolicy": st.fixed_dictionaries(
            {},
            optional={
                "mode": _MODES,
                "allowed": st.sampled_from([["DenyAll"], ["DenyAll", "AllowPrivate"]]),
                "allowed_disk_accesses": st.sampled_from([[], [DISK_ACCESS_ID]]),
                "satisfied_by": st.sampled_from([[], ["publicNetworkAccess"]]),
            },
        ),
        "publicNetworkAccess": _PUBLIC,
        "dataAccessAuthMode": st.fixed_dictionaries({"mode": _MODES}),
    },
)
_RESOURCES = st.fixed_dictionaries({DISKS: _DISK_RULES})
_SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "mode": _MODES,
    "profile": st.sampled_from(["strict", "minimum"]),
    "resources": _RESOURCES,
}
_SCOPES = st.sampled_from(
    [
        SUB,
        *(f"{SUB}/resourceGroups/{group}" for group in ("a", "ab", "a*", "*b", "a*b", "*")),
        "/subscriptions/*/resourceGroups/ab",
        *(
            f"{SUB}/resourceGroups/{group}/providers/{DISKS}/{name}"
            for group, name in (("*", "x"), ("a", "*"), ("a*", "x*"), ("*b", "*y"), ("ab", "xy"))
        ),
    ]
)
_TAGS = st.builds(
    tag, st.sampled_from(["env", "ENV", "team"]), st.sampled_from(["s", "S"])
) | st.just(tag("env", "s", "t"))
_PLACES = st.fixed_dictionaries({"scope": _SCOPES}) | st.fixed_dictionaries({"tag": _TAGS})


_CHANGES = st.fixed_dictionaries({"mode": _MODES}) | st.fixed_dictionaries(
    {}, optional=_SETTINGS
).filter(bool)
_ENTRIES = st.builds(lambda place, changes: {**place, **changes}, _PLACES, _CHANGES)
_EXEMPTIONS = st.builds(
    lambda place, rules, day: exemption(
        **{"scope": None, **place, "rules": rules, "expires_on": f"2026-0{day}-01"}
    ),
    _PLACES | st.fixed_dictionaries({"scope": _SCOPES, "tag": _TAGS}),
    st.sampled_from([[BOTH_RULES[0]], [BOTH_RULES[1]], list(BOTH_RULES)]),
    st.integers(2, 5),
)
EXPORTERS = st.builds(
    lambda scope, who, day, hours: exporter(
        scope=scope, principals=who, expires_on=f"2026-0{day}-01", hours=hours
    ),
    _SCOPES,
    st.sampled_from([[BACKUP_ID], [SCANNER_ID.upper()], [SCANNER_ID, BACKUP_ID]]),
    st.integers(2, 5),
    st.sampled_from([None, 1, 48]),
)
"""Entries of `exporters`."""
FILES = st.fixed_dictionaries(
    {
        "scopes": st.lists(_ENTRIES, max_size=3),
        "exemptions": st.lists(_EXEMPTIONS, max_size=2),
        "exporters": st.lists(EXPORTERS, max_size=2),
    },
    optional={**_SETTINGS, "tags_may_exempt": st.booleans()},
)


def mended(data: Data) -> Policy:
    """The policy of what is right in it: entries that are refused are left out, one at a time."""
    data = {name: list(v) if isinstance(v, list) else v for name, v in data.items()}
    while True:
        try:
            return made(**data)
        except PolicyError as e:
            name, _, rest = e.mistakes[-1].place.partition("[")
            del data[name][int(rest.partition("]")[0])]


POLICIES = FILES.map(mended)
"""Any policy: settings, scopes by subscription, group, name and tag, exemptions, exporters."""


@st.composite
def changed_policies(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """A policy and what became of it after one change, as people change policies."""
    old = draw(FILES)
    lists = {"scopes": _ENTRIES, "exemptions": _EXEMPTIONS, "exporters": EXPORTERS}
    new = {**old, **{name: list(old[name]) for name in lists}}
    what = draw(st.sampled_from([*lists, "settings"]))
    entries = new.get(what, [])
    if what == "settings":
        new |= draw(_CHANGES)
    elif entries and draw(st.integers(0, 3)):
        number = draw(st.integers(0, len(entries) - 1))
        entry = entries.pop(number)
        if what == "scopes" and draw(st.booleans()):
            place = {key: entry[key] for key in ("scope", "tag") if key in entry}
            entries.insert(number, {**place, **draw(_CHANGES)})
    else:
        entries.append(draw(lists[what]))
    return mended(old), mended(new)


@st.composite
def dropped_scopes(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """A policy of a few scopes that only cap, and the same without one of them."""
    entries = st.builds(lambda place, mode: {**place, "mode": mode}, _PLACES, _MODES)
    scopes = draw(st.lists(entries, min_size=2, max_size=4))
    may = draw(st.booleans())
    dropped = draw(st.integers(0, len(scopes) - 1))
    kept = [entry for number, entry in enumerate(scopes) if number != dropped]
    return (
        mended({"scopes": scopes, "tags_may_exempt": may}),
        mended({"scopes": kept, "tags_may_exempt": may}),
    )


def _estate() -> list[tuple[Guard, ResourceId, Body]]:
    """Disks that the scopes above are about, open and half open, with and without tags."""
    groups, names = ("a", "ab", "b"), ("x", "xy")
    tags: tuple[dict[str, str], ...] = (
        {},
        {"env": "s"},
        {"Env": "S"},
        {"env": "s", "team": "S"},
        {"env": "t", "Team": "s"},
    )
    settings: tuple[dict[str, str], ...] = (
        {},
        {"networkAccessPolicy": "AllowPrivate", "diskAccessId": DISK_ACCESS_ID},
    )
    return [
        (disk.GUARD, ResourceId.parse(body["id"]), body)
        for group, name, tagged, setting in product(groups, names, tags, settings)
        for body in [{**disk_body(disk_id(group, name), **setting), "tags": tagged}]
    ]


ESTATE = _estate()
