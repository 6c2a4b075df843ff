"""moto in this process, no sockets: boto3's own HTTP layer is what it replaces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import botocore.loaders
import botocore.session
import pytest
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend

from engine.aws.session import Cloud

ACCOUNT = "123456789012"
REGION = "eu-west-3"


@pytest.fixture(scope="session", autouse=True)
def service_models_read_once() -> Iterator[None]:
    """Every Cloud reads botocore's service models anew, which is most of what these tests would wait for."""
    loader = botocore.loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda *_: loader)
        yield


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty account in a region that is not S3's default one."""
    # A machine's own AWS settings must not reach the tests.
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    with mock_aws():
        yield Cloud(region=REGION)


@pytest.fixture
def atomic_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto checks a condition and writes in two steps, and reads what is being written; DynamoDB does not."""
    lock = threading.RLock()
    for name in ("put_item", "update_item", "delete_item", "transact_write_items", "get_item", "query"):
        monkeypatch.setattr(DynamoDBBackend, name, _locked(lock, getattr(DynamoDBBackend, name)))


def _locked(lock: Any, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return method(*args, **kwargs)

    return call
