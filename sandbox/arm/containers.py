"""Subscriptions and resource groups: every one exists, and none can be changed."""

import json

from sandbox.arm.answers import Answer, Request
from sandbox.arm.errors import method_not_allowed


def container(request: Request) -> Answer:
    """What GET says of a subscription or a group."""
    target = request.target
    if request.method != "GET":
        raise method_not_allowed(request.method, "Microsoft.Resources/resourceGroups")
    if target.group is None:
        body = {
            "id": target.scope,
            "subscriptionId": target.subscription,
            "displayName": "Sandbox",
            "state": "Enabled",
        }
        return Answer(200, json.dumps(body).encode())
    group = {
        "id": target.scope,
        "name": target.group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": "westeurope",
        "properties": {"provisioningState": "Succeeded"},
    }
    return Answer(200, json.dumps(group).encode())
