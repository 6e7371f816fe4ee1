"""The other doors of a registry: ways out of it, and in, beside exports and the public network.

Two are settings. The others stand in child resources, which the engine lists only for the rules
that are not off, or in an event; they are told of and never changed. Azure's defaults deviate from
most of these rules on nearly every registry, so a policy opts in.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from guards.engine.events import clean
from guards.engine.model import Body, Finding, Kind, Lookup, Mode, Rule, Severity, TypePolicy
from guards.engine.rules import at, known, text_at

IMPORT_IMAGE = "Microsoft.ContainerRegistry/registries/importImage/action"
"""An event of the registry that receives; the one that gives raises none."""

DIAGNOSTIC_SETTINGS_API_VERSION = "2021-05-01-preview"
"""The newest there is: no stable one has groups of categories."""

ANONYMOUS_PULL = Rule(
    id="anonymousPull",
    path="properties.anonymousPullEnabled",
    values=("false", "true"),
    allowed=("false",),
    desired="false",
    when_absent="false",
    severity=Severity.HIGH,
    default_mode=Mode.OFF,
    boolean=True,
)
NETWORK_RULE_BYPASS = Rule(
    id="networkRuleBypass",
    path="properties.networkRuleBypassOptions",
    values=("None", "AzureServices"),
    allowed=("None",),
    desired="None",
    when_absent="AzureServices",
    severity=Severity.MEDIUM,
    default_mode=Mode.OFF,
)
SETTINGS = (ANONYMOUS_PULL, NETWORK_RULE_BYPASS)


def judged(policy: TypePolicy) -> bool:
    """Whether any of the settings is not off; written out, since every look asks."""
    pull, bypass = policy["anonymousPull"], policy["networkRuleBypass"]
    return pull.mode is not Mode.OFF or bypass.mode is not Mode.OFF


def _reported(
    rule: str, path: str, desired: str, severity: Severity, mode: Mode = Mode.OFF
) -> Rule:
    return Rule(
        id=rule,
        path=path,
        values=(desired,),
        allowed=(desired,),
        desired=desired,
        when_absent=desired,
        severity=severity,
        default_mode=mode,
        kind=Kind.REPORTED,
    )


READ_TOKENS = _reported("readTokens", "tokens", "no tokens that read", Severity.MEDIUM)
CONNECTED_REGISTRIES = _reported(
    "connectedRegistries", "connectedRegistries", "no connected registries", Severity.MEDIUM
)
CACHE_RULES = _reported("cacheRules", "cacheRules", "no cache rules", Severity.LOW)
DIAGNOSTIC_SETTINGS = _reported(
    "diagnosticSettings", "diagnosticSettings", "a diagnostic setting with logs", Severity.LOW
)
IMPORTS = _reported("importImage", "importImage", "no imports", Severity.MEDIUM, Mode.AUDIT)

_CHILDREN = (
    (READ_TOKENS, ("tokens", "scopeMaps")),
    (CONNECTED_REGISTRIES, ("connectedRegistries",)),
    (CACHE_RULES, ("cacheRules",)),
)
_IMPORTED = IMPORT_IMAGE.lower()
_MOST_NAMES = 5
_LONGEST_NAME = 40
"""So that the names and how many more there are fit into a finding."""


def lookups(policy: TypePolicy, api_version: str) -> tuple[Lookup, ...]:
    """The lists that the policy's rules need; children are asked for in this API version."""
    found = [
        Lookup(name, api_version, children=name)
        for rule, names in _CHILDREN
        if policy[rule.id].mode is not Mode.OFF
        for name in names
    ]
    if policy[DIAGNOSTIC_SETTINGS.id].mode is not Mode.OFF:
        children = "providers/Microsoft.Insights/diagnosticSettings"
        name = DIAGNOSTIC_SETTINGS.path
        found.append(Lookup(name, DIAGNOSTIC_SETTINGS_API_VERSION, children=children))
    return tuple(found)


def findings(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """What the lists and the event beside a body say; nothing of what nobody looked at."""
    found = []
    for rule, says in _SAYS:
        mode = policy[rule.id].mode
        actual = "" if mode is Mode.OFF else clean(says(body))
        if actual:
            found.append(Finding(rule.id, rule.path, actual, rule.desired, rule.severity, mode))
    return tuple(found)


def _read_tokens(body: Body) -> str:
    """The tokens with which images can be pulled."""
    tokens, maps = known(body, "tokens"), known(body, "scopeMaps")
    actions = {str(one.get("name")).lower(): at(one, "properties.actions") for one in _bodies(maps)}
    if tokens is None or maps is None:
        return ""
    return _unlisted(tokens) or _unlisted(maps) or _names(_reading(_bodies(tokens), actions))


def _reading(tokens: Iterable[Body], actions: Mapping[str, Any]) -> Iterable[Body]:
    """Those that are enabled, as Azure's default is, and whose scope map lets them read."""
    for token in tokens:
        enabled = (text_at(token, "properties.status") or "").lower() != "disabled"
        scope_map = (text_at(token, "properties.scopeMapId") or "").rpartition("/")[2].lower()
        if enabled and _lets_read(actions.get(scope_map)):
            yield token


def _lets_read(actions: object) -> bool:
    """Whether a scope map lets read; one that is not listed counts, as the built-in ones all do."""
    if not isinstance(actions, list):
        return True
    return any(str(action).lower().endswith("/content/read") for action in actions)


def _children(name: str) -> Callable[[Body], str]:
    """For a rule that any child breaks."""

    def says(body: Body) -> str:
        listed = known(body, name)
        return _unlisted(listed) or _names(_bodies(listed))

    return says


def _without_logs(body: Body) -> str:
    listed = known(body, DIAGNOSTIC_SETTINGS.path)
    settings = _bodies(listed)
    if listed is None or any(_logs(one) for one in settings):
        return ""
    return _unlisted(listed) or (f"no logs in {_names(settings)}" if settings else "none")


def _logs(setting: Body) -> bool:
    """Whether a log category, or a group of them, is enabled; metrics tell of no pull."""
    return any(
        one.get("enabled") is True and bool(one.get("category") or one.get("categoryGroup"))
        for one in _bodies(at(setting, "properties.logs"))
    )


def _imports(body: Body) -> str:
    if known(body, "operation") != _IMPORTED:
        return ""
    return clean(known(body, "source")) or "the event does not say from where"


_SAYS: tuple[tuple[Rule, Callable[[Body], str]], ...] = (
    (READ_TOKENS, _read_tokens),
    (CONNECTED_REGISTRIES, _children("connectedRegistries")),
    (CACHE_RULES, _children("cacheRules")),
    (DIAGNOSTIC_SETTINGS, _without_logs),
    (IMPORTS, _imports),
)
"""Each rule, and what a body deviates by; "" if it does not."""

REPORTED = tuple(rule for rule, _ in _SAYS)


def _unlisted(listed: object) -> str:
    """Why a list could not be read, where that is what is known of it."""
    return f"could not be listed: {listed}" if isinstance(listed, str) else ""


def _bodies(listed: object) -> list[Mapping[str, Any]]:
    """The objects of a list; of anything else, none."""
    if not isinstance(listed, list | tuple):
        return []
    return [one for one in listed if isinstance(one, dict)]


def _names(bodies: Iterable[Body]) -> str:
    """Names for people, the first few in order, and how many more there are; "" for none."""
    names = sorted(clean(one.get("name"), _LONGEST_NAME) or "?" for one in bodies)
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
