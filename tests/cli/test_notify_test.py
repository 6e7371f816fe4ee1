"""`notify test`: what each channel answers, on a line of its own, and nothing that is secret."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from sandbox.certificates import Certificates
from sandbox.sinks import Mails, Teams, Webhooks
from tests.cli.command import HOSTILE, Said, guards, process, write

SECRET = "Zm9yIG5vYm9keXMgZXllcw"
PEOPLE = {
    "GUARD_CHANNEL_MAIL__from": "guard@contoso.example",
    "GUARD_CHANNEL_MAIL__to": "ann@contoso.example,bob@contoso.example",
}


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    """A throw-away authority, which the command is told to trust."""
    made = Certificates()
    yield made
    made.close()


def trust(certificates: Certificates, patch: pytest.MonkeyPatch) -> None:
    """Let this process trust servers as one that SSL_CERT_FILE was set for when it began.

    aiohttp reads that setting when it is imported, and never again.
    """
    context = ssl.create_default_context(cafile=certificates.ca)
    patch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", context)
    patch.setenv("SSL_CERT_FILE", str(certificates.ca))
    patch.setenv("no_proxy", "127.0.0.1")


class People:
    """Who is told: a Teams workflow, a mail server, a webhook."""

    def __init__(self, certificates: Certificates, log: pytest.LogCaptureFixture) -> None:
        self.teams, self.mails, self.webhooks = Teams(), Mails(), Webhooks()
        self._certificates = certificates
        self._log = log
        self.trusted = True
        self.address = ""

    async def start(self) -> Mapping[str, str]:
        """Listen; returns the app settings of channels to all of them."""
        self.address = await self.teams.start(self._certificates.server_context())
        mails = await self.mails.start(self._certificates.server_context())
        hook = await self.webhooks.start(self._certificates.server_context())
        return {
            "GUARD_CHANNEL_SEC_OPS__teams": self.address,
            "GUARD_CHANNEL_MAIL__smtp": f"smtp://{mails}",
            **PEOPLE,
            "GUARD_CHANNEL_SIEM__webhook": hook,
            "GUARD_CHANNEL_SIEM__secret": SECRET,
        }

    async def stop(self) -> None:
        """Close."""
        for sink in (self.teams, self.mails, self.webhooks):
            await sink.stop()

    async def test(self, *arguments: str | Path, **environ: str) -> Said:
        """The command with these settings; no secret of them is in its output or its log."""
        with pytest.MonkeyPatch.context() as patch:
            if self.trusted:
                trust(self._certificates, patch)
            for name, value in environ.items():
                patch.setenv(name, value)
            said = await asyncio.to_thread(guards, "notify", "test", *arguments)
        return self._discreet(said)

    async def test_in_process(self, **environ: str) -> Said:
        """The command as an operator runs it."""
        trusting = {"SSL_CERT_FILE": str(self._certificates.ca), "no_proxy": "127.0.0.1"}
        return self._discreet(
            await asyncio.to_thread(process, "notify", "test", environ={**trusting, **environ})
        )

    def _discreet(self, said: Said) -> Said:
        for secret in (SECRET, self.address, self.address.partition("sig=")[2]):
            assert secret not in said.out + said.err + self._log.text
        return said


@pytest.fixture
async def people(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[People]:
    """Not listening yet."""
    everybody = People(certificates, caplog)
    yield everybody
    await everybody.stop()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No channel of whoever runs the tests."""
    for name in ("GUARD_NOTIFY", "IDENTITY_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


async def test_every_channel_gets_a_marked_alert_and_its_answer_is_printed(people: People) -> None:
    """All at once; exit 0 says that each of them took it."""
    said = await people.test_in_process(**await people.start())
    assert (said.code, said.err) == (0, "")
    assert re.fullmatch(
        r"mail \(smtp\): ok: 250 .*\n"
        r"sec-ops \(teams\): ok: 202 .*\n"
        r"siem \(webhook\): ok: 200 .*\n",
        said.out,
    )
    (card,), (mail,), (call,) = people.teams.kept(), people.mails.kept(), people.webhooks.kept()
    assert "TEST of the channel sec-ops" in json.dumps(card)
    assert "TEST of the channel mail" in mail["text"]
    assert mail["to"] == ["ann@contoso.example", "bob@contoso.example"]
    alert = json.loads(call["body"])
    assert alert["reason"].startswith("TEST of the channel siem")
    assert (alert["severity"], alert["resourceId"], alert["changes"]) == ("low", None, [])


async def test_a_sample_is_sent_and_marked(people: People) -> None:
    """To see what people would see of a link that was out."""
    said = await people.test("--sample", "revoked-link", **await people.start())
    assert (said.code, said.out.count(": ok: ")) == (0, 3)
    (card,), (mail,), (call,) = people.teams.kept(), people.mails.kept(), people.webhooks.kept()
    alert = json.loads(call["body"])
    assert (alert["outcome"], alert["exposure"]["secondsOpen"]) == ("reverted", 47.2)
    assert alert["reason"].startswith("TEST of the channel siem")
    for shown in (json.dumps(card), mail["text"]):
        assert "Link out for 47 s." in shown
        assert "TEST of the channel" in shown


async def test_one_that_fails_is_told_and_the_others_are_tried(people: People) -> None:
    """Exit 1, with what the server said."""
    settings = await people.start()
    people.teams.answer(404)
    said = await people.test(**settings)
    assert said.code == 1
    assert "sec-ops (teams): FAILED: the Teams workflow answered 404: its workflow" in said.out
    assert "mail (smtp): ok: 250" in said.out
    assert "siem (webhook): ok: 200" in said.out
    assert len(people.mails.kept()) == len(people.webhooks.kept()) == 1


async def test_only_the_channel_that_was_asked_for_is_tried(people: People) -> None:
    """Nobody else is disturbed."""
    said = await people.test("--channel", "sec-ops", **await people.start())
    assert (said.code, said.out.count("\n")) == (0, 1)
    assert len(people.teams.kept()) == 1
    assert people.mails.kept() == people.webhooks.kept() == []


async def test_a_refused_recipient_is_a_failure_that_names_it(people: People) -> None:
    """The others got the mail, and the operator learns who did not."""
    settings = await people.start()
    people.mails.refuse("bob@contoso.example")
    said = await people.test("--channel", "mail", **settings)
    assert said.code == 1
    assert re.fullmatch(r"mail \(smtp\): FAILED: 250 .*; refused: bob@contoso\.example\n", said.out)
    (mail,) = people.mails.kept()
    assert mail["to"] == ["ann@contoso.example"]


async def test_settings_of_a_file_are_used_and_the_environment_counts_for_more(
    people: People, tmp_path: Path
) -> None:
    """As the Functions tools do with local.settings.json."""
    settings = dict(await people.start())
    address = settings.pop("GUARD_CHANNEL_SEC_OPS__teams")
    wrong = {"GUARD_CHANNEL_SEC_OPS__teams": "https://127.0.0.1:1/", "GUARD_NUMBER": 7}
    file = write(tmp_path / "local.settings.json", {"Values": {**settings, **wrong}})
    said = await people.test("--settings", file, GUARD_CHANNEL_SEC_OPS__teams=address)
    assert said.code == 0
    assert said.out.count(": ok: ") == 3


async def test_a_channel_with_a_mistake_says_which_and_the_others_are_tried(
    people: People,
) -> None:
    """Exit 1; the mistake is the one that the app would log."""
    settings = {**await people.start(), "GUARD_CHANNEL_MAIL__to": ""}
    said = await people.test(**settings, GUARD_CHANNEL_BAD__teams=f"http://x.example/{SECRET}")
    assert said.code == 1
    mistake = "GUARD_CHANNEL_BAD__teams must be an https:// URL"
    assert f"bad (teams): FAILED: it is not configured: {mistake}\n" in said.out
    assert "mail (smtp): FAILED: it is not configured: not set: GUARD_CHANNEL_MAIL__to" in said.out
    assert "sec-ops (teams): ok" in said.out


async def test_a_server_that_nobody_trusts_or_that_is_not_there_is_told(people: People) -> None:
    """With what to do about it; there is no word of the address."""
    settings = {
        "GUARD_CHANNEL_SEC_OPS__teams": (await people.start())["GUARD_CHANNEL_SEC_OPS__teams"],
        "GUARD_CHANNEL_GONE__webhook": f"https://127.0.0.1:1/{SECRET}",
        "GUARD_CHANNEL_GONE__secret": SECRET,
    }
    people.trusted = False
    said = await people.test(**settings)
    assert said.code == 1
    assert "sec-ops (teams): FAILED: the certificate of the Teams workflow is not trusted" in (
        said.out
    )
    assert re.search(r"gone \(webhook\): FAILED: .*no answer of the webhook\n", said.out)
    assert "127.0.0.1" not in said.out + said.err


@pytest.mark.parametrize("environ", [{}, {"GUARD_NOTIFY": "off"}, {"GUARD_CHANNEL_X__teams": ""}])
def test_without_a_channel_there_is_nothing_to_try(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, and how to set one."""
    if environ.get("GUARD_NOTIFY"):
        monkeypatch.setenv("GUARD_CHANNEL_X__teams", f"https://x.example/{SECRET}")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    said = guards("notify", "test")
    assert (said.code, said.out) == (2, "")
    off = environ.get("GUARD_NOTIFY") == "off"
    why = "GUARD_NOTIFY is off" if off else "no channel is configured: set GUARD_CHANNEL_NAME__KIND"
    assert said.err.startswith(why)


@pytest.mark.parametrize("name", ["mial", "", "SEC-OPS", *HOSTILE], ids=range(9))
def test_a_channel_that_is_not_configured_is_told_with_those_that_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2; a name with control characters is quoted."""
    monkeypatch.setenv("GUARD_CHANNEL_SEC_OPS__teams", f"https://x.example/{SECRET}")
    monkeypatch.setenv("GUARD_CHANNEL_SIEM__webhook", f"https://x.example/{SECRET}")
    said = guards("notify", "test", "--channel", name)
    assert (said.code, said.out) == (2, "")
    assert said.err.endswith(" is configured; configured: sec-ops, siem\n")
    assert said.err.rstrip("\n").isprintable()
    assert SECRET not in said.err


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff", "'utf-8' codec can't decode byte 0xff"),
        (b"[]", "no object with Values, as local.settings.json has"),
        (b"{}", "no object with Values, as local.settings.json has"),
        (b'{"Values": ["GUARD_NOTIFY"]}', "no object with Values, as local.settings.json has"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_a_line(
    tmp_path: Path, content: bytes, why: str
) -> None:
    """Exit 2, with its name and what is wrong."""
    file = tmp_path / "local.settings.json"
    file.write_bytes(content)
    said = guards("notify", "test", "--settings", file)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"{file}: {why}")
    assert said.err.count("\n") == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Exit 2 as well."""
    said = guards("notify", "test", "--settings", tmp_path / "nothing.json")
    assert said.code == 2
    assert said.err.endswith("nothing.json: No such file or directory\n")


def test_a_file_with_a_secret_in_the_wrong_place_does_not_show_it(tmp_path: Path) -> None:
    """What cannot be parsed is not printed."""
    file = tmp_path / "local.settings.json"
    file.write_text(f'{{"Values": {{"GUARD_CHANNEL_X__teams": "{SECRET}" "', encoding="utf-8")
    said = guards("notify", "test", "--settings", file)
    assert said.code == 2
    assert SECRET not in said.err
