"""Who is let in: what botocore and curl sign, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Signing

from engine.aws.session import Credentials
from engine.aws.signatures import Gatekeeper, Refused, SignedRequest
from engine.model.secret import Secret

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
KEY, SECRET = "AKIDEXAMPLE", "of-the-test"


def signed(
    method: str = "GET",
    path: str = "/v1/projects",
    query: str = "",
    body: bytes = b"",
    *,
    at: datetime = NOON,
    key: str = KEY,
    secret: str = SECRET,
    service: str = "execute-api",
    region: str = "us-east-1",
    headers: dict[str, str] | None = None,
) -> SignedRequest:
    """A request as botocore signs it."""
    url = f"http://127.0.0.1:8080{path}" + (f"?{query}" if query else "")
    request: Any = AWSRequest(method=method, url=url, data=body, headers=headers or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: at.replace(tzinfo=None))
        SigV4Auth(Signing(key, secret), service, region).add_auth(request)
    sent = [("Host", "127.0.0.1:8080"), *request.headers.items()]
    return SignedRequest(method, path, query, sent, body)


def with_header(request: SignedRequest, name: str, change: Callable[[str], str]) -> SignedRequest:
    return replace(
        request,
        headers=[
            (one, change(value) if one.lower() == name.lower() else value) for one, value in request.headers
        ],
    )


def with_signature(request: SignedRequest, change: Callable[[str], str]) -> SignedRequest:
    return with_header(request, "Authorization", change)


@pytest.fixture
def gate() -> Gatekeeper:
    return Gatekeeper(Credentials(KEY, Secret(SECRET)), "us-east-1")


@pytest.mark.parametrize(
    "request_",
    [
        signed(),
        signed(query="limit=2&next=WyJwI"),
        signed(query="vlab_id=lab&project_id=proj&dev=True"),
        signed(query="confirm=lab%2Fproj&a=%C3%A4%20b&a=&b"),
        signed("PUT", "/v1/projects/lab/proj", body=b'{"tier": "debug"}'),
        signed("PUT", body="ä".encode(), headers={"Content-Type": "application/json", "X-Mine": "a  b "}),
        signed("DELETE", "/v1/projects/a%20b/c"),
        signed(at=NOON - timedelta(minutes=4, seconds=59)),
        signed(at=NOON + timedelta(minutes=4, seconds=59)),
    ],
    ids=lambda request: f"{request.method} {request.path}?{request.query}",
)
def test_what_botocore_signs_is_let_in(gate: Gatekeeper, request_: SignedRequest) -> None:
    gate.leave(gate.admit(request_, now=NOON))


BODY = b'{"tier": "debug"}'
PUT = signed("PUT", "/v1/projects/lab/proj", "a=1&b=2", BODY)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (replace(PUT, headers=[("Host", "127.0.0.1:8080")]), "Missing Authentication Token"),
        (with_signature(PUT, lambda _: "Basic YTpi"), "not one of"),
        (
            with_signature(PUT, lambda text: text.replace("AWS4-HMAC-SHA256", "AWS4-X")),
            "not one of",
        ),
        (
            with_signature(PUT, lambda text: text[:-1] + ("0" if text[-1] != "0" else "1")),
            "match",
        ),
        (replace(PUT, headers=[*PUT.headers, PUT.headers[-1]]), "not one of"),
        (signed(secret="wrong"), "match"),
        (signed(key="SOMEBODY"), "token"),
        (signed(service="s3"), "scoped"),
        (signed(region="eu-west-1"), "scoped"),
        (signed(at=NOON - timedelta(minutes=5, seconds=1)), "expired"),
        (signed(at=NOON + timedelta(minutes=5, seconds=1)), "not yet"),
        (replace(PUT, method="DELETE"), "match"),
        (replace(PUT, path="/v1/projects/lab/other"), "match"),
        (replace(PUT, query="a=1&b=3"), "match"),
        (replace(PUT, query="a=1&b=2&c=3"), "match"),
        (replace(PUT, query="a=1&b=%ff"), "UTF-8"),
        (replace(PUT, body=BODY.replace(b"debug", b"large")), "match"),
        (with_header(PUT, "Host", lambda _: "elsewhere"), "match"),
        (with_header(PUT, "X-Amz-Date", lambda _: "20261128T120001Z"), "match"),
        (with_header(PUT, "X-Amz-Date", lambda _: "20261127T120000Z"), "Date in Credential"),
        (with_header(PUT, "X-Amz-Date", lambda _: "today"), "X-Amz-Date"),
        (replace(PUT, headers=[*PUT.headers, ("X-Amz-Date", "20261128T120000Z")]), "X-Amz-Date"),
        (replace(PUT, headers=[*PUT.headers, ("X-Amz-Meta", "1")]), "Not signed: x-amz-meta"),
        (replace(PUT, headers=[*PUT.headers, ("X-Amz-Security-Token", "t")]), "token"),
        (signed("PUT", body=BODY, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}), "body"),
        (
            signed("PUT", body=BODY, headers={"X-Amz-Content-SHA256": hashlib.sha256(b"other").hexdigest()}),
            "body",
        ),
    ],
)
def test_anything_else_is_refused(gate: Gatekeeper, request_: SignedRequest, why: str) -> None:
    with pytest.raises(Refused, match=why):
        gate.admit(request_, now=NOON)


def test_the_body_may_be_vouched_for(gate: Gatekeeper) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    gate.admit(signed("PUT", body=BODY, headers={"X-Amz-Content-SHA256": digest}), now=NOON)


def test_a_replay_is_refused_for_as_long_as_its_date_would_be_good(gate: Gatekeeper) -> None:
    gate.leave(gate.admit(signed(), now=NOON))
    for later in (timedelta(), timedelta(seconds=1), timedelta(minutes=4, seconds=59)):
        with pytest.raises(Refused, match="used before"):
            gate.admit(signed(), now=NOON + later)
    gate.admit(signed(at=NOON + timedelta(seconds=1)), now=NOON)


def test_alike_requests_of_one_second_may_be_answered_side_by_side(gate: Gatekeeper) -> None:
    # GIVEN two callers with one wish, whose signatures cannot be told apart
    first, second = gate.admit(signed(), now=NOON), gate.admit(signed(), now=NOON)
    gate.leave(first)
    third = gate.admit(signed(), now=NOON)
    # WHEN all of them are answered THEN the signature is used up
    gate.leave(second)
    gate.leave(third)
    with pytest.raises(Refused, match="used before"):
        gate.admit(signed(), now=NOON)


def test_what_is_remembered_does_not_grow(gate: Gatekeeper) -> None:
    for second in range(100):
        gate.leave(
            gate.admit(
                signed(at=NOON + timedelta(seconds=second * 30)), now=NOON + timedelta(seconds=second * 30)
            )
        )
    assert len(gate._seen) <= 22 and len(gate._answering) <= 22


def test_a_session_token_must_be_the_one() -> None:
    gate = Gatekeeper(Credentials(KEY, Secret(SECRET), Secret("token")), "us-east-1")
    with pytest.raises(Refused, match="token"):
        gate.admit(signed(), now=NOON)
    gate.admit(signed(headers={"X-Amz-Security-Token": "token"}), now=NOON)
    with pytest.raises(Refused, match="token"):
        gate.admit(signed(headers={"X-Amz-Security-Token": "stale"}), now=NOON)
