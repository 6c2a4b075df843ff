"""Which process works here, and whether one that worked is known to be dead.

A process is named by the kernel's boot id, the PID namespace, its number and its start time: the number
alone is used again, host names repeat, and containers of one image share their machine id. Only on the
same boot and in the same namespace can a death be seen; elsewhere nothing is known.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.model.operation import Owner

RUN_VARIABLE = "PROVISIONER_RUN"
# How long after its end a Lambda request surely does nothing more. The clock of whoever looks may be wrong by
# five minutes: by more, and AWS would not take the signature (SigV4).
_LAMBDA_GRACE = timedelta(minutes=6)
_PROC = Path("/proc")
_START_TIME = 22  # proc(5): fields of /proc/PID/stat, counted from 1
_COMMAND_END = 2


def this_process() -> Owner:
    """The process that asks, as an owner of work."""
    host = socket.gethostname()
    return Owner(
        "process",
        f"{_user()}@{host} (process {os.getpid()})",
        {**_here(), "pid": str(os.getpid()), "started": _started(os.getpid()) or "", "uid": str(os.getuid())},
    )


def lambda_request(*, function: str, request_id: str, ends_at: datetime) -> Owner:
    """A request to a Lambda function; ends_at: when AWS ends it, whatever it does (aware)."""
    return Owner(
        "lambda",
        f"{function} (request {request_id})",
        {"request_id": request_id, "ends_at": ends_at.astimezone(UTC).isoformat()},
    )


def proof_of_death(owner: Owner, *, run: str | None = None, now: datetime | None = None) -> str | None:
    """Why the owner surely does nothing any more, in words; None where that is not known.

    run   what its Terraform carries in its environment (RUN_VARIABLE): while such a process lives, the
          owner's work goes on
    """
    identity = owner.identity
    if owner.kind == "lambda":
        ends_at = datetime.fromisoformat(identity["ends_at"])
        over = (now or datetime.now(UTC)) > ends_at + _LAMBDA_GRACE
        return f"AWS ended the request {identity['request_id']} at {ends_at.isoformat()}" if over else None
    if owner.kind != "process" or not _seen_from_here(identity):
        return None
    pid = int(identity["pid"])
    started = _started(pid)
    if started is not None and started == identity["started"]:
        return None
    if run is not None and processes_of(run):
        return None
    return f"process {pid} no longer exists on this machine" + (
        ", and no process of its run is left" if run else ""
    )


def processes_of(run: str) -> tuple[int, ...]:
    """Living processes that carry this run in their environment."""
    mark = f"{RUN_VARIABLE}={run}".encode()
    return tuple(pid for pid in _pids() if mark in _environment(pid))


def _seen_from_here(identity: object) -> bool:
    known = dict(identity)  # type: ignore[call-overload]
    here = _here()
    same_place = all(here[name] and known.get(name) == here[name] for name in here)
    # Another user's environment can't be read, so its Terraform could not be seen.
    return same_place and (os.getuid() == 0 or known.get("uid") == str(os.getuid()))


def _here() -> dict[str, str]:
    return {"boot": _text(_PROC / "sys/kernel/random/boot_id"), "pids": _link(_PROC / "self/ns/pid")}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def _started(pid: int) -> str | None:
    """Start time in clock ticks since boot; None when there is no such process, or it is a zombie."""
    stat = _text(_PROC / str(pid) / "stat")
    if not stat:
        return None
    # The command's name stands in parentheses and may hold anything.
    fields = stat[stat.rindex(")") + 1 :].split()
    return None if fields[0] in ("Z", "X") else fields[_START_TIME - _COMMAND_END - 1]


def _pids() -> Iterator[int]:
    for entry in os.scandir(_PROC) if _PROC.is_dir() else ():
        if entry.name.isdigit():
            yield int(entry.name)


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is somebody else's
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
