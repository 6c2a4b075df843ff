"""The two DynamoDB tables behind the engine: Terraform's state lock, and the registry of projects."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from engine.aws.failures import PassingFailure, aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import ItemUnreadable, NotBootstrapped

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


@dataclass(frozen=True)
class TableKey:
    """Names of the key attributes, all of them strings."""

    hash: str
    range: str | None = None

    def schema(self) -> list[tuple[str, str]]:
        pairs = [(self.hash, "HASH")]
        return [*pairs, (self.range, "RANGE")] if self.range else pairs


_CONFLICT_TRIES = 8

# Terraform's S3 backend insists on this one ("dynamodb_table" in its documentation).
LOCK_KEY = TableKey("LockID")
REGISTRY_KEY = TableKey("pk", "sk")


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


def transact(cloud: Cloud, items: Sequence[Any]) -> list[str]:
    """Write all or nothing. Gives [] when written, else DynamoDB's reason per item, one of which is a
    failed condition; passing conflicts are tried again."""
    reasons: list[str] = []
    for attempt in range(_CONFLICT_TRIES):
        try:
            # The token makes boto3's own repeats of this call harmless: DynamoDB answers a repeat as
            # it did the first try.
            cloud.dynamodb.transact_write_items(TransactItems=items, ClientRequestToken=uuid.uuid4().hex)
            return []
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            response: Mapping[str, Any] = {**error.response}
            reasons = [str(reason.get("Code")) for reason in response.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" in reasons:
                return reasons
        # Two that met once must not meet again and again, so the pauses differ.
        time.sleep(random.uniform(0, min(1.0, 0.05 * 2**attempt)))  # noqa: S311
    raise PassingFailure(
        f"DynamoDB cancelled a transaction {_CONFLICT_TRIES} times ({', '.join(sorted(set(reasons)))}).",
        hint="Many projects are being written at once, or the table is throttled. Run this again.",
    )


def has_key(table: TableDescriptionTypeDef, key: TableKey) -> bool:
    """True when the table's key consists of exactly these string attributes."""
    schema = [(item["AttributeName"], str(item["KeyType"])) for item in table.get("KeySchema", [])]
    kinds = {item["AttributeName"]: item["AttributeType"] for item in table.get("AttributeDefinitions", [])}
    return schema == key.schema() and all(kinds.get(attribute) == "S" for attribute, _ in schema)


def unreadable(what: str, error: Exception, *, project: str) -> ItemUnreadable:
    """The error for an item that is not as this version writes it."""
    return ItemUnreadable(
        f"{what} cannot be read ({type(error).__name__}: {error}).",
        hint="It was written by hand or by a newer version of the engine; look at the item in DynamoDB.",
        details={"project": project},
    )
