"""Operations and the leases under which they are worked on, by conditional writes.

A lease item is never deleted: its token only grows, so what an earlier owner still writes is refused.

    worker A   claim (token 7) ── frozen ───────────────────── write under 7  LeaseLost
    worker B                       lease expires, claim (token 8) ── write under 8  done
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from engine.aws.failures import error_code
from engine.aws.operation_items import (
    EXPIRY,
    Standing,
    decode_event,
    decode_operation,
    decode_standing,
    encode_event,
    encode_idempotency,
    encode_operation,
    idempotency_key,
    lease_key,
    operation_key,
    seconds,
    text_of,
)
from engine.aws.session import Cloud
from engine.aws.tables import table_errors, transact
from engine.errors import (
    IdempotencyConflict,
    ItemUnreadable,
    LeaseLost,
    OperationInProgress,
    Superseded,
    UnknownOperation,
)
from engine.model.operation import Event, Failure, Kind, Operation, Owner, State, failed

if TYPE_CHECKING:
    from engine.aws.operation_items import Attributes, Item


@dataclass(frozen=True)
class Idempotency:
    """A caller's promise that requests with this key are one request.

    key      unique per caller: the caller's identity and the key it sent, joined
    digest   of the request; another digest under the same key is refused
    """

    key: str
    digest: str


@dataclass(frozen=True)
class Submitted:
    """created: False when the wish was under way already, or the key had been used for it."""

    operation: Operation
    created: bool


@dataclass(frozen=True)
class Lease:
    """The right to work on an operation, while nobody has claimed it under a higher token."""

    project: str
    operation_id: str
    token: int
    owner: Owner


@dataclass(frozen=True)
class Page:
    """next: pass it as `after` for the following page; None on the last one.

    unreadable   what stands among them and is not of this version
    """

    operations: tuple[Operation, ...]
    next: str | None
    unreadable: tuple[ItemUnreadable, ...] = ()


class OperationStore:
    """Every method may raise NotBootstrapped (no such table), AccessDenied, Unreachable, BackendError."""

    def __init__(self, cloud: Cloud, table: str) -> None:
        self._cloud = cloud
        self._table = table

    # -- asking for something -------------------------------------------------------------------------

    def submit(
        self,
        operation: Operation,
        *,
        idempotency: Idempotency | None = None,
        supersede: Callable[[Owner], bool] | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> Submitted:
        """Record a new operation, unless the same wish is under way already: then that one is given back.

        supersede   give up an unfinished operation with another wish, when nobody holds its lease or this
                    says of the owner that it is dead; None: only a CLEAN that nobody holds
        now         UTC, aware; None: it is still the moment of the wish
        Raises      OperationInProgress when another wish is under way; its details hold that operation.
                    IdempotencyConflict when the key stands for another request
        """
        if idempotency is not None and (known := self._known(operation, idempotency)) is not None:
            return known
        for _ in range(3):
            if self._put_new(operation, idempotency):
                return Submitted(operation, created=True)
            if idempotency is not None and (known := self._known(operation, idempotency)) is not None:
                return known
            standing = self.standing(operation.project)
            under_way = standing.operation_id and self.get(operation.project, standing.operation_id)
            if not under_way:
                continue  # it finished between our write and our look
            if under_way.id == operation.id:
                return Submitted(operation, created=True)
            if under_way.wish == operation.wish:
                return self._joined(under_way, operation, idempotency)
            dead = supersede
            if dead is None and under_way.wish.kind is Kind.CLEAN:
                dead = _unknown  # nobody can go on with it: a person confirms anew what is to be cleaned
            at = now() if now else operation.created_at
            if dead is None or not self._superseded(standing, under_way, operation, dead, at):
                raise _in_progress(under_way)
        raise OperationInProgress(
            f"Operations of {operation.project} come and go faster than this one could be recorded.",
            hint="Ask again.",
        )

    def _put_new(self, operation: Operation, idempotency: Idempotency | None) -> bool:
        items: list[Any] = [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": {**encode_operation(operation), "token": {"N": "0"}},
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
            {
                "Update": {
                    "TableName": self._table,
                    "Key": lease_key(operation.project),
                    # An older engine that ended the operation before this one has left wanted_at there.
                    "UpdateExpression": "SET operation_id = :id REMOVE wanted_at ADD #token :zero",
                    "ConditionExpression": "attribute_not_exists(operation_id)",
                    "ExpressionAttributeNames": {"#token": "token"},
                    "ExpressionAttributeValues": {":id": {"S": operation.id}, ":zero": {"N": "0"}},
                }
            },
        ]
        if idempotency is not None:
            items.append(self._remember(idempotency, operation, now=operation.created_at))
        with table_errors(f"recording an operation of {operation.project}", table=self._table):
            return not transact(self._cloud, items)

    def _joined(self, under_way: Operation, wished: Operation, idempotency: Idempotency | None) -> Submitted:
        """The operation that was under way already, which the caller's key stands for from now on."""
        if idempotency is None:
            return Submitted(under_way, created=False)
        item = self._remember(idempotency, under_way, now=wished.created_at)
        with table_errors(f"recording a key for {wished.project}", table=self._table):
            taken = transact(self._cloud, [item])
        known = self._known(wished, idempotency) if taken else None
        return known or Submitted(under_way, created=False)

    def _remember(self, idempotency: Idempotency, operation: Operation, *, now: datetime) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table,
                "Item": encode_idempotency(idempotency.key, idempotency.digest, operation, now=now),
                # DynamoDB may take days to remove what has expired.
                "ConditionExpression": "attribute_not_exists(pk) OR #ttl < :now",
                "ExpressionAttributeNames": {"#ttl": EXPIRY},
                "ExpressionAttributeValues": {":now": {"N": str(seconds(now))}},
            }
        }

    def _known(self, operation: Operation, idempotency: Idempotency) -> Submitted | None:
        item = self._item(idempotency_key(idempotency.key), f"looking up a key for {operation.project}")
        if not item or int(item[EXPIRY]["N"]) < seconds(operation.created_at):
            return None
        if item["digest"]["S"] != idempotency.digest or item["project"]["S"] != operation.project:
            raise IdempotencyConflict(
                f"The idempotency key was used for another request before this one for {operation.project}.",
                hint="Use a new key for a new request.",
                details={"operation_id": item["operation_id"]["S"]},
            )
        found = self.get(operation.project, item["operation_id"]["S"])
        return Submitted(found, created=False) if found else None

    def _superseded(
        self,
        standing: Standing,
        old: Operation,
        new: Operation,
        dead: Callable[[Owner], bool],
        now: datetime,
    ) -> bool:
        text = f"Given up for {new.wish.kind} ({new.id}) while nobody worked on it."
        return self.give_up(standing, old, Failure(Superseded.code, text), now=now, dead=dead)

    def give_up(
        self,
        standing: Standing,
        operation: Operation,
        failure: Failure,
        *,
        now: datetime,
        dead: Callable[[Owner], bool],
    ) -> bool:
        """End an operation that nobody works on; False where somebody does, or has taken it up since.

        standing   as it was read before
        dead       says of the owner that it is known to be dead; then its lease need not have expired
        """
        if standing.held(now) and standing.owner is not None and not dead(standing.owner):
            return False
        try:
            # Under a new token, so that an owner who was only thought dead writes no more.
            self._end(
                _lease_of(operation, standing),
                failed(operation, failure, now),
                finished=True,
                token=standing.token + 1,
            )
        except LeaseLost:
            return False
        return True

    def want(self, operation: Operation, *, now: datetime) -> None:
        """Say beside the lease that the service wants what somebody else has begun; it is forgotten when the
        operation ends. Not in the operation itself, which only its owner writes."""
        with table_errors(f"joining {operation.id} of {operation.project}", table=self._table):
            try:
                self._cloud.dynamodb.update_item(
                    TableName=self._table,
                    Key=lease_key(operation.project),
                    UpdateExpression="SET wanted_at = :now",
                    ConditionExpression="operation_id = :id",
                    ExpressionAttributeValues={":now": {"S": text_of(now)}, ":id": {"S": operation.id}},
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                # It has ended since.

    # -- looking ---------------------------------------------------------------------------------------

    def get(self, project: str, operation_id: str) -> Operation | None:
        """The operation as it is at this moment; None when there is none."""
        item = self._item(operation_key(project, operation_id), f"reading {operation_id} of {project}")
        return decode_operation(item) if item else None

    def require(self, project: str, operation_id: str) -> Operation:
        """Raises   UnknownOperation"""
        operation = self.get(project, operation_id)
        if operation is None:
            raise UnknownOperation(
                f"{project} has no operation {operation_id}.",
                hint=f"`provisioner operations {project}` lists them.",
            )
        return operation

    def latest(self, project: str) -> Operation | None:
        """The newest operation; None where there is none, or a newer version of the engine has written it."""
        page = self.list(project, limit=1)
        return page.operations[0] if page.operations else None

    def active(self, project: str) -> Operation | None:
        """The project's unfinished operation."""
        standing = self.standing(project)
        return self.get(project, standing.operation_id) if standing.operation_id else None

    def standing(self, project: str) -> Standing:
        return decode_standing(self._item(lease_key(project), f"reading the lease of {project}"))

    def list(self, project: str, *, limit: int = 20, after: str | None = None) -> Page:
        """Operations of a project, newest first.

        limit   1 to 100
        after   `next` of the page before
        """
        call: dict[str, Any] = {}
        if after:
            call["ExclusiveStartKey"] = operation_key(project, after)
        with table_errors(f"listing the operations of {project}", table=self._table):
            answer = self._cloud.dynamodb.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"OPERATION#{project}"}},
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=limit,
                **call,
            )
        last = answer.get("LastEvaluatedKey")
        found: list[Operation] = []
        unreadable: list[ItemUnreadable] = []
        for item in answer["Items"]:
            try:
                found.append(decode_operation(item))
            except ItemUnreadable as error:
                unreadable.append(error)
        return Page(tuple(found), last["sk"]["S"] if last else None, tuple(unreadable))

    def events(self, operation_id: str, *, after: int = 0, limit: int = 100) -> tuple[Event, ...]:
        """What happened in an operation, from the number behind `after` on."""
        with table_errors(f"reading the events of {operation_id}", table=self._table):
            answer = self._cloud.dynamodb.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk > :after",
                ExpressionAttributeValues={
                    ":pk": {"S": f"EVENT#{operation_id}"},
                    ":after": {"S": f"{after:08d}"},
                },
                ConsistentRead=True,
                Limit=limit,
            )
        return tuple(map(decode_event, answer["Items"]))

    def unfinished(self) -> tuple[tuple[str, Standing], ...]:
        """Every project with an unfinished operation, and its lease, by project."""
        with table_errors("listing the leases", table=self._table):
            pages = self._cloud.dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                FilterExpression="attribute_exists(operation_id)",
                ExpressionAttributeValues={":pk": {"S": "LEASE"}},
                ConsistentRead=True,
            )
            return tuple((item["sk"]["S"], decode_standing(item)) for page in pages for item in page["Items"])

    # -- working ---------------------------------------------------------------------------------------

    def claim(
        self,
        project: str,
        operation_id: str,
        owner: Owner,
        *,
        now: datetime,
        ttl: timedelta,
        dead: Callable[[Owner], bool] = lambda _: False,
    ) -> tuple[Lease, Operation]:
        """Take the operation up: its state becomes RUNNING, its slices grow by one.

        ttl      how long the lease lives without being renewed
        dead     says of the present owner that it is known to be dead; then its lease need not expire
        Raises   OperationInProgress while another holds the lease; LeaseLost when the operation is finished
                 or is not the project's unfinished one; UnknownOperation
        """
        # The lease first: who hands over after this look has moved it, and the claim's condition fails.
        standing = self.standing(project)
        operation = self.require(project, operation_id)
        if operation.state.finished or standing.operation_id != operation_id:
            raise LeaseLost(
                f"{operation_id} of {project} is {operation.state}: there is nothing left to do in it.",
                details={"operation": operation.to_dict()},
            )
        if standing.held(now) and standing.owner is not None and not dead(standing.owner):
            raise _in_progress(operation, standing.owner)
        lease = Lease(project, operation_id, standing.token + 1, owner)
        taken = replace(operation, state=State.RUNNING, slices=operation.slices + 1, updated_at=now)
        values = {
            ":old": {"N": str(standing.token)},
            ":id": {"S": operation_id},
            ":token": {"N": str(lease.token)},
            ":owner": {"S": owner.to_json()},
            ":expires": {"S": text_of(now + ttl)},
        }
        items = [
            {
                "Update": {
                    "TableName": self._table,
                    "Key": lease_key(project),
                    "UpdateExpression": "SET #token = :token, #owner = :owner, expires_at = :expires",
                    # A lease that was renewed meanwhile still has its old expiry in what we read.
                    "ConditionExpression": "#token = :old AND operation_id = :id AND "
                    + ("expires_at = :seen" if standing.expires_at else "attribute_not_exists(expires_at)"),
                    "ExpressionAttributeNames": {"#token": "token", "#owner": "owner"},
                    "ExpressionAttributeValues": values
                    | ({":seen": {"S": text_of(standing.expires_at)}} if standing.expires_at else {}),
                }
            },
            self._put(taken, lease.token, condition="#token < :token"),
        ]
        with table_errors(f"claiming {operation_id} of {project}", table=self._table):
            if transact(self._cloud, items):
                raise _in_progress(operation)
        return lease, taken

    def renew(self, lease: Lease, *, now: datetime, ttl: timedelta) -> None:
        """Say that the owner lives.

        Raises   LeaseLost when another has claimed it
        """
        with table_errors(f"renewing the lease of {lease.project}", table=self._table):
            try:
                self._cloud.dynamodb.update_item(
                    TableName=self._table,
                    Key=lease_key(lease.project),
                    UpdateExpression="SET expires_at = :expires",
                    ConditionExpression=(
                        "#token = :token AND operation_id = :id AND attribute_exists(expires_at)"
                    ),
                    ExpressionAttributeNames={"#token": "token"},
                    ExpressionAttributeValues={
                        ":expires": {"S": text_of(now + ttl)},
                        ":token": {"N": str(lease.token)},
                        ":id": {"S": lease.operation_id},
                    },
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                raise _lost(lease) from error

    def write(self, lease: Lease, operation: Operation, events: Sequence[Event] = ()) -> None:
        """Keep how far the operation is, and what happened.

        Raises   LeaseLost when another has claimed it: nothing was written
        """
        items = [
            self._put(operation, lease.token, condition="#token = :token"),
            *(self._event(operation.id, event) for event in events),
        ]
        with table_errors(f"writing {operation.id} of {operation.project}", table=self._table):
            if transact(self._cloud, items):
                raise _lost(lease)

    def finish(self, lease: Lease, operation: Operation, events: Sequence[Event] = ()) -> None:
        """Write the end of an operation and make room for the next one.

        Raises   LeaseLost when another has claimed it: nothing was written
        """
        self._end(lease, operation, finished=True, events=events)

    def hand_over(self, lease: Lease, operation: Operation, events: Sequence[Event] = ()) -> None:
        """Give the lease back with the operation unfinished, for the next run.

        Raises   LeaseLost when another has claimed it: nothing was written
        """
        self._end(lease, operation, finished=False, events=events)

    def _end(
        self,
        lease: Lease,
        operation: Operation,
        *,
        finished: bool,
        events: Sequence[Event] = (),
        token: int | None = None,
    ) -> None:
        """token   what the lease and the operation carry from now on; None: the lease's own"""
        gone = "#owner, expires_at" + (", operation_id, wanted_at" if finished else "")
        token = lease.token if token is None else token
        items = [
            {
                "Update": {
                    "TableName": self._table,
                    "Key": lease_key(lease.project),
                    "UpdateExpression": f"SET #token = :new REMOVE {gone}",
                    "ConditionExpression": "#token = :token AND operation_id = :id",
                    "ExpressionAttributeNames": {"#token": "token", "#owner": "owner"},
                    "ExpressionAttributeValues": {
                        ":token": {"N": str(lease.token)},
                        ":new": {"N": str(token)},
                        ":id": {"S": lease.operation_id},
                    },
                }
            },
            self._put(operation, token, condition="#token <= :token"),
            *(self._event(operation.id, event) for event in events),
        ]
        with table_errors(f"ending {operation.id} of {operation.project}", table=self._table):
            if transact(self._cloud, items):
                raise _lost(lease)

    def _put(self, operation: Operation, token: int, *, condition: str) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table,
                "Item": {**encode_operation(operation), "token": {"N": str(token)}},
                "ConditionExpression": condition,
                "ExpressionAttributeNames": {"#token": "token"},
                "ExpressionAttributeValues": {":token": {"N": str(token)}},
            }
        }

    def _event(self, operation_id: str, event: Event) -> dict[str, Any]:
        return {"Put": {"TableName": self._table, "Item": encode_event(operation_id, event)}}

    def _item(self, key: Attributes, doing: str) -> Item:
        with table_errors(doing, table=self._table):
            answer = self._cloud.dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return answer.get("Item", {})


def _unknown(_owner: Owner) -> bool:
    """Of no owner it is known that it is dead: only a lease that nobody holds gives way."""
    return False


def _lease_of(operation: Operation, standing: Standing) -> Lease:
    nobody = Owner("nobody", "nobody", {})
    return Lease(operation.project, operation.id, standing.token, standing.owner or nobody)


def _in_progress(operation: Operation, owner: Owner | None = None) -> OperationInProgress:
    by = f" by {owner.name}" if owner else ""
    return OperationInProgress(
        f"{operation.project} is busy: {operation.id} ({operation.wish.kind}) is {operation.state}{by} "
        f"since {text_of(operation.updated_at)}.",
        hint=f"Wait until it is done (`provisioner operations {operation.project}`), then ask again.",
        details={"operation": operation.to_dict(), "owner": owner.name if owner else None},
    )


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(
        f"{lease.operation_id} of {lease.project} was taken over by another worker; what this one "
        f"(token {lease.token}) did last is not recorded.",
        hint=f"`provisioner operations {lease.project}` shows who works on it now.",
        details={"operation_id": lease.operation_id, "token": lease.token},
    )
