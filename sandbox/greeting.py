"""What `python -m sandbox up` tells people: where everything is, and what to try."""

from collections.abc import Mapping
from typing import Any

_GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg"
_OPENED = '{"location": "westeurope", "properties": {"networkAccessPolicy": "AllowAll"}}'
_READ = (
    "import sys; from azure.storage.queue import QueueClient, TextBase64DecodePolicy as D; "
    "[print(m.content) for m in QueueClient.from_connection_string(sys.argv[1], "
    "'guard-alerts', message_decode_policy=D()).peek_messages(32)]"
)


def greeting(endpoints: Mapping[str, Any], *, notifies: bool) -> str:
    """The endpoints, and lines to paste; `notifies`: alerts go to Teams and by mail."""
    lines = ["The sandbox is up; Ctrl-C ends it."]
    for name, value in endpoints.items():
        if isinstance(value, dict):
            value = ", ".join(f"{part} {what}" for part, what in value.items())
        lines.append(f"  {name:<16}{value}")
    return "\n".join([*lines, "", *_try_it(endpoints, notifies=notifies)])


def _try_it(endpoints: Mapping[str, Any], *, notifies: bool) -> list[str]:
    """Open a disk as somebody, see it closed, read what was told."""
    arm, ca = endpoints["arm"], endpoints["ca"]
    disk = f"'{arm}{_GROUP}/providers/Microsoft.Compute/disks/mine?api-version=2026-03-02'"
    curl = f"curl -s --cacert {ca}"
    me = f"{curl} -H 'x-sandbox-caller: me'"
    lines = [
        "Try it from another terminal, as somebody called me (with a token of the identity",
        "endpoint you would be the guard itself, whose own writes are ignored):",
        f"  {me} -X PUT -H 'content-type: application/json' -d '{_OPENED}' {disk}",
        f"  {me} {disk}",
    ]
    if notifies:
        return [
            *lines,
            "What people were told, in Teams and by mail:",
            f"  {curl} {arm}/_sandbox/teams",
            f"  {curl} {arm}/_sandbox/mails",
        ]
    return [
        *lines,
        f'  .venv/bin/python -c "{_READ}" \\',
        f"    '{endpoints['queueConnection']}'",
        "With --notify, or GUARD_NOTIFY=on in the environment, alerts go on to Teams and by mail;",
        f"{arm}/_sandbox/teams and {arm}/_sandbox/mails show them.",
    ]
