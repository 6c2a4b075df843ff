"""How operations stand in the registry's table: keys, items, and what an item says.

    pk                    sk              says
    OPERATION#lab-1/p-1   op-01h…         one operation (ids sort by time)
    EVENT#op-01h…         00000001        what happened in it, in order
    LEASE                 lab-1/p-1       the unfinished operation, and who works on it until when
    IDEMPOTENCY           <digest>        which operation a caller's key stands for

What is written when, and refused when, is in operation_store.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from engine.aws.tables import unreadable
from engine.model.operation import Event, Failure, Kind, Operation, Owner, Progress, State, Wish

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item = Mapping[str, AttributeValueTypeDef]
    Attributes = dict[str, AttributeValueTypeDef]

# DynamoDB removes an item some time after the second that this attribute names.
EXPIRY = "ttl"
_EVENTS_KEPT = timedelta(days=90)
_KEYS_KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """What the lease item of a project says: its unfinished operation and who works on it, if anybody.

    wanted_at   when the service was asked last for what somebody else had begun; UTC, aware
    """

    token: int
    operation_id: str | None
    owner: Owner | None
    expires_at: datetime | None
    wanted_at: datetime | None = None

    def held(self, now: datetime) -> bool:
        return self.owner is not None and self.expires_at is not None and self.expires_at > now


def operation_key(project: str, operation_id: str) -> Attributes:
    return {"pk": {"S": f"OPERATION#{project}"}, "sk": {"S": operation_id}}


def lease_key(project: str) -> Attributes:
    return {"pk": {"S": "LEASE"}, "sk": {"S": project}}


def idempotency_key(key: str) -> Attributes:
    return {"pk": {"S": "IDEMPOTENCY"}, "sk": {"S": hashlib.sha256(key.encode()).hexdigest()}}


def encode_idempotency(key: str, digest: str, operation: Operation, *, now: datetime) -> Attributes:
    """now: when the caller asked, from which on the key is kept."""
    return {
        **idempotency_key(key),
        "project": {"S": operation.project},
        "operation_id": {"S": operation.id},
        "digest": {"S": digest},
        EXPIRY: {"N": str(seconds(now + _KEYS_KEPT))},
    }


def encode_operation(operation: Operation) -> Attributes:
    failure = operation.failure
    item: Attributes = {
        **operation_key(operation.project, operation.id),
        "vlab_id": {"S": operation.vlab_id},
        "project_id": {"S": operation.project_id},
        "kind": {"S": str(operation.wish.kind)},
        "spec_json": {"S": operation.wish.spec_json},
        "purge_data": {"BOOL": operation.wish.purge_data},
        "purge_now": {"BOOL": operation.wish.purge_now},
        "state": {"S": str(operation.state)},
        "phase": {"S": operation.phase},
        "step": {"S": operation.step},
        "done": {"N": str(operation.progress.done)},
        "total": {"N": str(operation.progress.total)},
        "current": {"S": operation.progress.current},
        "slices": {"N": str(operation.slices)},
        "retries": {"N": str(operation.retries)},
        "notes": {"S": json.dumps(dict(operation.notes), sort_keys=True)},
        "requested_by": {"S": operation.requested_by},
        "created_at": {"S": text_of(operation.created_at)},
        "updated_at": {"S": text_of(operation.updated_at)},
    }
    if operation.wish.skip_export is not None:
        item["skip_export"] = {"S": operation.wish.skip_export}
    if operation.finished_at is not None:
        item["finished_at"] = {"S": text_of(operation.finished_at)}
    if failure is not None:
        item["failure"] = {"S": json.dumps(failure.to_dict(), sort_keys=True)}
    return item


def decode_operation(item: Item) -> Operation:
    try:
        return Operation(
            id=item["sk"]["S"],
            vlab_id=item["vlab_id"]["S"],
            project_id=item["project_id"]["S"],
            wish=Wish(
                Kind(item["kind"]["S"]),
                item["spec_json"]["S"],
                item["purge_data"]["BOOL"],
                item["skip_export"]["S"] if "skip_export" in item else None,
                # Operations of before there was a grace period don't say: they get one.
                item["purge_now"]["BOOL"] if "purge_now" in item else False,
            ),
            state=State(item["state"]["S"]),
            phase=item["phase"]["S"],
            step=item["step"]["S"],
            progress=Progress(int(item["done"]["N"]), int(item["total"]["N"]), item["current"]["S"]),
            slices=int(item["slices"]["N"]),
            retries=int(item["retries"]["N"]),
            notes=json.loads(item["notes"]["S"]),
            requested_by=item["requested_by"]["S"],
            created_at=datetime.fromisoformat(item["created_at"]["S"]),
            updated_at=datetime.fromisoformat(item["updated_at"]["S"]),
            finished_at=datetime.fromisoformat(item["finished_at"]["S"]) if "finished_at" in item else None,
            failure=Failure.from_dict(json.loads(item["failure"]["S"])) if "failure" in item else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        project = item.get("pk", {}).get("S", "").partition("#")[2]
        what = f"The operation {item.get('sk', {}).get('S')} of {project}"
        raise unreadable(what, error, project=project) from error


def encode_event(operation_id: str, event: Event) -> Attributes:
    return {
        "pk": {"S": f"EVENT#{operation_id}"},
        "sk": {"S": f"{event.number:08d}"},
        "at": {"S": text_of(event.at)},
        "kind": {"S": event.kind},
        "text": {"S": event.text},
        "data": {"S": json.dumps(dict(event.data), sort_keys=True)},
        EXPIRY: {"N": str(seconds(event.at + _EVENTS_KEPT))},
    }


def decode_event(item: Item) -> Event:
    return Event(
        number=int(item["sk"]["S"]),
        at=datetime.fromisoformat(item["at"]["S"]),
        kind=item["kind"]["S"],
        text=item["text"]["S"],
        data=json.loads(item["data"]["S"]),
    )


def decode_standing(item: Item) -> Standing:
    expires_at = item.get("expires_at", {}).get("S")
    wanted_at = item.get("wanted_at", {}).get("S")
    return Standing(
        token=int(item.get("token", {}).get("N", "0")),
        operation_id=item.get("operation_id", {}).get("S"),
        owner=Owner.from_json(item["owner"]["S"]) if "owner" in item else None,
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
        wanted_at=datetime.fromisoformat(wanted_at) if wanted_at else None,
    )


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
