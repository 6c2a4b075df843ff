"""Key pairs: both halves made, found, repaired after a crash, and never shown."""

from __future__ import annotations

import base64
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from engine.aws import keys
from engine.aws.failures import PassingFailure
from engine.aws.key_secrets import create_secret
from engine.aws.keys import KeyPair, delete_key_pair, ensure_key_pair, read_private_key
from engine.aws.session import Cloud
from engine.aws.steps import Outcome
from engine.errors import BackendError, EngineError

KEY = "pc-lab-1-proj-1-abcdefghij"
SECRET = f"provisioner/{KEY}/ssh-key"
TAGS = {"provisioner:project": "proj-1", "Name": KEY}


def ensure(cloud: Cloud, **more: Any) -> KeyPair:
    return ensure_key_pair(cloud, key_name=KEY, secret_name=SECRET, tags=TAGS, sleep=lambda _: None, **more)


def public_in_ec2(cloud: Cloud) -> str:
    [pair] = cloud.ec2.describe_key_pairs(KeyNames=[KEY], IncludePublicKey=True)["KeyPairs"]
    return " ".join(pair["PublicKey"].split()[:2])


def public_in_secret(cloud: Cloud) -> str:
    """As another implementation than ours reads it."""
    private = load_ssh_private_key(read_private_key(cloud, SECRET).reveal().encode(), None)
    return private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def assert_whole(cloud: Cloud) -> None:
    assert public_in_ec2(cloud) == public_in_secret(cloud)
    assert public_in_ec2(cloud).startswith("ssh-ed25519 ")


def test_a_new_pair_has_both_halves_and_its_tags(cloud: Cloud) -> None:
    made = ensure(cloud)

    assert made.outcome is Outcome.CREATED
    assert_whole(cloud)
    [pair] = cloud.ec2.describe_key_pairs(KeyNames=[KEY])["KeyPairs"]
    secret = cloud.secretsmanager.describe_secret(SecretId=SECRET)
    for found in (pair["Tags"], secret["Tags"]):
        assert {tag["Key"]: tag["Value"] for tag in found} == TAGS
    assert (made.name, made.secret_arn) == (KEY, secret["ARN"])
    blob = base64.b64decode(public_in_ec2(cloud).split()[1])
    assert made.fingerprint == base64.b64encode(hashlib.sha256(blob).digest()).decode()


def test_a_pair_without_tags_is_made_and_imported(cloud: Cloud) -> None:
    arguments: Any = {"key_name": KEY, "secret_name": SECRET, "tags": {}}
    assert ensure_key_pair(cloud, **arguments).outcome is Outcome.CREATED
    cloud.ec2.delete_key_pair(KeyName=KEY)

    assert ensure_key_pair(cloud, **arguments).outcome is Outcome.REPAIRED
    assert_whole(cloud)


def test_repeating_it_changes_nothing(cloud: Cloud) -> None:
    first = ensure(cloud)
    before = public_in_ec2(cloud)

    second = ensure(cloud, in_use=True)

    assert second.outcome is Outcome.UNCHANGED
    assert (second.fingerprint, second.secret_arn) == (first.fingerprint, first.secret_arn)
    assert public_in_ec2(cloud) == before


def test_a_key_without_its_secret_is_made_anew(cloud: Cloud) -> None:
    """A crash between the two calls: the private half is lost for good."""
    cloud.ec2.create_key_pair(KeyName=KEY, KeyType="ed25519")
    lost = public_in_ec2(cloud)

    assert ensure(cloud).outcome is Outcome.REPAIRED

    assert public_in_ec2(cloud) != lost
    assert_whole(cloud)


def test_a_secret_without_its_key_keeps_people_their_access(cloud: Cloud) -> None:
    ensure(cloud)
    before = public_in_secret(cloud)
    cloud.ec2.delete_key_pair(KeyName=KEY)

    assert ensure(cloud, in_use=True).outcome is Outcome.REPAIRED

    assert public_in_secret(cloud) == before
    assert_whole(cloud)
    [pair] = cloud.ec2.describe_key_pairs(KeyNames=[KEY])["KeyPairs"]
    assert {tag["Key"]: tag["Value"] for tag in pair["Tags"]} == TAGS


def test_a_key_that_does_not_match_follows_the_secret(cloud: Cloud) -> None:
    ensure(cloud)
    before = public_in_secret(cloud)
    cloud.ec2.delete_key_pair(KeyName=KEY)
    cloud.ec2.create_key_pair(KeyName=KEY, KeyType="rsa")

    assert ensure(cloud).outcome is Outcome.REPAIRED

    assert public_in_secret(cloud) == before
    assert_whole(cloud)


def test_a_secret_scheduled_for_deletion_is_had_back(cloud: Cloud) -> None:
    ensure(cloud)
    before = public_in_secret(cloud)
    cloud.secretsmanager.delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
    with pytest.raises(BackendError, match="scheduled for deletion"):
        read_private_key(cloud, SECRET)

    assert ensure(cloud).outcome is Outcome.REPAIRED

    assert public_in_secret(cloud) == before
    assert_whole(cloud)


def test_a_secret_without_text_is_replaced(cloud: Cloud) -> None:
    cloud.secretsmanager.create_secret(Name=SECRET)

    assert ensure(cloud).outcome is Outcome.REPAIRED

    assert_whole(cloud)


def test_somebody_elses_text_in_the_secret_is_left_alone(cloud: Cloud) -> None:
    cloud.secretsmanager.create_secret(Name=SECRET, SecretString="canary-31337")

    with pytest.raises(BackendError, match="does not hold an OpenSSH private key") as refused:
        ensure(cloud)

    assert "canary-31337" not in everything_said(refused.value)
    assert read_private_key(cloud, SECRET).reveal() == "canary-31337"


@pytest.mark.parametrize("broken", ["lost", "mismatch"])
def test_the_key_of_a_running_cluster_is_never_replaced(cloud: Cloud, broken: str) -> None:
    ensure(cloud)
    if broken == "lost":
        cloud.secretsmanager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    else:
        cloud.ec2.delete_key_pair(KeyName=KEY)
        cloud.ec2.create_key_pair(KeyName=KEY, KeyType="ed25519")
    before = public_in_ec2(cloud)

    with pytest.raises(BackendError, match="of a running cluster is broken"):
        ensure(cloud, in_use=True)

    assert public_in_ec2(cloud) == before


def test_names_that_begin_alike_are_not_mixed_up(cloud: Cloud) -> None:
    others = [f"{SECRET}-other", f"{SECRET}x", SECRET[:-1]]
    for name in others:
        cloud.secretsmanager.create_secret(Name=name, SecretString="not ours")

    assert ensure(cloud).outcome is Outcome.CREATED
    assert delete_key_pair(cloud, key_name=KEY, secret_name=SECRET)

    left = {secret["Name"] for secret in cloud.secretsmanager.list_secrets()["SecretList"]}
    assert left == set(others)


def test_an_answer_for_another_name_is_not_taken(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets Manager completes what looks like the beginning of an ARN."""
    cloud.secretsmanager.create_secret(Name="somebody/else", SecretString="not ours")
    real = cloud.secretsmanager.describe_secret
    monkeypatch.setattr(
        cloud.secretsmanager, "describe_secret", lambda SecretId: real(SecretId="somebody/else")
    )

    with pytest.raises(BackendError, match="does not exist"):
        read_private_key(cloud, SECRET)


def test_workers_at_once_end_with_one_whole_pair(cloud: Cloud) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = list(
            pool.map(lambda _: ensure_key_pair(cloud, key_name=KEY, secret_name=SECRET, tags=TAGS), range(6))
        )

    assert_whole(cloud)
    assert len({pair.secret_arn for pair in found}) == 1


def test_the_secret_wins_when_another_worker_took_the_key(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a worker that, between our key and our secret, replaces the key it takes for an orphan
    real = create_secret

    def replaced_first(*args: Any, **kwargs: Any) -> bool:
        cloud.ec2.delete_key_pair(KeyName=KEY)
        cloud.ec2.create_key_pair(KeyName=KEY, KeyType="ed25519")
        monkeypatch.setattr(keys, "create_secret", real)
        return real(*args, **kwargs)

    monkeypatch.setattr(keys, "create_secret", replaced_first)
    # THEN the two halves match in the end
    ensure(cloud)
    assert_whole(cloud)


def test_a_pair_that_never_settles_ends_in_a_retryable_error(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "create_secret", lambda *_, **__: False)

    with pytest.raises(PassingFailure, match="did not settle"):
        ensure(cloud)


def test_deleting_takes_both_halves_and_is_safe_to_repeat(cloud: Cloud) -> None:
    ensure(cloud)

    assert delete_key_pair(cloud, key_name=KEY, secret_name=SECRET) is True
    assert delete_key_pair(cloud, key_name=KEY, secret_name=SECRET) is False

    assert not cloud.ec2.describe_key_pairs()["KeyPairs"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.secretsmanager.describe_secret(SecretId=SECRET)


@pytest.mark.parametrize("half", ["key", "secret", "scheduled"])
def test_deleting_takes_a_lone_half(cloud: Cloud, half: str) -> None:
    ensure(cloud)
    if half == "key":
        cloud.secretsmanager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    else:
        cloud.ec2.delete_key_pair(KeyName=KEY)
    if half == "scheduled":
        cloud.secretsmanager.delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)

    assert delete_key_pair(cloud, key_name=KEY, secret_name=SECRET) is True

    assert not cloud.ec2.describe_key_pairs()["KeyPairs"]
    assert not cloud.secretsmanager.list_secrets(IncludePlannedDeletion=True)["SecretList"]


INVALID = ClientError({"Error": {"Code": "InvalidRequestException", "Message": "Not now."}}, "DeleteSecret")


def test_a_secret_that_must_be_had_back_to_go_at_once_goes(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a secret that is scheduled for deletion, and a service that takes no second one
    ensure(cloud)
    cloud.secretsmanager.delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
    real = cloud.secretsmanager.delete_secret

    def delete(**arguments: Any) -> Any:
        if "DeletedDate" in cloud.secretsmanager.describe_secret(SecretId=arguments["SecretId"]):
            raise INVALID
        return real(**arguments)

    monkeypatch.setattr(cloud.secretsmanager, "delete_secret", delete)
    # THEN it is gone all the same
    assert delete_key_pair(cloud, key_name=KEY, secret_name=SECRET) is True
    assert not cloud.secretsmanager.list_secrets(IncludePlannedDeletion=True)["SecretList"]


def test_a_secret_that_is_refused_for_another_reason_is_told(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(cloud)
    restore = Mock()
    monkeypatch.setattr(cloud.secretsmanager, "delete_secret", Mock(side_effect=INVALID))
    monkeypatch.setattr(cloud.secretsmanager, "restore_secret", restore)
    with pytest.raises(BackendError, match="deleting the secret"):
        delete_key_pair(cloud, key_name=KEY, secret_name=SECRET)
    assert not restore.called


def test_a_key_that_does_not_exist_is_said_plainly(cloud: Cloud) -> None:
    with pytest.raises(BackendError, match=f"{SECRET} with the private key does not exist"):
        read_private_key(cloud, SECRET)


def test_the_private_half_is_in_no_log_and_no_repr(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    # GIVEN logging as chatty as it gets
    with caplog.at_level(logging.DEBUG):
        made = ensure(cloud)
        ensure(cloud)
        secret = read_private_key(cloud, SECRET)
    # THEN no line of the key is in it
    middle = secret.reveal().splitlines()[2]
    assert len(middle) > 30
    assert middle not in caplog.text
    assert middle not in f"{made!r} {secret!r} {secret} {secret:>40}"


def test_a_refused_secret_is_not_quoted(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a service that quotes the value it refuses
    def refuse(**arguments: Any) -> Any:
        text = arguments["SecretString"]
        raise ClientError(
            {"Error": {"Code": "ValidationException", "Message": f"Value '{text}' is bad"}}, "CreateSecret"
        )

    monkeypatch.setattr(cloud.secretsmanager, "create_secret", refuse)
    with pytest.raises(BackendError, match="ValidationException") as refused:
        ensure(cloud)
    assert "OPENSSH" not in everything_said(refused.value)


def everything_said(error: EngineError) -> str:
    """All that a traceback or a report would show of an error and what led to it."""
    said = ""
    current: BaseException | None = error
    while current is not None:
        said += f"{current!r} {current} {vars(current)}"
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return said
