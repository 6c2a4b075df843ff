"""Terraform's state objects in their bucket, all versions of them, and the digest that is kept beside one.

Source   Terraform's S3 backend: the digest is the MD5 of the object, in the lock table under
         "<bucket>/<key>-md5"; a state that does not fit it is refused
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.aws.tables import table_errors
from engine.errors import BackendError, StateLocked

_FORMAT = 4
"""Of the states that Terraform 0.12 and later writes."""


class StateCorrupt(BackendError):
    """What lies in the place of the project's Terraform state is no such state."""

    code = "STATE_CORRUPT"


@dataclass(frozen=True)
class StateVersion:
    """One version of a state object, newest first in lists.

    is_latest   what Terraform reads
    is_deleted  a delete marker: from here on there was no state
    written_at  UTC, aware
    """

    version_id: str
    is_latest: bool
    is_deleted: bool
    written_at: datetime
    size_bytes: int


class StateStore:
    """The states of one installation.

    Every method may raise AccessDenied, Unreachable, BackendError; those on the digest NotBootstrapped.
    """

    def __init__(self, cloud: Cloud, *, bucket: str, lock_table: str) -> None:
        self._cloud = cloud
        self._bucket = bucket
        self._table = lock_table

    def read(self, key: str, version_id: str | None = None) -> bytes | None:
        """A state as it is stored, the latest or that version; None when there is none."""
        version = {"VersionId": version_id} if version_id else {}
        with aws_errors(f"reading the state {key}"):
            try:
                s3: Any = self._cloud.s3
                content: bytes = s3.get_object(Bucket=self._bucket, Key=key, **version)["Body"].read()
            except ClientError as error:
                if error_code(error) in {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "MethodNotAllowed"}:
                    return None
                raise
        return content

    def versions(self, key: str) -> list[StateVersion]:
        """Every version there is, newest first."""
        found: list[tuple[Any, bool]] = []
        with aws_errors(f"listing the versions of the state {key}"):
            pages = self._cloud.s3.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=key
            )
            for page in pages:
                found += [(one, False) for one in page.get("Versions", []) if one["Key"] == key]
                found += [(one, True) for one in page.get("DeleteMarkers", []) if one["Key"] == key]
        versions = [
            StateVersion(
                version_id=str(one["VersionId"]),
                is_latest=bool(one["IsLatest"]),
                is_deleted=deleted,
                written_at=one["LastModified"].astimezone(UTC),
                size_bytes=int(one.get("Size", 0)),
            )
            for one, deleted in found
        ]
        # S3 gives them newest first, and times to the second: sorting by these alone would mix them up.
        return sorted(versions, key=lambda one: (one.is_latest, one.written_at), reverse=True)

    def write(self, key: str, content: bytes) -> None:
        """Make this the latest version, digest included. The caller holds the state's lock."""
        with aws_errors(f"writing the state {key}"):
            self._cloud.s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                ContentType="application/json",
                # As Terraform writes it, and not as the bucket does by default (ADR 0011).
                ServerSideEncryption="AES256",
            )
        with table_errors(f"writing the digest of the state {key}", table=self._table):
            self._cloud.dynamodb.put_item(
                TableName=self._table,
                Item={"LockID": {"S": self._digest_id(key)}, "Digest": {"S": digest_of(content)}},
            )

    def digest(self, key: str) -> str | None:
        """The digest kept beside the state, in hex; None when there is none."""
        with table_errors(f"reading the digest of the state {key}", table=self._table):
            found = self._cloud.dynamodb.get_item(
                TableName=self._table, Key={"LockID": {"S": self._digest_id(key)}}, ConsistentRead=True
            )
        return found.get("Item", {}).get("Digest", {}).get("S")

    def settle_digest(self, key: str) -> bool:
        """Make the digest that of the state as it is stored; True when it was another's.

        Only for who knows that Terraform wrote the state last: what somebody put there is to be told.
        Terraform puts the object first and then the digest; when that call fails it says so in its debug
        log alone, and ends well. From then on it refuses the state.
        Source   Terraform 1.11, S3 backend, `putMD5`
        """
        # The digest is read first: whoever writes the state after that writes another one.
        kept = self.digest(key)
        content = self.read(key)
        if kept is None or content is None:
            return False
        right = digest_of(content)
        return kept != right and self._mend_digest(key, wrong=kept, right=right)

    def drop_lost_digest(self, key: str) -> bool:
        """Take away the digest of a state that is not there any more; True when there was one.

        Only for who makes a new state of what exists: Terraform compares the digest with nothing, too, and
        refuses to begin.
        Source   Terraform 1.11, S3 backend, `RemoteClient.Get`
        """
        kept = self.digest(key)
        if kept is None or self.read(key) is not None:
            return False
        with table_errors(f"deleting the digest of the state {key}", table=self._table):
            try:
                self._cloud.dynamodb.delete_item(
                    TableName=self._table,
                    Key={"LockID": {"S": self._digest_id(key)}},
                    ConditionExpression="Digest = :kept",
                    ExpressionAttributeValues={":kept": {"S": kept}},
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return False
        return True

    def delete(self, key: str) -> None:
        """Take a state away, and its digest with it; repeating it is safe.

        The bucket is versioned: earlier versions stay.

        Raises   StateLocked when somebody holds the state's lock; nothing was removed
        Source   Terraform's S3 backend: lock item "<bucket>/<key>"
        """
        lock_id = f"{self._bucket}/{key}"
        with table_errors(f"looking for a lock on the state {lock_id}", table=self._table):
            lock = self._cloud.dynamodb.get_item(
                TableName=self._table, Key={"LockID": {"S": lock_id}}, ConsistentRead=True
            )
        if "Item" in lock:
            raise StateLocked(
                f"The state {lock_id} is locked: {_holder(lock['Item'].get('Info', {}).get('S', ''))}.",
                hint="Wait until that command has ended, then run this again.",
                details={"state": lock_id},
            )
        # The digest goes first: Terraform takes a state without digest, but not a digest without state.
        self.forget_digest(key)
        with aws_errors(f"deleting the state {lock_id}"):
            self._cloud.s3.delete_object(Bucket=self._bucket, Key=key)

    def forget_digest(self, key: str) -> None:
        """Remove the digest that is kept beside a state: Terraform takes any state then, or none."""
        with table_errors(f"removing the digest of the state {self._bucket}/{key}", table=self._table):
            self._cloud.dynamodb.delete_item(
                TableName=self._table, Key={"LockID": {"S": self._digest_id(key)}}
            )

    def _mend_digest(self, key: str, *, wrong: str, right: str) -> bool:
        """Replace a digest; False when somebody else wrote it meanwhile."""
        with table_errors(f"mending the digest of the state {key}", table=self._table):
            try:
                self._cloud.dynamodb.put_item(
                    TableName=self._table,
                    Item={"LockID": {"S": self._digest_id(key)}, "Digest": {"S": right}},
                    ConditionExpression="Digest = :wrong",
                    ExpressionAttributeValues={":wrong": {"S": wrong}},
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return False
        return True

    def _digest_id(self, key: str) -> str:
        return f"{self._bucket}/{key}-md5"


def _holder(info: str) -> str:
    """Terraform's lock information in words: "OperationTypeApply by ada@host since 2026-..."."""
    try:
        found = json.loads(info)
        return f"{found['Operation']} by {found['Who']} since {found['Created']}"
    except (ValueError, KeyError, TypeError):
        return "by whom is not said"


def digest_of(content: bytes) -> str:
    """The digest as Terraform keeps it: MD5 in hex."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def parse_state(content: bytes, *, project: str) -> dict[str, Any]:
    """A stored state as a dictionary; it holds sensitive values.

    Raises   StateCorrupt when this is no state, or one in a format that is not known here
    """
    try:
        state = json.loads(content)
        sound = (
            state["version"] == _FORMAT
            and isinstance(state["serial"], int)
            and isinstance(state["lineage"], str)
            and isinstance(state.get("resources", []), list)
        )
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise StateCorrupt(
            f"The state of {project} cannot be read: what is stored in its place is no Terraform state. "
            "Nothing was changed.",
            hint=f"`provisioner state list {project}` shows its versions, and `state restore` puts an "
            "earlier one back. Where none is sound, docs/recovery.md says how to make one of what exists.",
            details={"project": project, "size_bytes": len(content)},
        )
    return dict(state)
