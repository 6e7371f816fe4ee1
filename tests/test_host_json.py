"""host.json: the values that the guard's promises rest on."""

import json
from pathlib import Path

HOST = json.loads((Path(__file__).parent.parent / "host.json").read_text())


def test_queues_are_polled_every_second_and_crashes_get_five_tries() -> None:
    """An intent that surfaces is seen within a second; a crash is no reason to give up at once."""
    queues = HOST["extensions"]["queues"]
    assert queues["maxPollingInterval"] == "00:00:01"
    assert queues["visibilityTimeout"] == "00:00:30"
    assert queues["maxDequeueCount"] == 5
    assert queues["messageEncoding"] == "base64"


def test_the_bundle_is_the_supported_one() -> None:
    """Older bundles are deprecated; the next major version is not taken unseen."""
    assert HOST["version"] == "2.0"
    assert HOST["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert HOST["extensionBundle"]["version"] == "[4.*, 5.0.0)"
