"""The lock on a project's Terraform state, held by the engine itself under its own name.

It is the lock of Terraform's S3 backend, item and text: a person's Terraform respects it and shows who
holds it, and we respect theirs. Terraform itself runs with -lock=false inside it. Its own lock would say
no more than "root@host"; ours says which process or Lambda request holds it, so that a later run can
know, not guess, that the holder is dead. (ADR 0021)
Source   Terraform's S3 backend: lock item "<bucket>/<key>", attribute Info, JSON of LockInfo
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from engine.aws.failures import error_code
from engine.aws.session import Cloud
from engine.aws.tables import table_errors
from engine.errors import EngineError, StateLocked
from engine.model.operation import Owner

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_POLL_S = 2.0
_OPERATION = {"plan": "OperationTypePlan", "apply": "OperationTypeApply"}
# Ids of locks that this process may have left behind: it lives, so nobody else can know that they are over.
_left_behind: set[str] = set()


@dataclass(frozen=True)
class Held:
    """Somebody's lock. owner: None for a lock that is not the engine's own."""

    id: str
    info: str
    who: str
    created: str
    operation: str
    owner: Owner | None


class StateLock:
    """The lock of one state. Not for several threads.

    project     as messages name it
    purpose     what the holder is at, for people: "operation op-01h…" or "provisioner plan"
    patience_s  how long to wait for a lock that is not known to be a dead owner's
    pause       waits so many seconds; may raise to give up
    dead        (owner, run) -> the proof that nothing of the owner works any more, or None
    working     (run) -> whether a process of that run lives
    note        told what the user should know
    """

    def __init__(
        self,
        cloud: Cloud,
        *,
        table: str,
        bucket: str,
        key: str,
        project: str,
        owner: Owner,
        purpose: str,
        version: str,
        patience_s: float,
        pause: Callable[[float], None],
        dead: Callable[[Owner, str], str | None],
        working: Callable[[str], object],
        note: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._cloud = cloud
        self._table = table
        self._lock_id = f"{bucket}/{key}"
        self._project = project
        self._owner = owner
        self._purpose = purpose
        self._version = version
        self._patience_s = patience_s
        self._pause = pause
        self._dead = dead
        self._working = working
        self._note = note
        self._now = now
        self._run: str | None = None

    @contextmanager
    def held(self, command: str) -> Iterator[str]:
        """Hold the lock while a command runs; gives the id of the run, which is the lock's id.

        Within one that is held, nothing more is done. When it cannot be let go, that is noted, and what the
        block came to stands; the next one of this process takes it over.
        Raises   StateLocked when somebody else holds it and does not let go in time
        """
        if self._run is not None:
            yield self._run
            return
        run = str(uuid.uuid4())
        try:
            self._acquire(run, command)
        except StateLocked:
            raise
        except BaseException:
            _left_behind.add(run)  # it may have been written, and the answer lost
            raise
        self._run = run
        try:
            yield run
        finally:
            self._run = None
            self._let_go(run)

    def _acquire(self, run: str, command: str) -> None:
        waited_s = 0.0
        told = False
        while (held := self._try(run, command)) is not None:
            if self._take_over(held):
                continue
            if waited_s >= self._patience_s:
                raise self._locked(held)
            if not told:
                told = True
                self._note(f"Waiting up to {self._patience_s:.0f} s for {held.who}, who holds the state lock")
            self._pause(_POLL_S)
            waited_s += _POLL_S

    def _try(self, run: str, command: str) -> Held | None:
        """Write the lock; gives the holder when there is one."""
        info = {
            "ID": run,
            "Operation": _OPERATION.get(command, command),
            "Info": self._purpose,
            "Who": self._owner.name,
            "Version": self._version,
            "Created": self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "Path": self._lock_id,
        }
        with table_errors(f"locking the state of {self._project}", table=self._table):
            try:
                self._cloud.dynamodb.put_item(
                    TableName=self._table,
                    Item={
                        "LockID": {"S": self._lock_id},
                        "Info": {"S": json.dumps(info)},
                        "Owner": {"S": self._owner.to_json()},
                    },
                    ConditionExpression="attribute_not_exists(LockID)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                response: Mapping[str, Any] = {**error.response}
                held = _held(response.get("Item") or self._item())
                if held is None:  # gone since: nothing of ours was written
                    return self._try(run, command)
                # boto3 repeats a write whose answer got lost; then the lock it meets is our own.
                return None if held.id == run else held
        return None

    def _take_over(self, held: Held) -> bool:
        """Remove the lock of a dead owner; False when it is not known to be dead."""
        proof = self._proof_of_end(held)
        if proof is None:
            return False
        self._note(f"Released the state lock of {held.who}, since {held.created}: {proof}")
        self._delete(held.info)
        _left_behind.discard(held.id)
        return True

    def _proof_of_end(self, held: Held) -> str | None:
        if held.id in _left_behind and not self._working(held.id):
            return "this process left it behind when it could not be released"
        return self._dead(held.owner, held.id) if held.owner else None

    def _let_go(self, run: str) -> None:
        try:
            self._release(run)
        except BaseException as error:
            _left_behind.add(run)
            if not isinstance(error, EngineError):
                raise
            # What was done under the lock is done, or has failed with an error of its own.
            self._note(
                f"The state lock of {self._project} could not be released, and stays: {error} The next run "
                "on this machine takes it over; from elsewhere, once that is over: "
                f"`provisioner unlock {self._project} --id {run}`"
            )

    def _release(self, run: str) -> None:
        held = _held(self._item())
        if held is not None and held.id == run:
            self._delete(held.info)

    def _delete(self, info: str) -> None:
        with table_errors(f"unlocking the state of {self._project}", table=self._table):
            try:
                self._cloud.dynamodb.delete_item(
                    TableName=self._table,
                    Key={"LockID": {"S": self._lock_id}},
                    ConditionExpression="Info = :info",
                    ExpressionAttributeValues={":info": {"S": info}},
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise  # gone already, or somebody else's by now: not ours to remove

    def _item(self) -> Mapping[str, AttributeValueTypeDef]:
        with table_errors(f"looking at the state lock of {self._project}", table=self._table):
            answer = self._cloud.dynamodb.get_item(
                TableName=self._table, Key={"LockID": {"S": self._lock_id}}, ConsistentRead=True
            )
        return answer.get("Item", {})

    def _locked(self, held: Held) -> StateLocked:
        return StateLocked(
            f"Somebody else is at work on {self._project}: {held.who} holds its state lock "
            f"since {held.created} ({held.operation}).",
            hint="Wait until that has finished, then run the command again. If it should be over, ask "
            f"{held.who} whether it still runs; only when it surely does not, run "
            f"`provisioner unlock {self._project} --id {held.id}`, "
            f"or `terraform force-unlock {held.id}` in the workspace.",
            details={
                "holder": {
                    "id": held.id,
                    "who": held.who,
                    "created": held.created,
                    "operation": held.operation,
                    "path": self._lock_id,
                }
            },
        )

    def holder(self) -> Held | None:
        """Who holds the lock now."""
        return _held(self._item())

    def remove(self, lock_id: str) -> Held | None:
        """Take the lock away, if it still has this id; gives what it was. A person has decided that."""
        held = self.holder()
        if held is None or held.id != lock_id:
            return None
        self._delete(held.info)
        return held


def _held(item: Mapping[str, AttributeValueTypeDef]) -> Held | None:
    if not item:
        return None
    text = item.get("Info", {}).get("S", "")
    try:
        info = json.loads(text)
    except ValueError:
        info = {}
    owner = item.get("Owner", {}).get("S")
    return Held(
        id=str(info.get("ID", "")),
        info=text,
        who=str(info.get("Who", "somebody")),
        created=str(info.get("Created", "an unknown time")),
        operation=str(info.get("Operation", "unknown")),
        owner=Owner.from_json(owner) if owner else None,
    )
