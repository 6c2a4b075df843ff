"""`provisioner serve`'s front: what curl signs is let in, and becomes the event that API Gateway sends."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningKeys

from engine.aws.session import Credentials
from engine.aws.signatures import Gatekeeper
from engine.model.secret import Secret
from engine.operations.requests import Desk
from engine.service.answers import Refused
from engine.service.api import Service
from engine.service.local_server import Caller, LocalServer
from tests.functional.service.gateway import recorded

KEY, SECRET = "local-caller", "of-your-choice"


@pytest.fixture
def server(desk: Desk) -> Iterator[LocalServer]:
    server = LocalServer(
        port=0,
        gatekeeper=Gatekeeper(Credentials(KEY, Secret(SECRET)), "us-east-1"),
        caller=Caller("123456789012", KEY, "arn:aws:iam::123456789012:user/local-caller"),
        answer=Service(desk).answer,
    )
    server.start()
    yield server
    server.stop()


def curl(*arguments: str, secret: str = SECRET) -> tuple[int, Any]:
    signing = ["--aws-sigv4", "aws:amz:us-east-1:execute-api", "-u", f"{KEY}:{secret}"]
    command = ["curl", "-sS", "--noproxy", "*", "-w", "\n%{http_code}", *signing, *arguments]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30)
    body, _, status = done.stdout.decode().rpartition("\n")
    return int(status), json.loads(body) if body else None


def test_what_curl_signs_is_let_in(server: LocalServer) -> None:
    assert curl(f"{server.url}/v1/version")[0] == 200
    old = "hpc-provisioner/pcluster?project_id=proj&vlab_id=lab"
    status, up = curl("-X", "POST", f"{server.url}/production/{old}")
    assert (status, up["cluster"]["clusterStatus"]) == (200, "CREATE_REQUEST_RECEIVED")
    status, found = curl(f"{server.url}/{old}")
    assert (status, found["clusterStatus"]) == (200, "CREATE_IN_PROGRESS")
    json_body = ("-X", "PUT", "-H", "Content-Type: application/json", "-d", '{"storage": {"kind": "efs"}}')
    status, accepted = curl(*json_body, f"{server.url}/v1/projects/lab/two")
    assert (status, accepted["operation"]["requested_by"]) == (202, server.caller.arn)
    assert curl("-I", "-o", "/dev/null", f"{server.url}/v1/projects") == (405, None)


def test_fifty_callers_of_one_second_get_one_answer(server: LocalServer, desk: Desk) -> None:
    # GIVEN one wish, signed in one second: fifty callers have one and the same signature
    path = "/hpc-provisioner/pcluster?project_id=many&vlab_id=lab"
    request: Any = AWSRequest(method="POST", url=f"{server.url}{path}")
    SigV4Auth(SigningKeys(KEY, SECRET), "execute-api", "us-east-1").add_auth(request)
    # Answered when all are let in: after the first answer, who comes late would be a replay
    let_in, answer = threading.Barrier(50, timeout=60), server.answer
    server.answer = lambda event: (let_in.wait(), answer(event))[1]

    def call(_: int) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=120)
        connection.request("POST", path, headers=dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    # WHEN all of them call at once THEN there is one answer and one operation
    with ThreadPoolExecutor(50) as pool:
        answers = set(pool.map(call, range(50)))
    assert len(answers) == 1 and answers.pop()[0] == 200
    assert len(desk.store.list("lab/many").operations) == 1
    # AND afterwards the same request is a replay
    again = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    again.request("POST", path, headers=dict(request.headers.items()))
    assert again.getresponse().status == 403


def test_others_are_kept_out_with_the_words_of_api_gateway(server: LocalServer, desk: Desk) -> None:
    address = f"{server.url}/hpc-provisioner/pcluster?project_id=proj&vlab_id=lab"
    assert curl("-X", "POST", address, secret="wrong")[0] == 403
    plain = subprocess.run(["curl", "-sS", "--noproxy", "*", address], capture_output=True, check=True)
    refused = json.loads(plain.stdout)
    assert (refused["message"], refused["code"]) == ("Missing Authentication Token", "ACCESS_DENIED")
    assert refused.keys() == Refused.__annotations__.keys()
    assert not list(desk.place.registry.list())


def test_a_request_that_is_none_ends_the_connection_not_the_server(server: LocalServer) -> None:
    port = server.server_address[1]
    for name, value in (
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "-1"),
        ("Content-Length", "9" * 8),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.putrequest("PUT", "/v1/projects/lab/proj")
        connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Type")) == (400, "application/json")
        connection.close()
    assert curl(f"{server.url}/v1/version")[0] == 200


def test_events_are_shaped_as_the_recorded_one(server: LocalServer) -> None:
    seen: list[dict[str, Any]] = []
    answer = server.answer

    def listen(event: dict[str, Any]) -> Any:
        seen.append(event)
        return answer(event)

    server.answer = listen
    curl(f"{server.url}/production/hpc-provisioner/pcluster?dev=True&project_id=a%20b&vlab_id=lab")
    (event,) = seen
    kept = recorded("old_get_one")
    assert event.keys() == kept.keys()
    assert event["path"] == kept["path"]
    query = {"dev": ["True"], "project_id": ["a b"], "vlab_id": ["lab"]}
    assert event["multiValueQueryStringParameters"] == query
    assert event["requestContext"].keys() <= kept["requestContext"].keys()
    assert event["requestContext"]["identity"].keys() <= kept["requestContext"]["identity"].keys()
