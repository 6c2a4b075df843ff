"""The way to AWS, and the engine's words for what goes wrong on it."""

from __future__ import annotations

import inspect
import io
import json
import logging
import os
import socket
import time
import traceback
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.awsrequest import AWSResponse
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from engine.aws.failures import PassingFailure, aws_errors, translate
from engine.aws.session import Cloud, Credentials
from engine.errors import (
    AccessDenied,
    BackendError,
    CredentialsExpired,
    InvalidSettings,
    StateLocked,
    Unreachable,
    WrongRegion,
)
from engine.model.secret import Secret


def answer(code: str, *, status: int = 400, message: str = "because", operation: str = "DoIt") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


@pytest.mark.parametrize(
    ("code", "status", "kind", "retryable"),
    [
        ("AccessDenied", 403, AccessDenied, False),
        ("AccessDeniedException", 400, AccessDenied, False),
        ("UnauthorizedOperation", 403, AccessDenied, False),
        ("ExpiredToken", 400, CredentialsExpired, True),
        ("ExpiredTokenException", 400, CredentialsExpired, True),
        ("InvalidClientTokenId", 403, AccessDenied, False),
        ("UnrecognizedClientException", 400, AccessDenied, False),
        ("SignatureDoesNotMatch", 403, AccessDenied, False),
        ("AuthFailure", 401, AccessDenied, False),
        ("403", 403, AccessDenied, False),
        ("PermanentRedirect", 301, WrongRegion, False),
        ("AuthorizationHeaderMalformed", 400, WrongRegion, False),
        ("Throttling", 400, PassingFailure, True),
        ("ThrottlingException", 400, PassingFailure, True),
        ("RequestLimitExceeded", 503, PassingFailure, True),
        ("ProvisionedThroughputExceededException", 400, PassingFailure, True),
        ("SlowDown", 503, PassingFailure, True),
        ("SomethingNobodyKnows", 500, PassingFailure, True),
        ("ValidationException", 400, BackendError, False),
        ("ResourceNotFoundException", 400, BackendError, False),
    ],
)
def test_answers_of_aws(code: str, status: int, kind: type[BackendError], retryable: bool) -> None:
    error = translate(answer(code, status=status), doing="reading the record of lab/p")

    assert type(error) is kind
    assert error.retryable is retryable
    assert error.exit_code == 7
    assert error.details == {"aws_code": code, "operation": "DoIt"}
    for text in ("DoIt", code, "reading the record of lab/p", "because"):
        assert text in error.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), Unreachable),
        (boto.ConnectTimeoutError(endpoint_url="http://127.0.0.1:9"), Unreachable),
        (boto.ReadTimeoutError(endpoint_url="http://127.0.0.1:9"), Unreachable),
        (boto.ConnectionClosedError(endpoint_url="http://127.0.0.1:9"), Unreachable),
        (boto.SSLError(endpoint_url="http://127.0.0.1:9", error=OSError("bad certificate")), Unreachable),
        (boto.ProxyConnectionError(proxy_url="http://127.0.0.1:9"), Unreachable),
        (boto.NoCredentialsError(), AccessDenied),
        (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), AccessDenied),
        (boto.CredentialRetrievalError(provider="process", error_msg="no"), AccessDenied),
        (boto.ProfileNotFound(profile="nobody"), AccessDenied),
        (boto.UnauthorizedSSOTokenError(), AccessDenied),
        (boto.ParamValidationError(report="bad"), BackendError),
    ],
)
def test_failures_without_an_answer(error: BotoCoreError, kind: type[BackendError]) -> None:
    found = translate(error, doing="looking around")

    assert type(found) is kind
    assert "looking around" in found.message
    if "endpoint_url" in error.kwargs:
        assert "http://127.0.0.1:9" in found.message


def test_every_exception_of_botocore_becomes_ours() -> None:
    """Also the ones that come with the next version."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(boto, inspect.isclass)
        if issubclass(kind, BotoCoreError | ClientError)
    ]
    assert len(kinds) > 50
    for kind in kinds:
        error: Any = kind.__new__(kind)
        Exception.__init__(error, "text")
        error.kwargs = {}
        if issubclass(kind, ClientError):
            error.response, error.operation_name = {"Error": {"Code": "X"}}, "DoIt"
        with pytest.raises(BackendError), aws_errors("trying"):
            raise error


def test_a_session_token_that_aws_repeats_is_not() -> None:
    said = "The Canonical String for this request should have been\nx-amz-security-token:canary-31337\n"
    answer = ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": said}}, "GetCallerIdentity")
    text = translate(answer, doing="asking who this is").message
    assert "canary" not in text
    assert "x-amz-security-token:***" in text


def test_a_call_with_a_secret_is_not_quoted() -> None:
    with pytest.raises(BackendError) as failed, aws_errors("keeping a key", secret=True):
        raise answer("ValidationException", message="Value 'canary-31337' is bad")

    assert "canary-31337" not in failed.value.message
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    report = translate(boto.ParamValidationError(report="canary-31337"), doing="x", secret=True)
    assert "canary-31337" not in report.message


def test_an_unreadable_answer_is_not_quoted() -> None:
    """botocore's own text holds the whole body, which may be that of a created key pair."""
    with pytest.raises(PassingFailure) as failed, aws_errors("creating a key pair"):
        raise ResponseParserError("invalid XML received: <keyMaterial>canary-31337")

    assert "canary-31337" not in "".join(traceback.format_exception(failed.value))


def test_errors_of_the_engine_and_of_programmers_pass() -> None:
    with pytest.raises(StateLocked), aws_errors("trying"):
        raise StateLocked("held")
    with pytest.raises(KeyError), aws_errors("trying"):
        raise KeyError("bug")


def test_nobody_listening_is_unreachable_and_quick(closed_port: int) -> None:
    cloud = Cloud(region="us-east-1", endpoint_url=f"http://127.0.0.1:{closed_port}", local=True)
    started = time.monotonic()

    with pytest.raises(Unreachable, match=f"127.0.0.1:{closed_port}"), aws_errors("asking who we are"):
        cloud.impatient().sts.get_caller_identity()

    assert time.monotonic() - started < 10


def test_a_local_cloud_needs_an_endpoint() -> None:
    with pytest.raises(InvalidSettings, match="endpoint_url"):
        Cloud(region="us-east-1", local=True)


def test_a_local_cloud_never_sees_real_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    cloud = Cloud(region="us-east-1", endpoint_url="http://127.0.0.1:9", local=True)

    assert request_headers(cloud)["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=local/")


def test_named_credentials_are_used() -> None:
    cloud = Cloud(
        region="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        credentials=Credentials("AKIAMINE", Secret("mine"), Secret("my-token")),
    )

    headers = request_headers(cloud)
    assert "Credential=AKIAMINE/" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "my-token"
    assert "mine" not in repr(cloud)


def test_the_metadata_service_is_not_asked_for_a_local_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)

    def connect(*_: Any) -> None:
        raise AssertionError("somebody was called to sign a request")

    monkeypatch.setattr(socket.socket, "connect", connect)
    cloud = Cloud(region="us-east-1", endpoint_url="http://127.0.0.1:9", local=True)

    assert request_headers(cloud)


def test_a_local_cloud_has_buckets_in_the_path() -> None:
    cloud = Cloud(region="us-east-1", endpoint_url="http://localhost:9", local=True)
    url = cloud.s3.generate_presigned_url("get_object", Params={"Bucket": "my-bucket", "Key": "k"})
    assert url.startswith("http://localhost:9/my-bucket/k")


def test_clients_are_made_once_and_carry_the_limits() -> None:
    cloud = Cloud(region="eu-west-3", endpoint_url="http://127.0.0.1:9", local=True)

    assert cloud.ec2 is cloud.ec2
    config: Any = cloud.dynamodb.meta.config
    assert cloud.dynamodb.meta.region_name == "eu-west-3"
    assert config.connect_timeout <= 5
    assert config.retries["mode"] == "standard"
    quick: Any = cloud.impatient().dynamodb.meta.config
    assert quick.read_timeout <= 10


def test_bodies_stay_out_of_the_log(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        cloud.secretsmanager.create_secret(Name="n", SecretString="canary-31337")
        cloud.secretsmanager.get_secret_value(SecretId="n")

    assert "canary-31337" not in caplog.text


def request_headers(cloud: Cloud) -> dict[str, str]:
    """The headers a signed request would go out with; none goes out."""
    caught: dict[str, str] = {}

    def stop(request: Any, **_: Any) -> Any:
        caught.update({key: _text(value) for key, value in request.headers.items()})
        raise ConnectionAbortedError

    cloud.sts.meta.events.register("before-send.sts", stop)
    with pytest.raises(ConnectionAbortedError):
        cloud.sts.get_caller_identity()
    return caught


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("status", "code", "calls"),
    [
        (400, "ThrottlingException", 5),
        (500, "InternalServerError", 5),
        (503, "SomethingNobodyKnows", 5),
        (400, "TransactionInProgressException", 5),
        (400, "ServiceException", 5),
        # Who signed in by hand should not wait long to be told.
        (400, "ExpiredTokenException", 3),
        (400, "AccessDeniedException", 1),
        (400, "ConditionalCheckFailedException", 1),
    ],
)
def test_what_passes_is_tried_again(
    status: int, code: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    cloud = Cloud(region="us-east-1", endpoint_url="http://127.0.0.1:9", local=True, attempts=5)
    sent: list[str] = []

    def answer_so(request: Any, **_: Any) -> AWSResponse:
        sent.append(request.url)
        raw = io.BytesIO(json.dumps({"__type": code, "message": "because"}).encode())
        raw.stream = lambda **_: iter([raw.read()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, status, {}, raw)

    cloud.dynamodb.meta.events.register("before-send", answer_so)
    with pytest.raises(BackendError) as failed, aws_errors("trying"):
        cloud.dynamodb.list_tables()

    assert len(sent) == calls
    assert failed.value.retryable is (calls > 1)
