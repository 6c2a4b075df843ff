"""Saved plans: their parts in the state bucket, encrypted, and a record of each in the registry's table.

    s3   plans/lab-1/p-1/<hex>/manifest.json, project.tfplan, …      never changed
    pk   PLAN    sk <hex>     what it is, who approved it, when it was applied

A plan file holds what the state holds. Parts lie under the project's own prefix, where a lifecycle rule takes
them away; the record stays longer, so that a plan that was applied or has expired is told as that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.operation_items import EXPIRY
from engine.aws.session import Cloud
from engine.aws.tables import table_errors
from engine.errors import BackendError, PlanApplied, PlanTampered, UnknownPlan
from engine.model.saved_plan import Approval, Manifest, PlanRecord, beginning_of, hex_of, sha256

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

PREFIX = "plans"
_PARTITION = "PLAN"
_MANIFEST = "manifest.json"
_RECORDS_KEPT = timedelta(days=365)
_NO_OBJECT = {"NoSuchKey", "NoSuchBucket", "404"}


class PlanStore:
    """The saved plans of one installation.

    Every method may raise AccessDenied, Unreachable, BackendError; those on records NotBootstrapped.
    """

    def __init__(self, cloud: Cloud, *, bucket: str, table: str) -> None:
        self._cloud = cloud
        self._bucket = bucket
        self._table = table

    # -- parts -----------------------------------------------------------------------------------------

    def save(self, manifest: Manifest, parts: Mapping[str, bytes], *, headline: str, risk: str) -> PlanRecord:
        """Keep a plan. The record comes last: what was cut short is no plan.

        Raises   BackendError when the bucket does not encrypt (nothing secret was written)
        """
        folder = _folder(manifest.project, manifest.digest)
        # The manifest goes first: it holds no secret, and shows whether the bucket encrypts.
        for name, content in {_MANIFEST: manifest.to_bytes(), **parts}.items():
            self._put(f"{folder}/{name}", content)
        record = PlanRecord(
            digest=manifest.digest,
            vlab_id=manifest.vlab_id,
            project_id=manifest.project_id,
            created_at=manifest.created_at,
            created_by=manifest.created_by,
            expires_at=manifest.expires_at,
            has_changes=manifest.has_changes,
            headline=headline,
            risk=risk,
        )
        with table_errors(f"recording a plan of {manifest.project}", table=self._table):
            self._cloud.dynamodb.put_item(TableName=self._table, Item=_encode(record))
        return record

    def manifest(self, record: PlanRecord) -> Manifest:
        """What the digest stands for.

        Raises   PlanTampered when it is not what was saved
        """
        content = self._get(record, _MANIFEST)
        if f"sha256:{sha256(content)}" != record.digest:
            raise _tampered(record, "its manifest is not what was saved")
        try:
            manifest = Manifest.from_bytes(content)
        except (ValueError, KeyError, TypeError) as error:
            raise _tampered(record, "its manifest cannot be read by this engine") from error
        if manifest.project != record.project:
            raise _tampered(record, f"its record names {record.project}, and it is of {manifest.project}")
        return manifest

    def part(self, record: PlanRecord, manifest: Manifest, name: str) -> bytes:
        """One part, as it was saved. It may hold secrets: show it to nobody.

        Raises   PlanTampered when it is not what was saved
        """
        content = self._get(record, name)
        if sha256(content) != manifest.parts.get(name):
            raise _tampered(record, f"{name} is not what was saved")
        return content

    def remove_of(self, project: str) -> int:
        """Delete every plan of a project, old versions of its objects too; gives how many objects went."""
        folder = f"{PREFIX}/{project}/"
        s3: Any = self._cloud.s3
        removed = 0
        with aws_errors(f"deleting the saved plans of {project}"):
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=folder):
                for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    s3.delete_object(Bucket=self._bucket, Key=one["Key"], VersionId=one["VersionId"])
                    removed += 1
        for record in list(self.list(project)):
            with table_errors(f"deleting the record of a plan of {project}", table=self._table):
                self._cloud.dynamodb.delete_item(TableName=self._table, Key=_key(record.digest))
        return removed

    def _put(self, key: str, content: bytes) -> None:
        with aws_errors("saving a plan", secret=True):
            # Encrypted as the bucket says, which is with the installation's own key (modules/state-backend).
            answer = self._cloud.s3.put_object(Bucket=self._bucket, Key=key, Body=content)
        if not answer.get("ServerSideEncryption"):
            raise BackendError(
                f"The bucket {self._bucket} does not encrypt. A plan holds secrets, so it was not kept.",
                hint="Run `provisioner bootstrap`, which mends the bucket's settings.",
            )

    def _get(self, record: PlanRecord, name: str) -> bytes:
        with aws_errors(f"reading a saved plan of {record.project}", secret=True):
            try:
                s3: Any = self._cloud.s3
                key = f"{_folder(record.project, record.digest)}/{name}"
                content: bytes = s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error_code(error) not in _NO_OBJECT:
                    raise
                raise _tampered(record, f"{name} is not there any more") from None
        return content

    # -- records ---------------------------------------------------------------------------------------

    def require(self, digest: str) -> PlanRecord:
        """What is known of a plan.

        digest   with or without "sha256:"; whole, or so much of its beginning as `plans` shows, or more. The
                 record has it whole: that is what is checked, approved and recorded from here on
        Raises   UnknownPlan; also where several plans begin like that: none of them is meant then
        """
        named = beginning_of(digest)
        found = list(self._beginning_with(named)) if named else []
        if not found:
            raise UnknownPlan(
                f"No plan is saved as {digest[:100]}.",
                hint="`provisioner plans` lists the saved plans; `provisioner plan SPEC --save` makes one.",
            )
        if len(found) > 1:
            digests = sorted(one.digest for one in found)
            raise UnknownPlan(
                f"{len(found)} saved plans begin with {digest[:100]}: {', '.join(digests)}.",
                hint="Give the whole digest of the one that is meant.",
                details={"digests": digests},
            )
        return found[0]

    def _beginning_with(self, digits: str) -> Iterator[PlanRecord]:
        with table_errors("looking for a saved plan", table=self._table):
            if hex_of(digits):
                answer = self._cloud.dynamodb.get_item(
                    TableName=self._table, Key=_key(digits), ConsistentRead=True
                )
                if item := answer.get("Item"):
                    yield _decode(item)
                return
            pages = self._cloud.dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :digits)",
                ExpressionAttributeValues={":pk": {"S": _PARTITION}, ":digits": {"S": digits}},
                ConsistentRead=True,
            )
            for page in pages:
                yield from map(_decode, page["Items"])

    def list(self, project: str | None = None) -> Iterator[PlanRecord]:
        """Every plan, or those of one project, in no order."""
        condition: dict[str, Any] = {}
        values: dict[str, Any] = {":pk": {"S": _PARTITION}}
        if project is not None:
            condition = {"FilterExpression": "#project = :project"}
            condition["ExpressionAttributeNames"] = {"#project": "project"}
            values[":project"] = {"S": project}
        with table_errors("listing the saved plans", table=self._table):
            pages = self._cloud.dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=values,
                ConsistentRead=True,
                **condition,
            )
            for page in pages:
                yield from map(_decode, page["Items"])

    def approve(self, record: PlanRecord, approval: Approval) -> PlanRecord:
        """Add an approval.

        Raises   PlanApplied when it was applied meanwhile
        """
        one = {"S": json.dumps(approval.to_dict(), sort_keys=True)}
        return self._update(
            record,
            "SET approvals = list_append(if_not_exists(approvals, :none), :one)",
            {":none": {"L": []}, ":one": {"L": [one]}, ":itself": one},
            unless=" AND NOT contains(approvals, :itself)",
            ours=lambda found: approval in found.approvals,
        )

    def mark_applied(self, record: PlanRecord, *, by: str, operation_id: str, now: datetime) -> PlanRecord:
        """Say that an apply of it begins. A plan is applied once.

        Raises   PlanApplied
        """
        return self._update(
            record,
            "SET applied_at = :at, applied_by = :by, operation_id = :operation",
            {":at": {"S": now.isoformat()}, ":by": {"S": by}, ":operation": {"S": operation_id}},
            ours=lambda found: (
                (found.applied_at, found.applied_by, found.operation_id) == (now, by, operation_id)
            ),
        )

    def _update(
        self,
        record: PlanRecord,
        expression: str,
        values: dict[str, Any],
        *,
        unless: str = "",
        ours: Callable[[PlanRecord], bool],
    ) -> PlanRecord:
        """unless   more of the condition
        ours     whether a record holds what this writes: boto3 repeats a write whose answer got lost, and the
                 second try meets the first one's
        """
        with table_errors(f"recording what becomes of a plan of {record.project}", table=self._table):
            try:
                answer = self._cloud.dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(record.digest),
                    UpdateExpression=expression,
                    ConditionExpression=f"attribute_exists(pk) AND attribute_not_exists(applied_at){unless}",
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                found = self.require(record.digest)
                if ours(found):
                    return found
                raise already_applied(found) from error
        return _decode(answer["Attributes"])


def already_applied(record: PlanRecord) -> PlanApplied:
    return PlanApplied(
        f"That plan of {record.project} was applied before"
        + (f", at {record.applied_at:%Y-%m-%d %H:%M UTC} by {record.applied_by}" if record.applied_at else "")
        + ". Nothing was changed.",
        hint=f"`provisioner operations {record.project}` shows how that ended; plan again for what is left.",
        details={"digest": record.digest, "operation_id": record.operation_id},
    )


def _tampered(record: PlanRecord, why: str) -> PlanTampered:
    return PlanTampered(
        f"The saved plan of {record.project} is not what was reviewed: {why}. Nothing was changed.",
        hint="Somebody wrote to the state bucket, or a rule of it took a part away. Plan again, and find out "
        "who (CloudTrail's data events of the bucket).",
        details={"digest": record.digest},
    )


def _folder(project: str, digest: str) -> str:
    return f"{PREFIX}/{project}/{hex_of(digest)}"


def _key(digest: str) -> dict[str, AttributeValueTypeDef]:
    return {"pk": {"S": _PARTITION}, "sk": {"S": hex_of(digest) or ""}}


def _encode(record: PlanRecord) -> dict[str, AttributeValueTypeDef]:
    return {
        **_key(record.digest),
        "project": {"S": record.project},
        "vlab_id": {"S": record.vlab_id},
        "project_id": {"S": record.project_id},
        "created_at": {"S": record.created_at.isoformat()},
        "created_by": {"S": record.created_by},
        "expires_at": {"S": record.expires_at.isoformat()},
        "has_changes": {"BOOL": record.has_changes},
        "headline": {"S": record.headline},
        "risk": {"S": record.risk},
        EXPIRY: {"N": str(int((record.expires_at + _RECORDS_KEPT).timestamp()))},
    }


def _decode(item: Mapping[str, Any]) -> PlanRecord:
    try:
        applied = item.get("applied_at", {}).get("S")
        return PlanRecord(
            digest=f"sha256:{item['sk']['S']}",
            vlab_id=item["vlab_id"]["S"],
            project_id=item["project_id"]["S"],
            created_at=datetime.fromisoformat(item["created_at"]["S"]),
            created_by=item["created_by"]["S"],
            expires_at=datetime.fromisoformat(item["expires_at"]["S"]),
            has_changes=item["has_changes"]["BOOL"],
            headline=item["headline"]["S"],
            risk=item["risk"]["S"],
            approvals=tuple(
                Approval.from_dict(json.loads(one["S"])) for one in item.get("approvals", {}).get("L", [])
            ),
            applied_at=datetime.fromisoformat(applied) if applied else None,
            applied_by=item.get("applied_by", {}).get("S", ""),
            operation_id=item.get("operation_id", {}).get("S", ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BackendError(
            f"The record of a saved plan cannot be read ({type(error).__name__}: {error}).",
            hint="It was written by hand or by a newer version of the engine; look at the item in DynamoDB.",
        ) from error
