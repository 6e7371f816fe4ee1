"""App settings of channels: a mistake silences one channel, is named, and shows no secret."""

import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards import wiring
from guards.engine.notify.deliveries import Delivery, parse
from guards.wiring.channels import MAY, NEEDS, ChannelSettings, Kind, read

SECRET = "Zm9yIG5vYm9keXMgZXllcw"
HOOK = f"https://workflow.example/invoke?sig={SECRET}"
TEAMS = {"GUARD_CHANNEL_SECOPS__teams": HOOK}
MAIL = {
    "GUARD_CHANNEL_ONCALL__smtp": "smtp://mail.example",
    "GUARD_CHANNEL_ONCALL__from": "guard@contoso.example",
    "GUARD_CHANNEL_ONCALL__to": "oncall@contoso.example",
}


def one(environ: dict[str, str]) -> ChannelSettings:
    """The only channel."""
    (channel,) = read(environ)
    return channel


def test_without_settings_there_is_no_channel() -> None:
    """Alerts are left to whoever reads their queue."""
    assert read({}) == ()
    assert read({"GUARD_NOTIFY": "on"}) == ()
    assert not wiring.notifies({"GUARD_STORAGE": "x", "PATH": "/bin"})


def test_channels_are_read_with_their_kinds() -> None:
    """In the order of their names, whatever the order of the settings."""
    found = read({**TEAMS, **MAIL})
    assert [(c.name, c.kind, c.mistake) for c in found] == [
        ("oncall", Kind.SMTP, ""),
        ("secops", Kind.TEAMS, ""),
    ]
    assert found == read(dict(reversed([*TEAMS.items(), *MAIL.items()])))
    assert found[1].address == HOOK
    assert found[0].values["to"] == "oncall@contoso.example"
    assert wiring.notifies(TEAMS)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_needs_what_it_needs(kind: Kind) -> None:
    """All of it is a channel; what may be set beside it is no mistake; without one of it, it is."""
    needed = {f"GUARD_CHANNEL_X__{name}": "set" for name in (kind, *NEEDS[kind])}
    assert one(needed).mistake == ""
    optional = {f"GUARD_CHANNEL_X__{name}": "set" for name in MAY.get(kind, ())}
    assert one({**needed, **optional}).mistake == ""
    for name in NEEDS[kind]:
        setting = f"GUARD_CHANNEL_X__{name}"
        left = {key: value for key, value in needed.items() if key != setting}
        assert one(left).mistake == f"not set: {setting}"


@pytest.mark.parametrize("word", ["off", " OFF ", "Off", "false", "no", "0"])
def test_notifications_are_switched_off_with_a_word(word: str) -> None:
    """All channels at once; what they are set to stays."""
    assert read({**TEAMS, "GUARD_NOTIFY": word}) == ()
    assert not wiring.notifies({**TEAMS, "GUARD_NOTIFY": word})


@pytest.mark.parametrize("word", ["", " ", "on", "ON", "true", "yes", "1"])
def test_notifications_are_on_unless_switched_off(
    word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing is said about it."""
    assert len(read({**TEAMS, "GUARD_NOTIFY": word})) == 1
    assert not caplog.records


@pytest.mark.parametrize("word", ["of", "disabled", "none", "aus", "2", "o\nff"])
def test_a_word_nobody_knows_silences_nobody(word: str, caplog: pytest.LogCaptureFixture) -> None:
    """A typing error is told of at critical, on one line, with what is allowed."""
    assert len(read({**TEAMS, "GUARD_NOTIFY": word})) == 1
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert re.fullmatch(
        r"GUARD_NOTIFY is '.*'; allowed: on, off\. Taken as on", record.getMessage()
    )


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("GUARD_CHANNEL_SECOPS__teams", "secops"),
        ("GUARD_CHANNEL_SecOps__Teams", "secops"),
        ("guard_channel_secops__TEAMS", "secops"),
        ("GUARD_CHANNEL_SEC_OPS__teams", "sec-ops"),
        ("GUARD_CHANNEL_S__teams", "s"),
        ("GUARD_CHANNEL_S3__teams", "s3"),
        (f"GUARD_CHANNEL_{'S' * 40}__teams", "s" * 40),
    ],
)
def test_a_name_is_lower_case_with_dashes(setting: str, name: str) -> None:
    """As routes of the policy call it, however the settings are written."""
    channel = one({setting: HOOK})
    assert (channel.name, channel.kind) == (name, Kind.TEAMS)
    assert channel.setting.lower() == setting.lower()


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,39}", fullmatch=True))
def test_every_name_of_a_channel_is_one_in_queues(name: str) -> None:
    """What is put for a channel is read back as its own."""
    for channel in read({f"GUARD_CHANNEL_{name}__webhook": HOOK}):
        message = json.dumps(Delivery(channel.name, 1.0).message())
        assert parse(message).channel == channel.name


@pytest.mark.parametrize(
    "setting",
    [
        "GUARD_CHANNEL_SECOPS",
        "GUARD_CHANNEL_SECOPS_teams",
        "GUARD_CHANNEL__teams",
        "GUARD_CHANNEL___teams",
        "GUARD_CHANNEL_1__teams",
        "GUARD_CHANNEL_SEC-OPS__teams",
        "GUARD_CHANNEL_SECÖPS__teams",
        f"GUARD_CHANNEL_{'S' * 41}__teams",
        "GUARD_CHANNELS_SECOPS__teams",
        "XGUARD_CHANNEL_SECOPS__teams",
        "GUARD_CHANNEL_SECOPS__teams2",
    ],
)
def test_what_is_not_written_like_a_channel_is_none(setting: str) -> None:
    """Only the one form counts."""
    assert read({setting: HOOK}) == ()


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_setting_is_as_if_not_set(empty: str) -> None:
    """Deployments leave settings empty that they do not need."""
    assert read({"GUARD_CHANNEL_SECOPS__teams": empty}) == ()
    assert one({**TEAMS, "GUARD_CHANNEL_SECOPS__smtp": empty}).mistake == ""
    assert one({**MAIL, "GUARD_CHANNEL_ONCALL__to": empty}).mistake == (
        "not set: GUARD_CHANNEL_ONCALL__to"
    )


def test_blanks_around_a_value_do_not_count() -> None:
    """They come with copying."""
    assert one({"GUARD_CHANNEL_SECOPS__teams": f" {HOOK}\n"}).address == HOOK


MISTAKES: list[tuple[dict[str, str], str]] = [
    (
        {**TEAMS, "GUARD_CHANNEL_SECOPS__webhook": SECRET, "GUARD_CHANNEL_SECOPS__secret": SECRET},
        "GUARD_CHANNEL_SECOPS__* has more than one kind: teams, webhook",
    ),
    (
        {"GUARD_CHANNEL_SEC_OPS__smtp": SECRET},
        "not set: GUARD_CHANNEL_SEC_OPS__from, GUARD_CHANNEL_SEC_OPS__to",
    ),
    ({"GUARD_CHANNEL_X__webhook": HOOK}, "not set: GUARD_CHANNEL_X__secret"),
    (
        {**TEAMS, "GUARD_CHANNEL_SECOPS__password": SECRET},
        "GUARD_CHANNEL_SECOPS__password is not a setting of teams",
    ),
    (
        {**MAIL, "GUARD_CHANNEL_ONCALL__user": "u", "GUARD_CHANNEL_ONCALL__pasword": SECRET},
        "GUARD_CHANNEL_ONCALL__pasword is not a setting of smtp",
    ),
]


@pytest.mark.parametrize(("environ", "mistake"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_names_the_setting_and_not_its_value(
    environ: dict[str, str], mistake: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The channel is there and says what is wrong; the log says it when the app starts."""
    channel = one(environ)
    assert channel.mistake == mistake
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert record.getMessage() == f"channel {channel.name} cannot deliver: {mistake}"
    assert SECRET not in caplog.text + repr(channel)


def test_a_mistake_in_one_channel_leaves_the_others_as_they_are() -> None:
    """Who is set up well is told, also of the one that is not."""
    found = read({**MISTAKES[0][0], **MAIL})
    assert [bool(channel.mistake) for channel in found] == [False, True]


def test_settings_without_a_kind_are_no_channel(caplog: pytest.LogCaptureFixture) -> None:
    """The log says which kinds there are."""
    assert read({"GUARD_CHANNEL_SECOPS__to": SECRET, "GUARD_CHANNEL_SECOPS__teems": HOOK}) == ()
    (record,) = caplog.records
    assert record.levelno >= logging.ERROR
    assert "names no kind, and is no channel; allowed: teams" in record.getMessage()
    assert all(kind in record.getMessage() for kind in Kind)
    assert SECRET not in caplog.text


@given(st.dictionaries(st.text(), st.text(), max_size=5))
def test_no_environment_stops_the_app(environ: dict[str, str]) -> None:
    """What is read at the start never raises."""
    named: dict[str, Any] = {f"GUARD_CHANNEL_{name}": value for name, value in environ.items()}
    assert isinstance(read({**environ, **named}), tuple)


def test_a_repr_shows_no_value() -> None:
    """Neither an address nor a password gets into a log by accident."""
    for channel in read({**TEAMS, **MAIL, "GUARD_CHANNEL_ONCALL__password": SECRET}):
        assert SECRET not in repr(channel)
        assert "example" not in repr(channel)
