"""Exporters as the file writes them: who may take what out, until when, and how long at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import GUARDS
from guards.engine import policy
from guards.engine.ids import ResourceId
from guards.engine.model import Caller
from guards.engine.policy import Policy
from guards.engine.policy.changes import loosened
from guards.engine.policy.exporters import Exporter
from guards.engine.policy.scopes import Scope
from guards.engine.policy.shape import schema
from tests.engine.policies import (
    BACKUP_ID,
    DISKS,
    ESTATE,
    EXPORTERS,
    SCANNER_ID,
    SUB,
    Data,
    changed_policies,
    disk_id,
    exporter,
    made,
    mistakes,
    wrong,
)
from tests.engine.samples import ALICE_ID, DISK_ID, GROUP, SUBSCRIPTION
from tests.fakes import START

KEYS = "principals, scope, purpose, owner, expires_on, hours"
DISK = ResourceId.parse(DISK_ID)
COPY = ResourceId.parse(
    f"{GROUP}/providers/Microsoft.Compute/restorePointCollections/nightly/restorePoints/monday"
    "/diskRestorePoints/ledger-disk"
)
ROLE = "Microsoft.Authorization/roleAssignments/0a0a0a0a-3434-5656-7878-909090909090"
BACKUP, SCANNER = Caller(object_id=BACKUP_ID), Caller(app_id=SCANNER_ID)


def allowed(
    *entries: Data,
    caller: Caller = BACKUP,
    resource: ResourceId = DISK,
    when: datetime = START,
) -> Exporter | None:
    """The entry that counts for a grant."""
    return made(exporters=list(entries)).exporter(caller, resource, when)


def test_an_exporter_is_read_with_all_that_it_says() -> None:
    """IDs in lower case and once each, the texts for the person who judges it later."""
    entry = exporter(principals=[BACKUP_ID.upper(), SCANNER_ID, BACKUP_ID], hours=48)
    (one,) = made(exporters=[entry]).exporters
    assert one == Exporter(
        principals=(BACKUP_ID, SCANNER_ID),
        scope=Scope.parse(GROUP, ()),
        purpose="nightly backup",
        owner="backup-team",
        expires_on=datetime(2026, 12, 31, tzinfo=UTC),
        hours=48,
    )
    assert str(one) == (
        "until 2026-12-31T00:00:00.000Z, nightly backup (owner backup-team), each export 48 h at "
        "most"
    )


def test_an_export_lasts_a_day_unless_the_entry_says_otherwise() -> None:
    """A backup takes hours, not weeks."""
    assert [one.hours for one in made(exporters=[exporter()]).exporters] == [24]


@pytest.mark.parametrize("keys", [{}, {"exporters": []}])
def test_nobody_may_export_who_is_not_listed(keys: Data) -> None:
    """An empty policy knows no exporter."""
    assert made(**keys).exporters == policy.default(GUARDS).exporters == ()
    assert made(**keys).exporter(BACKUP, DISK, START) is None
    assert made(**keys).exports(BACKUP_ID, DISK, START) is None


@pytest.mark.parametrize("field", ["principals", "scope", "purpose", "owner", "expires_on"])
def test_no_field_may_be_left_out(field: str) -> None:
    """An exporter of everything, of nobody, or for ever is none."""
    assert f"exporters[0].{field}: is missing" in wrong(exporters=[exporter(**{field: None})])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"principals": []}, "principals: List should have at least 1 item"),
        ({"principals": [BACKUP_ID] * 101}, "principals: List should have at most 100 items"),
        ({"principals": BACKUP_ID}, "principals: a list is needed"),
        ({"principals": ["*"]}, "principals[0]: an object ID or app ID must be a whole GUID"),
        ({"principals": [BACKUP_ID, ""]}, "principals[1]: an object ID or app ID must be a whole"),
        ({"principals": [BACKUP_ID[:-1]]}, "principals[0]: an object ID or app ID must be a whole"),
        ({"principals": [f"{BACKUP_ID}\n"]}, "principals[0]: an object ID or app ID must be"),
        ({"principals": ["alice@contoso.example"]}, "principals[0]: an object ID or app ID must"),
        ({"principals": [5]}, "principals[0]: "),
        ({"principals": [None]}, "principals[0]: "),
        ({"scope": "/subscriptions/*"}, "scope: matches everything; name a subscription"),
        ({"scope": "*"}, "scope: a scope is /subscriptions/GUID"),
        ({"scope": 5}, "scope: "),
        ({"purpose": ""}, "purpose: "),
        ({"purpose": "\u202e "}, "purpose: nothing of it can be seen"),
        ({"owner": " "}, "owner: "),
        ({"owner": ["x"]}, "owner: "),
        ({"expires_on": "never"}, "expires_on: not a date; write a date such as 2026-12-31"),
        ({"expires_on": "2026-12-31T00:00:00"}, "expires_on: a time without its zone"),
        ({"expires_on": "2027-03-03"}, "expires_on: more than a year away; an exporter's entry la"),
        ({"hours": 0}, "hours: Input should be greater than or equal to 1 (found 0)"),
        ({"hours": 1441}, "hours: Input should be less than or equal to 1440 (found 1441)"),
        ({"hours": "24"}, "hours: Input should be a valid integer (found '24')"),
        ({"hours": 1.5}, "hours: Input should be a valid integer (found"),
        ({"hours": True}, "hours: Input should be a valid integer (found True)"),
        ({"hour": 24}, f"hour: unknown; allowed: {KEYS}"),
        ({"rules": ["liveExport"]}, f"rules: unknown; allowed: {KEYS}"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_is_allowed(changed: Data, told: str) -> None:
    """Nothing is guessed: an entry that is half right would let out what nobody meant."""
    assert f"exporters[1].{told}" in wrong(exporters=[exporter(), exporter(**changed)])


def test_every_mistake_has_its_own_line_and_hides_no_other() -> None:
    """The entry is left out, and what follows is read all the same."""
    text = f"""version: 1
exporters:
- {{scope: {GROUP}, principals: [{BACKUP_ID}], purpose: x, owner: x, expires_on: 2026-12-31}}
- scope: {GROUP}
  principals:
  - {BACKUP_ID}
  - nobody
  purpose: x
  owner: x
  expires_on: 2026-12-31
  hours: 2000
- all
exemptions:
- {{scope: {GROUP}, rules: [publicNetworkAccess]}}
scopes:
- {{scope: {SUB}}}
"""
    told = mistakes(text)
    assert [int(line.split()[1].rstrip(":")) for line in told] == [7, 11, 12, *[14] * 5, 16]
    assert f"line 12: exporters[2]: a mapping of {KEYS} is needed" in told


@pytest.mark.parametrize("value", [5, True, {}, None, "all"])
def test_what_is_no_list_of_exporters_is_a_mistake(value: object) -> None:
    """In a sentence, not with a traceback."""
    assert "exporters: a list is needed" in wrong(exporters=value)


def test_the_list_has_an_end() -> None:
    """So that a policy never costs more than it may."""
    assert len(made(exporters=[exporter()] * 1000).exporters) == 1000
    told = wrong(exporters=[exporter()] * 1001)
    assert "exporters: List should have at most 1000 items" in told


@pytest.mark.parametrize(
    "caller",
    [
        Caller(object_id=BACKUP_ID),
        Caller(object_id=BACKUP_ID.upper()),
        Caller(app_id=BACKUP_ID, object_id=ALICE_ID),
        Caller(app_id=ALICE_ID, object_id=BACKUP_ID, name="x"),
    ],
)
def test_a_caller_is_known_by_either_of_its_ids(caller: Caller) -> None:
    """In any casing; service principals have both."""
    assert allowed(exporter(), caller=caller)
    assert allowed(exporter(principals=[SCANNER_ID, BACKUP_ID.upper()]), caller=caller)


@pytest.mark.parametrize(
    "caller",
    [
        Caller(),
        Caller(object_id=ALICE_ID, app_id=SCANNER_ID),
        Caller(name=BACKUP_ID, ip_address=BACKUP_ID, principal_type=BACKUP_ID),
        Caller(object_id=f" {BACKUP_ID}"),
        Caller(object_id=BACKUP_ID[:-1]),
    ],
)
def test_nobody_else_is(caller: Caller) -> None:
    """A name is no proof, and empty claims match nobody."""
    assert allowed(exporter(), caller=caller) is None


def test_the_holder_of_a_role_is_known_by_the_object_id_alone() -> None:
    """Role assignments name nothing else."""
    parsed = made(exporters=[exporter()])
    (one,) = parsed.exporters
    assert parsed.exports(BACKUP_ID.upper(), DISK, START) == one
    assert parsed.exports(SCANNER_ID, DISK, START) is None
    assert parsed.exports("", DISK, START) is None
    assert parsed.exports(BACKUP_ID, DISK, one.expires_on) is None
    assert parsed.exports(BACKUP_ID, ResourceId.parse(disk_id("rg-other")), START) is None


@pytest.mark.parametrize(
    ("at", "covered"),
    [
        (SUB, {"subscription"}),
        (GROUP, {"subscription", "group"}),
        (DISK_ID, {"subscription", "group", "disk"}),
        (disk_id("rg-other"), {"subscription"}),
    ],
)
def test_a_role_is_where_it_was_assigned(at: str, covered: set[str]) -> None:
    """Whoever may export one disk may not have a role on all of them."""
    scopes = {"subscription": SUB, "group": GROUP, "disk": DISK_ID}
    role = ResourceId.parse(f"{at}/providers/{ROLE}")
    found = {
        name
        for name, scope in scopes.items()
        if made(exporters=[exporter(scope=scope)]).exports(BACKUP_ID, role, START)
    }
    assert found == covered


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (SUB, {"disk", "copy", "other group"}),
        (f"/subscriptions/{SUBSCRIPTION.upper()}", {"disk", "copy", "other group"}),
        (GROUP, {"disk", "copy"}),
        (f"{SUB}/resourceGroups/RG-D*", {"disk", "copy"}),
        ("/subscriptions/*/resourceGroups/rg-data", {"disk", "copy", "other subscription"}),
        (DISK_ID, {"disk"}),
        (f"{GROUP}/providers/{DISKS}/ledger-*", {"disk"}),
        (f"{GROUP}/providers/{DISKS}/*", {"disk"}),
        (f"{GROUP}/providers/Microsoft.Compute/snapshots/*", set()),
        ("/subscriptions/22222222-2222-3333-4444-555555555555", {"other subscription"}),
    ],
)
def test_an_exporter_counts_within_its_scope(scope: str, covered: set[str]) -> None:
    """What lies below a resource belongs to its group and its subscription."""
    places = {
        "disk": DISK,
        "copy": COPY,
        "other group": ResourceId.parse(disk_id("rg-other")),
        "other subscription": ResourceId.parse(DISK_ID.replace("11111111", "22222222")),
    }
    found = {
        name for name, place in places.items() if allowed(exporter(scope=scope), resource=place)
    }
    assert found == covered


def test_an_exporter_counts_until_the_second_it_ends() -> None:
    """An export that begins later is anybody's."""
    entry = exporter(expires_on="2026-04-01T02:00:00+02:00")
    end = datetime(2026, 4, 1, tzinfo=UTC)
    assert allowed(entry, when=end - timedelta(microseconds=1))
    assert allowed(entry, when=end) is None
    assert allowed(entry, when=end + timedelta(days=1)) is None
    (one,) = made(exporters=[entry]).exporters
    assert (one.counts(START), one.counts(end), one.expired(end)) == (True, False, True)


def test_of_several_the_one_with_the_most_hours_counts() -> None:
    """Of those that still count, name the caller, and cover the resource."""
    entries = [
        exporter(hours=10, purpose="day"),
        exporter(hours=30, purpose="long", scope=DISK_ID),
        exporter(hours=20, purpose="app", principals=[SCANNER_ID]),
        exporter(hours=100, purpose="gone", expires_on="2026-02-28"),
        exporter(hours=200, purpose="elsewhere", scope=f"{SUB}/resourceGroups/rg-other"),
        exporter(hours=300, purpose="somebody else's", principals=[ALICE_ID]),
    ]
    both = Caller(object_id=BACKUP_ID, app_id=SCANNER_ID)
    for those in (entries, entries[::-1]):
        for caller, place, purpose in (
            (BACKUP, DISK, "long"),
            (BACKUP, COPY, "day"),
            (both, COPY, "app"),
            (SCANNER, DISK, "app"),
        ):
            found = allowed(*those, caller=caller, resource=place)
            assert found is not None
            assert found.purpose == purpose


def test_an_exporter_that_has_expired_does_not_make_a_policy_unreadable() -> None:
    """It is read, on any later day, and counts no more."""
    text = (
        "version: 1\nexporters:\n- {scope: /subscriptions/*/resourceGroups/rg-data, owner: o, "
        f"purpose: p, principals: [{BACKUP_ID}], expires_on: '2026-04-01'}}\n"
    )
    later = START + timedelta(days=1000)
    read = policy.parse(text, GUARDS, later)
    assert read.exporters == policy.parse(text, GUARDS, START).exporters
    assert read.exporter(BACKUP, DISK, later) is None


def test_exporters_exempt_nothing() -> None:
    """Settings that are open are closed whoever opened them."""
    assert made(exporters=[exporter()]).exemptions == ()


SCHEMA = jsonschema.Draft202012Validator(schema(GUARDS))


def test_the_schema_knows_exporters() -> None:
    """An editor completes and checks them."""
    entry = exporter(hours=48)
    SCHEMA.validate({"version": 1, "exporters": [entry]})
    bad: list[Data] = [
        {"hours": 0},
        {"hours": "1"},
        {"principals": []},
        {"hour": 1},
        {"purpose": ""},
    ]
    bad += [{"expires_on": "never"}, {"owner": None}]
    for change in bad:
        assert not SCHEMA.is_valid({"version": 1, "exporters": [exporter(**change)]}), change


def said(old: list[Any], new: list[Any], now: datetime = START) -> list[str] | None:
    """What is told of a change of exporters."""
    return loosened(made(exporters=old), made(exporters=new), now)


ENTRY = exporter()
TAIL = (
    "until 2026-12-31T00:00:00.000Z, nightly backup (owner backup-team), each export 24 h at most"
)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ([], exporter(), f"new exporter: {GROUP} ({BACKUP_ID}) {TAIL}"),
        (
            [ENTRY],
            exporter(principals=[SCANNER_ID, BACKUP_ID]),
            f"new exporter: {GROUP} ({SCANNER_ID}) {TAIL}",
        ),
        ([ENTRY], exporter(scope=SUB), f"new exporter: {SUB} ({BACKUP_ID}) {TAIL}"),
        (
            [ENTRY],
            exporter(expires_on="2027-01-01"),
            f"prolonged exporter: {GROUP} ({BACKUP_ID}) {TAIL}".replace("2026-12-31", "2027-01-01"),
        ),
        (
            [ENTRY],
            exporter(hours=25),
            f"prolonged exporter: {GROUP} ({BACKUP_ID}) {TAIL}".replace("24 h", "25 h"),
        ),
        (
            [exporter(expires_on="2026-02-01")],
            ENTRY,
            f"new exporter: {GROUP} ({BACKUP_ID}) {TAIL}",
        ),
        (
            [ENTRY],
            exporter(scope=DISK_ID, hours=48),
            f"prolonged exporter: {DISK_ID} ({BACKUP_ID}) {TAIL}".replace("24 h", "48 h"),
        ),
    ],
)
def test_what_lets_out_more_is_said(old: list[Data], new: Data, told: str) -> None:
    """Who, where, until when and how long; and nothing of the way back."""
    assert said(old, [new]) == [told]
    assert said([*old, new], [new]) == []
    assert said([*old, new], old) == []


def test_what_is_new_and_what_is_prolonged_are_two_sentences() -> None:
    """One entry may be both."""
    new = exporter(principals=[BACKUP_ID, SCANNER_ID], hours=48)
    told = said([ENTRY], [new])
    assert told is not None
    assert [line.split(":")[0] for line in told] == ["new exporter", "prolonged exporter"]
    assert (SCANNER_ID in told[0], BACKUP_ID in told[0]) == (True, False)
    assert (SCANNER_ID in told[1], BACKUP_ID in told[1]) == (False, True)


@pytest.mark.parametrize(
    "new",
    [
        [],
        [ENTRY, ENTRY],
        [exporter(hours=1)],
        [exporter(expires_on="2026-06-01")],
        [exporter(purpose="other", owner="other")],
        [exporter(scope=DISK_ID)],
        [exporter(principals=[BACKUP_ID.upper(), BACKUP_ID])],
        [ENTRY, exporter(principals=[SCANNER_ID], expires_on="2026-02-28")],
    ],
)
def test_what_lets_out_no_more_needs_no_word(new: list[Data]) -> None:
    """Nobody has to be woken for it."""
    assert said([ENTRY], new) == []


def test_a_sentence_is_one_line_and_has_an_end() -> None:
    """Text of the policy goes into an alert."""
    many = [f"{number:08d}-3434-5656-7878-909090909090" for number in range(100)]
    (told,) = said([], [exporter(principals=many, purpose="a\nb", owner="\u202ex")]) or ["\n"]
    assert "new exporter" in told
    assert many[4] in told
    assert many[5] not in told
    assert "and 95 more" in told
    assert not {"\n", "\u202e"} & set(told)


@pytest.mark.parametrize(
    "client", ["04b07795-8ddb-461a-bbee-02f9e1bf7b46", "C44B4083-3BB0-49C1-B47D-974E53CBDF3C"]
)
def test_an_application_that_everybody_signs_in_with_is_no_exporter(client: str) -> None:
    """The app ID of the Azure CLI is in the claims of all its users."""
    with pytest.raises(policy.PolicyError, match="whoever signs in with it would be an exporter"):
        made(exporters=[exporter(principals=[client])])


def test_too_many_changes_are_not_told_one_by_one() -> None:
    """Another policy, rather than a changed one."""
    many = [f"{number:08d}-3434-5656-7878-909090909090" for number in range(100)]
    old = [exporter(principals=many, scope=f"{SUB}/resourceGroups/g{n}") for n in range(40)]
    new = [exporter(principals=many, scope=f"{SUB}/resourceGroups/h{n}") for n in range(40)]
    assert said(old, new) is None
    assert said(old, old) == []


WHO = (BACKUP, SCANNER, Caller(object_id=SCANNER_ID, app_id=BACKUP_ID))
PLACES = {resource.key: resource for _, resource, _ in ESTATE}.values()
WHEN = [START + timedelta(days=days) for days in (0, 20, 40, 70, 100)]


def lets(parsed: Policy, caller: Caller, resource: ResourceId, when: datetime) -> int:
    """How many hours an export may last: 0 if there may be none."""
    found = parsed.exporter(caller, resource, when)
    return found.hours if found else 0


@st.composite
def changed_exporters(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """Exporters, and what became of them: an entry that is new, or one that says something else."""
    old = draw(st.lists(EXPORTERS, min_size=1, max_size=3))
    new = [*old, draw(EXPORTERS)]
    if draw(st.booleans()):
        keys = draw(st.lists(st.sampled_from(["scope", "principals", "expires_on", "hours"])))
        new[-1] = {**old[0], **{key: new[-1][key] for key in keys if key in new[-1]}}
    return made(exporters=old), made(exporters=new[draw(st.integers(0, 1)) :])


@settings(max_examples=125)
@given(changed_exporters())
def test_nobody_may_export_more_without_a_word(changed: tuple[Policy, Policy]) -> None:
    """If nothing is said of a change, no caller may now do what it could not."""
    old, new = changed
    if loosened(old, new, START):
        return
    for resource in PLACES:
        for caller in WHO:
            for when in WHEN:
                assert lets(new, caller, resource, when) <= lets(old, caller, resource, when)


@settings(max_examples=50)
@given(changed_policies(), st.sampled_from(WHO), st.sampled_from(WHEN))
def test_who_may_export_is_what_the_entries_say_one_by_one(
    changed: tuple[Policy, Policy], caller: Caller, when: datetime
) -> None:
    """The look-up finds neither less nor more than reading the whole list does."""
    parsed, _ = changed
    ids = {caller.object_id, caller.app_id} - {""}
    for resource in PLACES:
        fitting = [
            one.hours
            for one in parsed.exporters
            if ids & set(one.principals) and one.counts(when) and one.scope.holds_for(resource)
        ]
        assert lets(parsed, caller, resource, when) == max(fitting, default=0)
