"""What of the engine's backend an account holds already, under the ids by which Terraform takes it over.

modules/state-backend makes these things. Whoever made them before (an earlier version of the engine, a
run that was killed, a person), they are adopted, never made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from engine.aws.bucket_settings import SETTINGS, is_set
from engine.aws.buckets import find_state_bucket
from engine.aws.failures import PassingFailure, aws_errors, error_code
from engine.aws.session import Cloud
from engine.aws.tables import LOCK_KEY, REGISTRY_KEY, TableKey, describe_table, has_key
from engine.errors import BackendError
from engine.model import tags
from engine.model.aws_commands import aws

BACKEND_NAME = "provisioner"
"""Name of the ECR repository and, behind `alias/`, of the KMS key."""
KEY_ALIAS = f"alias/{BACKEND_NAME}"
MODULE = "module.state_backend"
"""Where workspaces/bootstrap calls the module."""

Existing = dict[str, str]
"""Address in modules/state-backend -> import id; only what there is."""


def find_existing_backend(
    cloud: Cloud, *, account_id: str, state_bucket: str, lock_table: str, registry_table: str
) -> Existing:
    """Look for everything that modules/state-backend makes; changes nothing.

    Raises   WrongRegion when the bucket stands elsewhere; AccessDenied when it belongs to another account;
             BackendError for a table with another key, or a KMS key that is about to be deleted: what
             Terraform could only replace is left alone; PassingFailure, Unreachable
    """
    return {
        **_bucket(cloud, state_bucket, account_id),
        **_table(cloud, "aws_dynamodb_table.lock", f"lock table {lock_table}", lock_table, LOCK_KEY),
        **_table(
            cloud,
            "aws_dynamodb_table.registry",
            f"registry table {registry_table}",
            registry_table,
            REGISTRY_KEY,
        ),
        **_key(cloud),
        **_repository(cloud),
    }


def _bucket(cloud: Cloud, name: str, account_id: str) -> Existing:
    if find_state_bucket(cloud, name, account_id=account_id) is None:
        return {}
    settings = {
        f"{setting}.this": name for setting in SETTINGS if is_set(cloud, setting, name, account_id=account_id)
    }
    return {"aws_s3_bucket.this": name, **settings}


def _table(cloud: Cloud, address: str, label: str, name: str, key: TableKey) -> Existing:
    table = describe_table(cloud, name)
    if table is None:
        return {}
    if table.get("TableStatus") == "DELETING":
        raise PassingFailure(f"The {label} is being deleted.", hint="Wait a moment, then run this again.")
    if not has_key(table, key):
        wanted = " and ".join(f"{attribute} ({kind})" for attribute, kind in key.schema())
        raise BackendError(
            f"The {label} is another kind of table: its key is not {wanted}.",
            hint="Name another table in the settings; this one was left as it is.",
        )
    return {address: name}


def _key(cloud: Cloud) -> Existing:
    found: dict[str, Any] | None = None
    with aws_errors(f"looking for the key {KEY_ALIAS}"):
        with _unless("NotFoundException"):
            found = cloud.kms.describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]
        if found is None:
            orphan = _key_without_alias(cloud)
            return {"aws_kms_key.this": orphan} if orphan else {}
    if found["KeyState"] == "PendingDeletion":
        keep, enable = (
            aws(f"kms {command} --key-id {found['KeyId']}", region=cloud.region)
            for command in ("cancel-key-deletion", "enable-key")
        )
        raise BackendError(
            f"The key {KEY_ALIAS} ({found['KeyId']}) is about to be deleted; what it encrypted is lost then.",
            hint=f"Keep it with `{keep}` and `{enable}`, or delete the alias if the key is really given up. "
            "Then run this again.",
            details={"key_id": found["KeyId"]},
        )
    return {"aws_kms_key.this": found["KeyId"], "aws_kms_alias.this": KEY_ALIAS}


def _key_without_alias(cloud: Cloud) -> str | None:
    """The key of a run that was killed before it could give it its alias. A key has no name, but its tags."""
    ours = {"TagKey": tags.ADDRESS, "TagValue": f"{MODULE}.aws_kms_key.this"}
    for page in cloud.kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            # Keys of others may well be closed to us.
            with _unless("AccessDeniedException"):
                if ours in cloud.kms.list_resource_tags(KeyId=key["KeyId"])["Tags"] and _is_usable(
                    cloud, key
                ):
                    return str(key["KeyId"])
    return None


def _is_usable(cloud: Cloud, key: dict[str, Any]) -> bool:
    return bool(cloud.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled")


def _repository(cloud: Cloud) -> Existing:
    found = {}
    with (
        aws_errors(f"looking for the image repository {BACKEND_NAME}"),
        _unless("RepositoryNotFoundException"),
    ):
        cloud.ecr.describe_repositories(repositoryNames=[BACKEND_NAME])
        found["aws_ecr_repository.this"] = BACKEND_NAME
        with _unless("LifecyclePolicyNotFoundException"):
            cloud.ecr.get_lifecycle_policy(repositoryName=BACKEND_NAME)
            found["aws_ecr_lifecycle_policy.this"] = BACKEND_NAME
    return found


@contextmanager
def _unless(absent: str) -> Iterator[None]:
    """Leave the block quietly when AWS answers with this code: what was asked for is not there."""
    try:
        yield
    except ClientError as error:
        if error_code(error) != absent:
            raise
