"""Role definitions: a custom role with which data can be taken out. Reported, never changed.

Azure's own roles cannot be written, so only custom ones are looked at. Which operations count, and
how wildcards and `notActions` are evaluated, is `guards.engine.roles`.
"""

from collections.abc import Sequence

from guards.engine.model import Body, Finding, Guard, Mode, Plan, TypePolicy
from guards.engine.roles import reported

RULE = reported.rule("properties.permissions", when_absent="unknown permissions")


def inspect(body: Body, policy: TypePolicy) -> tuple[Finding, ...]:
    """One finding of a custom role that gives export operations, or that cannot be understood."""
    if policy[RULE.id].mode is Mode.OFF or not reported.is_custom(body):
        return ()
    exports = reported.exports_of(body)
    if not exports:
        return ()
    return (reported.finding(RULE, f"{reported.name_of(body)}: {exports}", policy),)


def plan(_body: Body, _findings: Sequence[Finding], _policy: TypePolicy) -> Plan:
    """Nothing: whoever wrote the role decides."""
    return Plan()


GUARD = Guard(
    resource_type=reported.DEFINITIONS,
    api_version=reported.API_VERSION,
    rules=(RULE,),
    operations=(f"{reported.DEFINITIONS}/write",),
    own_operations=(),
    permissions=(f"{reported.DEFINITIONS}/read",),
    inspect=inspect,
    plan=plan,
    in_group=False,
)
