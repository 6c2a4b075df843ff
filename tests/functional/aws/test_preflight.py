"""Looks before any work: they name what is missing and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.aws.account import account_of, require_account
from engine.aws.checks import Check
from engine.aws.preflight import check_backend, examine_backend
from engine.aws.session import Cloud
from engine.errors import AccessDenied, BackendError, NotBootstrapped, Unreachable, WrongRegion

ACCOUNT = "123456789012"
NAMES: dict[str, Any] = {"state_bucket": "state-bucket", "lock_table": "locks", "registry_table": "registry"}


@pytest.fixture
def backend(cloud: Cloud, make_backend: Callable[..., None]) -> Cloud:
    make_backend(cloud, **NAMES)
    return cloud


def check(cloud: Cloud, account_id: str | None = ACCOUNT, **changes: str) -> str:
    return check_backend(cloud, account_id=account_id, **{**NAMES, **changes})


def test_a_whole_backend_gives_the_account(backend: Cloud) -> None:
    assert check(backend) == ACCOUNT
    assert check(backend, account_id=None) == ACCOUNT


def test_looking_changes_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(Cloud, "impatient", lambda self: self)
    for client in (cloud.s3, cloud.dynamodb, cloud.sts):
        client.meta.events.register(
            f"provide-client-params.{client.meta.service_model.service_id.hyphenize()}",
            lambda model, **_: calls.append(model.name),
        )
    with pytest.raises(NotBootstrapped):
        check(cloud)

    assert calls
    assert {name for name in calls if not name.startswith(("Head", "Describe", "Get"))} == set()


def test_all_that_is_missing_is_named_at_once(cloud: Cloud) -> None:
    with pytest.raises(NotBootstrapped) as missing:
        check(cloud)

    assert missing.value.details["missing"] == [
        "state bucket state-bucket",
        "lock table locks",
        "registry table registry",
    ]
    assert "provisioner bootstrap" in missing.value.hint
    assert ACCOUNT in missing.value.message


@pytest.mark.parametrize("what", list(NAMES))
def test_one_missing_thing_is_enough(backend: Cloud, what: str) -> None:
    with pytest.raises(NotBootstrapped) as missing:
        check(backend, **{what: "not-there"})
    assert len(missing.value.details["missing"]) == 1


def test_another_account_is_refused(backend: Cloud) -> None:
    with pytest.raises(BackendError, match=f"{ACCOUNT}.*999999999999"):
        check(backend, account_id="999999999999")
    with pytest.raises(BackendError):
        require_account(account_of(backend), "999999999999")


def test_a_bucket_in_another_region_is_told_apart(backend: Cloud, make_backend) -> None:
    elsewhere = Cloud(region="us-east-1")
    make_backend(elsewhere, **{**NAMES, "state_bucket": "bucket-elsewhere"})

    with pytest.raises(WrongRegion, match=r"state-bucket stands in eu-west-3.*us-east-1"):
        check(elsewhere)


def test_a_table_of_another_kind_is_refused(backend: Cloud) -> None:
    with pytest.raises(BackendError, match="another key"):
        check(backend, lock_table="registry")


def test_a_table_being_deleted_does_not_count(backend: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cloud, "impatient", lambda self: self)
    real = backend.dynamodb.describe_table

    def describe(**arguments: Any) -> Any:
        found = real(**arguments)
        found["Table"]["TableStatus"] = "DELETING"
        return found

    monkeypatch.setattr(backend.dynamodb, "describe_table", describe)
    with pytest.raises(NotBootstrapped):
        check(backend)


@pytest.fixture
def nobody(closed_port: int) -> Cloud:
    return Cloud(region="us-east-1", endpoint_url=f"http://127.0.0.1:{closed_port}", local=True)


def test_an_endpoint_without_anybody_is_unreachable(nobody: Cloud) -> None:
    with pytest.raises(Unreachable):
        check(nobody)


def test_no_credentials_are_access_denied(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as bare, pytest.raises(AccessDenied, match="No usable AWS credentials"):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
            bare.delenv(name, raising=False)
        bare.setenv("AWS_EC2_METADATA_DISABLED", "true")
        check(Cloud(region="us-east-1"))


def test_doctor_gets_a_check_for_each_thing(backend: Cloud) -> None:
    checks = examine_backend(backend, account_id=ACCOUNT, **{**NAMES, "lock_table": "gone"})

    assert [(one.name, one.ok) for one in checks] == [
        ("AWS account", True),
        ("state bucket state-bucket", True),
        ("lock table gone", False),
        ("registry table registry", True),
    ]
    assert checks[2].error == "NOT_BOOTSTRAPPED"
    assert "provisioner bootstrap" in checks[2].hint
    assert checks[0].to_dict() == {
        "subject": "backend",
        "name": "AWS account",
        "level": "ok",
        "ok": True,
        "found": ACCOUNT,
        "hint": "",
        "error": "",
    }


def test_doctor_stops_at_the_account_when_nobody_answers(nobody: Cloud) -> None:
    checks = examine_backend(nobody, account_id=ACCOUNT, **NAMES)

    assert [(one.name, one.ok, one.error) for one in checks] == [("AWS account", False, "UNREACHABLE")]
    assert isinstance(checks[0], Check)
