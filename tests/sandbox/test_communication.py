"""Azure Communication Services, as its real client sees it."""

import base64
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from azure.communication.email.aio import EmailClient
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.rest import AsyncHttpResponse

from sandbox.certificates import Certificates
from sandbox.identity import Tokens
from sandbox.sinks import Communication
from tests.sandbox.clients import Answer, Credential, post

MESSAGE: dict[str, Any] = {
    "senderAddress": "export-guard@contoso.example",
    "recipients": {
        "to": [{"address": "ann@example.org", "displayName": "Ann"}],
        "bcc": [{"address": "bob@example.org"}],
    },
    "content": {"subject": "Größe ✓", "plainText": "ä\n", "html": "<p>ä</p>"},
    "headers": {"X-Alert": "1"},
    "attachments": [
        {
            "name": "alert.json",
            "contentType": "application/json",
            "contentInBase64": base64.b64encode('{"a": "ä"}'.encode()).decode(),
        }
    ],
}


@dataclass
class Resource:
    """A Communication Services resource and how to reach it."""

    sink: Communication
    endpoint: str
    tokens: Tokens
    certificates: Certificates

    def client(self, resource: str = "") -> EmailClient:
        """The real client, asking for operations without a pause."""
        return EmailClient(
            self.endpoint,
            Credential(self.tokens, resource),
            connection_verify=str(self.certificates.ca),
            polling_interval=0,
            retry_total=0,
        )

    async def send(self, message: Any = MESSAGE, **options: Any) -> Any:
        """Send a mail and wait for the operation's end."""
        async with self.client() as client:
            return await (await client.begin_send(message, **options)).result()

    async def raw(
        self, body: Any, headers: dict[str, str] | None = None, query: str = "?api-version=1"
    ) -> Answer:
        """A send that the real client would not make."""
        token, _ = self.tokens.issue("https://communication.azure.com")
        headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        url = f"{self.endpoint}/emails:send{query}"
        return await post(self.certificates, url, json=body, headers=headers)


@pytest.fixture
async def resource(certificates: Certificates) -> AsyncIterator[Resource]:
    """A resource that answers without pauses."""
    tokens = Tokens()
    sink = Communication(tokens, retry_after_s=0, polls=2)
    endpoint = await sink.start(certificates.server_context())
    yield Resource(sink, endpoint, tokens, certificates)
    await sink.stop()


async def test_what_the_real_client_sends_is_kept(resource: Resource) -> None:
    """Addresses, text, HTML, headers and attachments; its poller sees the operation succeed."""
    result = await resource.send()
    assert result["status"] == "Succeeded"
    assert resource.sink.kept() == [
        {
            "from": "export-guard@contoso.example",
            "to": ["ann@example.org", "bob@example.org"],
            "subject": "Größe ✓",
            "text": "ä\n",
            "html": "<p>ä</p>",
            "headers": {"X-Alert": "1"},
            "attachments": [
                {"name": "alert.json", "type": "application/json", "text": '{"a": "ä"}'}
            ],
        }
    ]
    methods = [request["method"] for request in resource.sink.requests]
    assert methods == ["POST", "GET", "GET", "GET"]


async def test_the_same_operation_is_one_mail(resource: Resource) -> None:
    """Another one is another mail."""
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    results = [await resource.send(operation_id=given) for given in (one, one.upper(), other)]
    assert [result["id"] for result in results] == [one, one, other]
    assert len(resource.sink.kept()) == 2


async def test_clients_are_told_when_to_ask_again(certificates: Certificates) -> None:
    """In seconds, with the acceptance and with every answer that is not the last."""
    tokens = Tokens()
    sink = Communication(tokens, retry_after_s=7, polls=1)
    try:
        endpoint = await sink.start(certificates.server_context())
        resource = Resource(sink, endpoint, tokens, certificates)
        accepted = await resource.raw(MESSAGE)
        token, _ = tokens.issue("https://communication.azure.com")
        headers = {"Authorization": f"Bearer {token}"}
        where = accepted.headers["Operation-Location"]
        first, last = [
            await post(certificates, where, method="GET", headers=headers) for _ in range(2)
        ]
    finally:
        await sink.stop()
    assert (accepted.status, accepted.headers["retry-after"]) == (202, "7")
    assert json.loads(accepted.text)["status"] == json.loads(first.text)["status"] == "Running"
    assert first.headers["retry-after"] == "7"
    assert json.loads(last.text)["status"] == "Succeeded"
    assert "retry-after" not in last.headers


@pytest.mark.parametrize("audience", ["https://management.azure.com", "https://storage.azure.com"])
async def test_only_a_token_for_communication_services_may_send(
    resource: Resource, audience: str
) -> None:
    """Neither ARM's nor storage's."""
    async with resource.client(audience) as client:
        with pytest.raises(ClientAuthenticationError) as told:
            await client.begin_send(MESSAGE)
    assert told.value.status_code == 401
    for authorization in ("", "Bearer", "Bearer none", "HMAC-SHA256 Signature=x"):
        answer = await resource.raw(MESSAGE, {"Authorization": authorization})
        assert answer.status == 401
    assert resource.sink.kept() == []


async def test_an_operation_is_told_to_those_who_may_send_only(resource: Resource) -> None:
    """And there must be one."""
    result = await resource.send()
    url = f"{resource.endpoint}/emails/operations/{{}}?api-version=1"
    mine = url.format(result["id"])
    token, _ = resource.tokens.issue("https://communication.azure.com")
    headers = {"Authorization": f"Bearer {token}"}
    assert (await post(resource.certificates, mine, method="GET")).status == 401
    assert (await post(resource.certificates, mine, method="GET", headers=headers)).status == 200
    none = await post(
        resource.certificates, url.format(uuid.uuid4()), method="GET", headers=headers
    )
    assert none.status == 404


@pytest.mark.parametrize("sender", ["guard@other.example", "contoso.example", ""])
async def test_a_sender_of_another_domain_is_refused(resource: Resource, sender: str) -> None:
    """As long as the domain is not linked, nothing can be sent from it."""
    if sender == "contoso.example":
        sender = "guard@sub.contoso.example"
    with pytest.raises(ResourceNotFoundError) as told:
        await resource.send({**MESSAGE, "senderAddress": sender})
    assert told.value.error is not None
    assert told.value.error.code == "DomainNotLinked"
    assert resource.sink.kept() == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {**MESSAGE, "recipients": {}},
        {**MESSAGE, "recipients": {"to": ["ann@example.org"]}},
        {**MESSAGE, "content": {"subject": "no text"}},
        {**MESSAGE, "content": {"plainText": "no subject"}},
        {key: value for key, value in MESSAGE.items() if key != "senderAddress"},
        {**MESSAGE, "attachments": [{**MESSAGE["attachments"][0], "contentInBase64": "ä"}]},
        {**MESSAGE, "attachments": [{**MESSAGE["attachments"][0], "contentInBase64": "abc"}]},
        {**MESSAGE, "attachments": [{"name": "no content"}]},
        {**MESSAGE, "headers": ["no", "names"]},
    ],
    ids=range(12),
)
async def test_what_is_no_mail_is_refused(resource: Resource, body: Any) -> None:
    """400 in Azure's form."""
    answer = await resource.raw(body)
    assert answer.status == 400
    assert json.loads(answer.text)["error"]["code"] == "BadRequest"
    assert resource.sink.kept() == []


async def test_an_operation_id_is_a_guid_and_an_api_version_is_needed(resource: Resource) -> None:
    """400 otherwise."""
    assert (await resource.raw(MESSAGE, {"Operation-Id": "mine"})).status == 400
    assert (await resource.raw(MESSAGE, query="")).status == 400
    assert resource.sink.kept() == []


async def test_an_operation_fails_as_ordered(resource: Resource) -> None:
    """Once, after it was accepted; nobody got that mail."""
    resource.sink.fail_operation("EmailDropped", "Email was dropped.")
    operation = str(uuid.uuid4())
    async with resource.client() as client:
        poller = await client.begin_send(MESSAGE, operation_id=operation)
        with pytest.raises(HttpResponseError) as told:
            await poller.result()
    assert told.value.error is not None
    assert (told.value.error.code, told.value.error.message) == (
        "EmailDropped",
        "Email was dropped.",
    )
    assert resource.sink.kept() == []
    assert (await resource.send())["status"] == "Succeeded"


async def test_sending_and_asking_have_trouble_on_order(resource: Resource) -> None:
    """429 with its pause, and an operation that cannot be asked for once."""
    resource.sink.answer(429, headers={"Retry-After": "30"})
    with pytest.raises(HttpResponseError) as busy:
        await resource.send()
    assert isinstance(busy.value.response, AsyncHttpResponse)
    assert busy.value.response.headers["Retry-After"] == "30"
    resource.sink.answer(503, method="GET")
    with pytest.raises(HttpResponseError) as down:
        await resource.send()
    assert down.value.status_code == 503
    assert len(resource.sink.kept()) == 1
