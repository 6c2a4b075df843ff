"""The two DynamoDB tables behind the engine: Terraform's state lock, and the registry of projects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import NotBootstrapped

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


def has_key(table: TableDescriptionTypeDef, key: TableKey) -> bool:
    """True when the table's key consists of exactly these string attributes."""
    schema = [(item["AttributeName"], str(item["KeyType"])) for item in table.get("KeySchema", [])]
    kinds = {item["AttributeName"]: item["AttributeType"] for item in table.get("AttributeDefinitions", [])}
    return schema == key.schema() and all(kinds.get(attribute) == "S" for attribute, _ in schema)
