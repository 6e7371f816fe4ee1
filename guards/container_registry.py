"""Container registries: exports are off only together with public network access.

Azure's rules behind it: only the Premium tier can turn either off; exports can be off only while
public access is off, so both go in one PATCH; an export pipeline must be deleted before; with
exports off public access cannot be turned on again, so undo turns exports on first.
"""

from collections.abc import Sequence

from guards import registry_doors as doors
from guards.engine.endpoints import approved_endpoint
from guards.engine.events import clean
from guards.engine.model import (
    Blocked,
    Body,
    Change,
    Children,
    Finding,
    Guard,
    Lookup,
    Mode,
    Patch,
    Plan,
    Rule,
    Severity,
    TypePolicy,
)
from guards.engine.rules import KNOWN, complies, deviations, merged, nested, text_at, wire

TYPE = "Microsoft.ContainerRegistry/registries"
API_VERSION = "2025-11-01"
"""That of azure-mgmt-containerregistry 15; a test compares them."""

EXPORT_PIPELINES_API_VERSION = "2025-03-01-preview"
"""Export pipelines exist only in preview versions, and in no operation of the SDK."""

EXPORT_POLICY = Rule(
    id="exportPolicy",
    path="properties.policies.exportPolicy.status",
    values=("disabled", "enabled"),
    allowed=("disabled",),
    desired="disabled",
    when_absent="enabled",
    severity=Severity.HIGH,
    options=(("export_pipelines", "audit"),),
)
PUBLIC_NETWORK = Rule(
    id="publicNetworkAccess",
    path="properties.publicNetworkAccess",
    values=("Disabled", "Enabled"),
    allowed=("Disabled",),
    desired="Disabled",
    when_absent="Enabled",
    severity=Severity.HIGH,
    options=(("when_unreachable", "block"),),
)
EXPORTS = (EXPORT_POLICY, PUBLIC_NETWORK)
"""The settings that Azure takes only together."""

SETTINGS = (*EXPORTS, *doors.SETTINGS)
RULES = (*SETTINGS, *doors.REPORTED)


def inspect(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """Findings of a registry body, and of what is known beside it."""
    found = deviations(_looked_at(policy), body, policy)
    return (*found, *doors.findings(body, policy)) if KNOWN in body else found


def _looked_at(policy: TypePolicy) -> tuple[Rule, ...]:
    """The settings to evaluate: what is off costs nothing, unless it may satisfy another rule."""
    exports, public = policy["exportPolicy"], policy["publicNetworkAccess"]
    if doors.judged(policy) or exports.satisfied_by or public.satisfied_by:
        return SETTINGS
    return () if exports.mode is public.mode is Mode.OFF else EXPORTS


def lookups(_: Body, policy: TypePolicy) -> tuple[Lookup, ...]:
    """The children to list before a registry can be judged."""
    return doors.lookups(policy, API_VERSION)


def _block(body: Body, wanted: set[str], policy: TypePolicy) -> Blocked | None:
    rules = tuple(rule.id for rule in EXPORTS if rule.id in wanted)
    tier = clean(text_at(body, "sku.name")) or "unknown"
    if tier.lower() != "premium":
        return Blocked(
            rules,
            f"the registry's tier is {tier}, and only Premium can disable exports and public "
            "network access: move it to Premium (az acr update --sku Premium) and add a private "
            "endpoint, or move its images to a guarded registry.",
            Severity.HIGH,
        )
    if PUBLIC_NETWORK.id not in wanted and not complies(PUBLIC_NETWORK, body):
        return Blocked(
            rules,
            "exports can only be disabled while public network access is disabled, and the policy "
            "does not enforce publicNetworkAccess here: set its mode to enforce, exempt "
            "exportPolicy as well, or disable public network access by hand.",
            Severity.HIGH,
        )
    revert = policy[PUBLIC_NETWORK.id].options["when_unreachable"] == "revert"
    if PUBLIC_NETWORK.id in wanted and not revert and not approved_endpoint(body):
        return Blocked(
            rules,
            "no private endpoint connection is approved, so without public network access nobody "
            "could pull from this registry: approve a private endpoint, or let the policy close it "
            "all the same (when_unreachable: revert).",
            Severity.HIGH,
            by_caller=Severity.CRITICAL,
        )
    return None


def plan(body: Body, findings: Sequence[Finding], policy: TypePolicy) -> Plan:
    """The settings in one PATCH, and the reason why exports cannot be closed with them."""
    pairs = [(rule, one) for rule in SETTINGS for one in findings if one.rule == rule.id]
    wanted = {rule.id for rule, _ in pairs if rule in EXPORTS}
    blocked = _block(body, wanted, policy) if wanted else None
    closable = [pair for pair in pairs if not blocked or pair[0].id not in blocked.rules]
    if not closable:
        return Plan(blocked=blocked)
    patch = merged(*(nested(one.path, wire(rule, one.desired)) for rule, one in closable))
    changes = tuple(Change(one.path, one.actual, one.desired) for _, one in closable)
    return Plan((Patch(patch),), changes, blocked)


EXPORTING = (
    f"{TYPE}/exportPipelines/write",
    f"{TYPE}/pipelineRuns/write",
    doors.IMPORT_IMAGE,
)
"""Each of these is an export, or prepares one."""

GUARD = Guard(
    resource_type=TYPE,
    api_version=API_VERSION,
    rules=RULES,
    operations=(
        f"{TYPE}/write",
        f"{TYPE}/updatePolicies/write",  # a permission of its own; whether an event has it, too,
        # is undocumented
        f"{TYPE}/privateEndpointConnections/write",
        f"{TYPE}/privateEndpointConnections/delete",
        *EXPORTING,
        f"{TYPE}/tokens/write",
        f"{TYPE}/scopeMaps/write",
        f"{TYPE}/connectedRegistries/write",
        f"{TYPE}/cacheRules/write",
    ),
    own_operations=(f"{TYPE}/write", f"{TYPE}/exportPipelines/delete"),
    permissions=(
        f"{TYPE}/read",
        f"{TYPE}/write",
        f"{TYPE}/updatePolicies/write",
        f"{TYPE}/operationStatuses/read",
        f"{TYPE}/privateEndpointConnections/read",
        f"{TYPE}/exportPipelines/read",
        f"{TYPE}/exportPipelines/delete",
        f"{TYPE}/tokens/read",
        f"{TYPE}/scopeMaps/read",
        f"{TYPE}/connectedRegistries/read",
        f"{TYPE}/cacheRules/read",
        "Microsoft.Insights/diagnosticSettings/read",
    ),
    inspect=inspect,
    plan=plan,
    refusal=Children(
        "exportPipelines",
        EXPORT_PIPELINES_API_VERSION,
        "Azure does not disable exports while export pipelines exist: delete them first "
        "(az resource delete --ids ...)",
        rule=EXPORT_POLICY.id,
        option="export_pipelines",
        word="pipeline",
    ),
    undo_apart=True,  # Azure refuses public access while exports are off: exports first
    exports=EXPORTING,
    lookups=lookups,
)
