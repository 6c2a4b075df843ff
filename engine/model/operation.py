"""An operation: one wish for one project, from when it was accepted until it is fulfilled or has failed.

    QUEUED ──► RUNNING ──► SUCCEEDED
                 │  ▲  └──► FAILED
                 ▼  │
              CONTINUES          its time was up; the next run goes on with it

At most one operation of a project is unfinished. Whoever works on it holds the project's lease, whose token
grows with each owner; what is written under an older token is refused.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARS, _RANDOM_CHARS = 10, 12
OPERATION_ID = rf"op-[{_CROCKFORD}]{{{_TIME_CHARS + _RANDOM_CHARS}}}"


class Kind(StrEnum):
    """What is wished: a project as its spec says; its cluster given back; the project removed; what stands at
    AWS and in no state taken in, or deleted."""

    PROVISION = "provision"
    RELEASE = "release"
    DESTROY = "destroy"
    ADOPT = "adopt"
    CLEAN = "clean"


class State(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    CONTINUES = "CONTINUES"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def finished(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED)

    @property
    def put_down(self) -> bool:
        """Whether a run has come to its end: the operation is finished, or waits for the next run."""
        return self.finished or self is State.CONTINUES


@dataclass(frozen=True)
class Wish:
    """What an operation is to reach; two equal wishes are the same one.

    spec_json     canonical text of the spec, for PROVISION; "" otherwise
    purge_data    for DESTROY: bucket, home, state and record go as well, once their grace period is over
    purge_now     with purge_data: without the grace period
    skip_export   a reason for letting Lustre go without an export; None: it is exported
    """

    kind: Kind
    spec_json: str = ""
    purge_data: bool = False
    skip_export: str | None = None
    purge_now: bool = False

    def __post_init__(self) -> None:
        if (self.kind is Kind.PROVISION) != bool(self.spec_json):
            raise ValueError("a spec goes with the wish to provision, and with no other")
        if self.purge_data and self.kind is not Kind.DESTROY:
            raise ValueError("only destroying purges data")
        if self.purge_now and not self.purge_data:
            raise ValueError("only a purge can be had at once")

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": str(self.kind),
            "spec": json.loads(self.spec_json) if self.spec_json else None,
            "purge_data": self.purge_data,
            "purge_now": self.purge_now,
            "skip_export": self.skip_export,
        }


@dataclass(frozen=True)
class Progress:
    """How far Terraform is: resources done of those that change, and the one it is at."""

    done: int = 0
    total: int = 0
    current: str = ""

    @property
    def percent(self) -> int:
        """0 while nothing is known; 100 only when all is done."""
        return self.done * 100 // self.total if self.total else 0


@dataclass(frozen=True)
class Failure:
    """Why an operation failed: an error of the engine's tree as data."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Failure:
        """What `to_dict` gave, in this version or in a newer one that says more."""
        return cls(**_known(cls, document))

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class Owner:
    """Who works on an operation, as exactly as is needed to know later whether it still lives.

    kind       "process" or "lambda"
    name       for people: user@host, or the function's name
    identity   process: host, boot (of the kernel), pid, started (clock ticks since boot);
               lambda: request_id, ends_at (when AWS ends the request, whatever it does)
    """

    kind: str
    name: str
    identity: Mapping[str, str]

    def to_json(self) -> str:
        return json.dumps({"kind": self.kind, "name": self.name, "identity": dict(self.identity)})

    @classmethod
    def from_json(cls, text: str) -> Owner:
        """What `to_json` gave, in this version or in a newer one that says more."""
        return cls(**_known(cls, json.loads(text)))


@dataclass(frozen=True)
class Operation:
    """One wish for one project, and how far it is.

    id           "op-" and 22 characters that sort by time
    phase        what is being done, one upper-case word: QUEUED, PLANNING, APPLYING, WAITING, DONE, …
    step         the same as a sentence for people
    requested_by who asked: the caller's ARN, or user@host
    slices       how often a worker has taken it up
    retries      how often it was begun again after a passing failure
    notes        what the next run must know of this one, such as the id of an export task
    created_at, updated_at, finished_at   UTC, aware
    """

    id: str
    vlab_id: str
    project_id: str
    wish: Wish
    state: State
    requested_by: str
    created_at: datetime
    updated_at: datetime
    phase: str = "QUEUED"
    step: str = ""
    progress: Progress = Progress()
    slices: int = 0
    retries: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)
    finished_at: datetime | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        if (self.state is State.FAILED) != (self.failure is not None):
            raise ValueError("a failure goes with the state FAILED, and with no other")
        if self.state.finished != (self.finished_at is not None):
            raise ValueError("a finished operation has its time, an unfinished one has none")

    @property
    def project(self) -> str:
        return f"{self.vlab_id}/{self.project_id}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; keys are stable."""
        return {
            "id": self.id,
            "vlab_id": self.vlab_id,
            "project_id": self.project_id,
            "kind": str(self.wish.kind),
            "wish": self.wish.to_dict(),
            "state": str(self.state),
            "phase": self.phase,
            "step": self.step,
            "progress": {
                "percent": 100 if self.state is State.SUCCEEDED else self.progress.percent,
                "done": self.progress.done,
                "total": self.progress.total,
                "current": self.progress.current,
            },
            "slices": self.slices,
            "retries": self.retries,
            "requested_by": self.requested_by,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "error": self.failure.to_dict() if self.failure else None,
        }


@dataclass(frozen=True)
class Event:
    """Something that happened in an operation. number counts from 1 within it."""

    number: int
    at: datetime
    kind: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "text": self.text,
            "data": dict(self.data),
        }


def new_operation_id(now: datetime, *, random: int | None = None) -> str:
    """An id that sorts by its time (milliseconds) and is unique by 60 random bits."""
    milliseconds = int(now.timestamp() * 1000)
    chance = secrets.randbits(5 * _RANDOM_CHARS) if random is None else random
    return f"op-{_base32(milliseconds, _TIME_CHARS)}{_base32(chance, _RANDOM_CHARS)}"


def requested(*, vlab_id: str, project_id: str, wish: Wish, requested_by: str, now: datetime) -> Operation:
    """A new operation, waiting for a worker."""
    return Operation(
        id=new_operation_id(now),
        vlab_id=vlab_id,
        project_id=project_id,
        wish=wish,
        state=State.QUEUED,
        requested_by=requested_by,
        created_at=now,
        updated_at=now,
    )


def succeeded(operation: Operation, now: datetime) -> Operation:
    return replace(operation, state=State.SUCCEEDED, phase="DONE", step="", updated_at=now, finished_at=now)


def failed(operation: Operation, failure: Failure, now: datetime) -> Operation:
    return replace(operation, state=State.FAILED, failure=failure, updated_at=now, finished_at=now)


def _known(of: type[Failure | Owner], document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of this version's; what else a newer one has written is left out."""
    names = {one.name for one in fields(of)}
    return {name: value for name, value in document.items() if name in names}


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))
