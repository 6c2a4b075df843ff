"""The two DynamoDB tables behind the engine: Terraform's state lock, and the registry of projects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.failures import PassingFailure, aws_errors, error_code
from engine.aws.session import Cloud
from engine.aws.steps import Outcome, Step
from engine.errors import BackendError, NotBootstrapped

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

Sleep = Callable[[float], None]

_POLL_S = 2.0
_POLLS = 60


@dataclass(frozen=True)
class TableKey:
    """Names of the key attributes, all of them strings."""

    hash: str
    range: str | None = None

    def schema(self) -> list[tuple[str, str]]:
        pairs = [(self.hash, "HASH")]
        return [*pairs, (self.range, "RANGE")] if self.range else pairs


# Terraform's S3 backend insists on this one ("dynamodb_table" in its documentation).
LOCK_KEY = TableKey("LockID")
REGISTRY_KEY = TableKey("pk", "sk")


def ensure_lock_table(
    cloud: Cloud, *, name: str, tags: Mapping[str, str] | None = None, sleep: Sleep = time.sleep
) -> list[Step]:
    """Make the table of Terraform's state locks, or put it right; see ensure_table."""
    return ensure_table(cloud, what="lock table", name=name, key=LOCK_KEY, tags=tags, sleep=sleep)


def ensure_registry_table(
    cloud: Cloud, *, name: str, tags: Mapping[str, str] | None = None, sleep: Sleep = time.sleep
) -> list[Step]:
    """Make the table of projects and address claims, or put it right; see ensure_table."""
    return ensure_table(cloud, what="registry table", name=name, key=REGISTRY_KEY, tags=tags, sleep=sleep)


def ensure_table(
    cloud: Cloud,
    *,
    what: str,
    name: str,
    key: TableKey,
    tags: Mapping[str, str] | None = None,
    sleep: Sleep = time.sleep,
) -> list[Step]:
    """Make a table, or put right what has drifted, and come back when it is ACTIVE.

    Paid per request, encrypted with the account's own key, protected from deletion, restorable to any
    second of the last 35 days.

    Returns  one Step per item
    Raises   BackendError when a table of that name has another key (it is left alone), or does not
             become ACTIVE in two minutes; AccessDenied, Unreachable
    """
    label = f"{what} {name}"
    with aws_errors(f"setting up the {label}"):
        made = False
        if describe_table(cloud, name) is None:
            made = _create(cloud, name, key, tags or {})
        table = _await_active(cloud, label, name, sleep)
        _check_key(label, table, key)
        repairs = {
            "pay per request": _ensure_pay_per_request(cloud, name, table),
            "deletion protection": _ensure_deletion_protection(cloud, name, table),
            "encryption": _ensure_encryption(cloud, label, name, sleep),
            "point-in-time recovery": _ensure_recovery(cloud, label, name, sleep),
        }
        _await_active(cloud, label, name, sleep)
    changed = Outcome.CREATED if made else Outcome.REPAIRED
    return [
        Step(label, Outcome.CREATED if made else Outcome.UNCHANGED),
        *(
            Step(f"{label}: {item}", changed if made or repaired else Outcome.UNCHANGED)
            for item, repaired in repairs.items()
        ),
    ]


def describe_table(cloud: Cloud, name: str) -> TableDescriptionTypeDef | None:
    """DynamoDB's description of a table; None when there is none of that name in the region."""
    with aws_errors(f"looking for the table {name}"):
        try:
            return cloud.dynamodb.describe_table(TableName=name)["Table"]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise


@contextmanager
def table_errors(doing: str, *, table: str) -> Iterator[None]:
    """aws_errors for work on one of the engine's tables: a table that isn't there is NotBootstrapped."""
    with aws_errors(doing):
        try:
            yield
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            raise NotBootstrapped(
                f"There is no table {table} (met while {doing}).",
                hint="Run `provisioner bootstrap`, or check region and registry_table in the settings.",
                details={"missing": [table]},
            ) from error


def has_key(table: TableDescriptionTypeDef, key: TableKey) -> bool:
    """True when the table's key consists of exactly these string attributes."""
    schema = [(item["AttributeName"], str(item["KeyType"])) for item in table.get("KeySchema", [])]
    kinds = {item["AttributeName"]: item["AttributeType"] for item in table.get("AttributeDefinitions", [])}
    return schema == key.schema() and all(kinds.get(attribute) == "S" for attribute, _ in schema)


def _create(cloud: Cloud, name: str, key: TableKey, tags: Mapping[str, str]) -> bool:
    schema = key.schema()
    try:
        cloud.dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[
                {"AttributeName": attribute, "AttributeType": "S"} for attribute, _ in schema
            ],
            KeySchema=[
                {"AttributeName": attribute, "KeyType": "HASH" if kind == "HASH" else "RANGE"}
                for attribute, kind in schema
            ],
            BillingMode="PAY_PER_REQUEST",
            SSESpecification={"Enabled": True},
            DeletionProtectionEnabled=True,
            Tags=[{"Key": tag, "Value": value} for tag, value in sorted(tags.items())],
        )
    except ClientError as error:
        # Somebody ran bootstrap at the same moment; what they made is checked like any found table.
        if error_code(error) == "ResourceInUseException":
            return False
        raise
    return True


def _await_active(cloud: Cloud, label: str, name: str, sleep: Sleep) -> TableDescriptionTypeDef:
    for _ in range(_POLLS):
        table = describe_table(cloud, name)
        if table is not None and table.get("TableStatus") == "ACTIVE":
            return table
        sleep(_POLL_S)
    raise PassingFailure(
        f"The {label} is not ACTIVE after {_POLLS * _POLL_S:.0f} s.",
        hint="Look at the table in DynamoDB, then run `provisioner bootstrap` again.",
    )


def _check_key(label: str, table: TableDescriptionTypeDef, key: TableKey) -> None:
    if has_key(table, key):
        return
    wanted = " and ".join(f"{attribute} ({kind})" for attribute, kind in key.schema())
    raise BackendError(
        f"The {label} is another kind of table: its key is not {wanted}.",
        hint="Name another table in the settings; this one was left as it is.",
    )


def _ensure_pay_per_request(cloud: Cloud, name: str, table: TableDescriptionTypeDef) -> bool:
    if table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
        return False
    cloud.dynamodb.update_table(TableName=name, BillingMode="PAY_PER_REQUEST")
    return True


def _ensure_deletion_protection(cloud: Cloud, name: str, table: TableDescriptionTypeDef) -> bool:
    if table.get("DeletionProtectionEnabled"):
        return False
    cloud.dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)
    return True


def _ensure_encryption(cloud: Cloud, label: str, name: str, sleep: Sleep) -> bool:
    # DynamoDB takes one kind of change at a time and refuses the next while it is UPDATING.
    table = _await_active(cloud, label, name, sleep)
    if table.get("SSEDescription", {}).get("Status") in {"ENABLED", "ENABLING", "UPDATING"}:
        return False
    cloud.dynamodb.update_table(TableName=name, SSESpecification={"Enabled": True})
    return True


def _ensure_recovery(cloud: Cloud, label: str, name: str, sleep: Sleep) -> bool:
    _await_active(cloud, label, name, sleep)
    found = cloud.dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = found.get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        return False
    for _ in range(_POLLS):
        try:
            cloud.dynamodb.update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
            return True
        except ClientError as error:
            # A table made a moment ago has no backups to switch on yet.
            if error_code(error) != "ContinuousBackupsUnavailableException":
                raise
            sleep(_POLL_S)
    raise PassingFailure(
        f"DynamoDB would not switch on point-in-time recovery of the {label}.",
        hint="Run `provisioner bootstrap` again in a few minutes.",
    )
