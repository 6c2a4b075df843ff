"""The registry: one DynamoDB item per project, saying what was asked of it and how far that is."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from engine.aws.failures import error_code
from engine.aws.session import Cloud
from engine.aws.tables import table_errors, unreadable
from engine.errors import ItemUnreadable, OperationInProgress

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

PassedOver = Callable[[ItemUnreadable], None]

_PARTITION = "PROJECT"
# Written as a placeholder everywhere, so that DynamoDB's list of reserved words need not be known.
_VERSION_NAME = {"#version": "version"}


class Phase(StrEnum):
    """Where a project stands. The ones ending in -ing say that a command is, or was, at work on it."""

    PLANNED = "PLANNED"
    APPLYING = "APPLYING"
    READY = "READY"
    PARKING = "PARKING"
    PARKED = "PARKED"
    DESTROYING = "DESTROYING"
    FAILED = "FAILED"


@dataclass(frozen=True)
class ProjectRecord:
    """What the registry knows of one project.

    spec_json     canonical text of the spec last asked for; spec_digest its SHA-256 in hex
    version       counts the writes, from 1; a write is refused when it has moved on
    created_at, updated_at   UTC, aware
    cluster       name of the cluster
    message       one line for people: what is going on, or what went wrong
    purge_at      UTC, aware: from then on the project's data may be deleted; None: it is kept
    called_off    the operation that was to purge it when somebody kept the data; "" for none
    """

    vlab_id: str
    project_id: str
    spec_json: str
    spec_digest: str
    phase: Phase
    version: int
    created_at: datetime
    updated_at: datetime
    cluster: str
    message: str = ""
    purge_at: datetime | None = None
    called_off: str = ""

    def __post_init__(self) -> None:
        if self.version < 1:
            raise ValueError("a record's version counts from 1")
        for moment in (self.created_at, self.updated_at, self.purge_at):
            if moment is not None and moment.tzinfo is None:
                raise ValueError("a record's times carry a time zone")

    @property
    def project(self) -> str:
        return f"{self.vlab_id}/{self.project_id}"


class Registry:
    """Reads and conditionally writes project records.

    Every method may raise NotBootstrapped (no such table), AccessDenied, Unreachable, BackendError.

        worker A   get v3 ──────────────── replace v3 -> v4  done
        worker B        get v3 ─────────────────────────────── replace v3 -> v4  OperationInProgress
    """

    def __init__(self, cloud: Cloud, table: str) -> None:
        self._cloud = cloud
        self._table = table

    def get(self, vlab_id: str, project_id: str) -> ProjectRecord | None:
        """The record as it is at this moment (strongly consistent); None when there is none."""
        project = f"{vlab_id}/{project_id}"
        with self._answers(f"reading the record of {project}"):
            found = self._cloud.dynamodb.get_item(
                TableName=self._table, Key=_key(project), ConsistentRead=True
            )
        return _decode(found["Item"]) if "Item" in found else None

    def list(self, *, vlab_id: str = "", passed_over: PassedOver | None = None) -> Iterator[ProjectRecord]:
        """Every record, ordered by project; pages are fetched while they are needed.

        vlab_id       of this virtual lab alone; then nothing of the others is read
        passed_over   told of each record that this version can't read; None: the first one is raised
        """
        with self._answers("listing the projects"):
            pages = self._cloud.dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk" + (" AND begins_with(sk, :lab)" if vlab_id else ""),
                ExpressionAttributeValues={
                    ":pk": {"S": _PARTITION},
                    **({":lab": {"S": f"{vlab_id}/"}} if vlab_id else {}),
                },
                ConsistentRead=True,
            )
            for page in pages:
                yield from _readable(page["Items"], passed_over)

    def page(
        self, *, limit: int, after: str | None = None, passed_over: PassedOver | None = None
    ) -> tuple[tuple[ProjectRecord, ...], str | None]:
        """Some records, ordered by project, and what to pass as `after` for the next ones; None at the end.

        after         a project, which need not be there any more
        passed_over   as for `list`
        """
        call: dict[str, Any] = {"ExclusiveStartKey": _key(after)} if after else {}
        with self._answers("listing the projects"):
            answer = self._cloud.dynamodb.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": _PARTITION}},
                ConsistentRead=True,
                Limit=limit,
                **call,
            )
        last = answer.get("LastEvaluatedKey")
        return tuple(_readable(answer["Items"], passed_over)), last["sk"]["S"] if last else None

    def put_new(
        self,
        *,
        vlab_id: str,
        project_id: str,
        spec_json: str,
        spec_digest: str,
        phase: Phase,
        cluster: str,
        now: datetime,
        message: str = "",
    ) -> ProjectRecord:
        """Write the first record of a project.

        Raises  OperationInProgress when one is there already; its details hold phase and version
        """
        record = ProjectRecord(
            vlab_id, project_id, spec_json, spec_digest, phase, 1, now, now, cluster, message
        )
        self._put(record, condition="attribute_not_exists(pk)", values={})
        return record

    def replace(
        self,
        record: ProjectRecord,
        *,
        now: datetime,
        phase: Phase | None = None,
        message: str | None = None,
        spec_json: str | None = None,
        spec_digest: str | None = None,
        purge_at: datetime | EllipsisType | None = ...,
        called_off: str | None = None,
    ) -> ProjectRecord:
        """Write a record again, provided that nobody has written it since `record` was read.

        record   as read or as last written; what is given beside it is changed
        Returns  what was written, with its version one higher
        Raises   OperationInProgress when the version has moved or the record is gone
        """
        written = replace(
            record,
            phase=record.phase if phase is None else phase,
            message=record.message if message is None else message,
            spec_json=record.spec_json if spec_json is None else spec_json,
            spec_digest=record.spec_digest if spec_digest is None else spec_digest,
            purge_at=record.purge_at if isinstance(purge_at, EllipsisType) else purge_at,
            called_off=record.called_off if called_off is None else called_off,
            version=record.version + 1,
            updated_at=now,
        )
        self._put(written, condition="#version = :version", values={":version": {"N": str(record.version)}})
        return written

    def remove(self, record: ProjectRecord) -> bool:
        """Delete a record, provided that nobody has written it since; False when it was gone already.

        Raises  OperationInProgress when the version has moved
        """
        with self._answers(f"removing the record of {record.project}"):
            try:
                answer = self._cloud.dynamodb.delete_item(
                    TableName=self._table,
                    Key=_key(record.project),
                    ConditionExpression="attribute_not_exists(pk) OR #version = :version",
                    ExpressionAttributeNames=_VERSION_NAME,
                    ExpressionAttributeValues={":version": {"N": str(record.version)}},
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                raise _moved(record.project, _old_item(error)) from error
        return bool(answer.get("Attributes"))

    def _put(
        self, record: ProjectRecord, *, condition: str, values: Mapping[str, AttributeValueTypeDef]
    ) -> None:
        # boto3 repeats a write whose answer got lost; the second try then finds the first one's item.
        # The mark tells that case from somebody else's write.
        mark = uuid.uuid4().hex
        call: dict[str, Any] = {}
        if values:
            call = {"ExpressionAttributeValues": values, "ExpressionAttributeNames": _VERSION_NAME}
        with self._answers(f"writing the record of {record.project}"):
            try:
                self._cloud.dynamodb.put_item(
                    TableName=self._table,
                    Item={**_encode(record), "write_mark": {"S": mark}},
                    ConditionExpression=condition,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **call,
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                old = _old_item(error)
                if old.get("write_mark", {}).get("S") == mark:
                    return
                raise _moved(record.project, old) from error

    def _answers(self, doing: str) -> AbstractContextManager[None]:
        return table_errors(doing, table=self._table)


def _key(project: str) -> dict[str, AttributeValueTypeDef]:
    return {"pk": {"S": _PARTITION}, "sk": {"S": project}}


def _encode(record: ProjectRecord) -> dict[str, AttributeValueTypeDef]:
    return {
        **_key(record.project),
        "vlab_id": {"S": record.vlab_id},
        "project_id": {"S": record.project_id},
        "spec_json": {"S": record.spec_json},
        "spec_digest": {"S": record.spec_digest},
        "phase": {"S": str(record.phase)},
        "version": {"N": str(record.version)},
        "created_at": {"S": _to_text(record.created_at)},
        "updated_at": {"S": _to_text(record.updated_at)},
        "cluster": {"S": record.cluster},
        "message": {"S": record.message},
        **({"purge_at": {"S": _to_text(record.purge_at)}} if record.purge_at else {}),
        **({"called_off": {"S": record.called_off}} if record.called_off else {}),
    }


def _readable(
    items: Iterable[Mapping[str, AttributeValueTypeDef]], passed_over: PassedOver | None
) -> Iterator[ProjectRecord]:
    for item in items:
        try:
            yield _decode(item)
        except ItemUnreadable as error:
            if passed_over is None:
                raise
            passed_over(error)


def _decode(item: Mapping[str, AttributeValueTypeDef]) -> ProjectRecord:
    try:
        return ProjectRecord(
            vlab_id=item["vlab_id"]["S"],
            project_id=item["project_id"]["S"],
            spec_json=item["spec_json"]["S"],
            spec_digest=item["spec_digest"]["S"],
            phase=Phase(item["phase"]["S"]),
            version=int(item["version"]["N"]),
            created_at=datetime.fromisoformat(item["created_at"]["S"]),
            updated_at=datetime.fromisoformat(item["updated_at"]["S"]),
            cluster=item["cluster"]["S"],
            message=item["message"]["S"],
            purge_at=datetime.fromisoformat(item["purge_at"]["S"]) if "purge_at" in item else None,
            called_off=item["called_off"]["S"] if "called_off" in item else "",
        )
    except (KeyError, ValueError) as error:
        project = item.get("sk", {}).get("S", "an unnamed project")
        raise unreadable(f"The registry's record of {project}", error, project=project) from error


def _to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _old_item(error: ClientError) -> Mapping[str, AttributeValueTypeDef]:
    """The item a refused write met; empty when there was none."""
    # ClientError's type knows the common fields only; DynamoDB adds the item to this one.
    response: Mapping[str, Any] = {**error.response}
    return response.get("Item") or {}


def _moved(project: str, old: Mapping[str, AttributeValueTypeDef]) -> OperationInProgress:
    if not old:
        return OperationInProgress(
            f"{project} is no longer in the registry: somebody removed it meanwhile.",
            hint="Look with `provisioner list`, then start again.",
        )
    found = _decode(old)
    return OperationInProgress(
        f"Another command is at work on {project}: its record is {found.phase} "
        f"since {_to_text(found.updated_at)} (version {found.version}).",
        hint="Wait until it is done (`provisioner status`), then run this again.",
        details={
            "project": project,
            "phase": str(found.phase),
            "version": found.version,
            "updated_at": _to_text(found.updated_at),
            "message": found.message,
        },
    )
