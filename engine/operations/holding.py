"""A folder that Terraform works in, for one run of this machine at a time.

A run writes the workspace, plans into a file in it, and may wait for a person before that is applied. The
state's lock is held by each command of Terraform alone, so another run would write the same files in between.
Other machines have folders of their own.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import BusyError
from engine.model.names import Names
from engine.operations.engine import Engine
from engine.operations.installation import require_folder

_POLL_S = 0.2
_SIGNATURE_BYTES = 2000
_mine = threading.local()


class WorkspaceBusy(BusyError):
    """Another run on this machine is at work in the project's workspace."""

    code = "WORKSPACE_BUSY"


@contextmanager
def holding_workspace(engine: Engine, names: Names) -> Iterator[None]:
    """Have the project's workspace folder while the block runs; raises as `holding`."""
    path = engine.home / "locks" / f"{names.directory}.lock"
    with holding(engine, path, f"in the workspace of {names.project}"):
        yield


@contextmanager
def holding(engine: Engine, path: Path, what: str) -> Iterator[None]:
    """Have what a lock file stands for while the block runs; within such a block of one's own at once.

    what   as a message says it: "Another run on this machine is at work in the workspace of …"
    The kernel gives it back when the process ends, however it ends. The file says who has it, for those who
    are refused: a run that waits for a person is no operation yet, so nothing else tells of it.
    Raises   WorkspaceBusy when another run has it for longer than the setting lock_wait_s;
             InvalidSettings where the engine can keep no files
    """
    held: set[Path] = vars(_mine).setdefault("held", set())
    if path in held:
        yield
        return
    require_folder(engine.home, "home")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(engine, handle, what)
        _sign(engine, handle)
        held.add(path)
        yield
    finally:
        held.discard(path)
        os.close(handle)


def _take(engine: Engine, handle: int, what: str) -> None:
    deadline = time.monotonic() + engine.settings.lock_wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = _signature(handle)
                raise WorkspaceBusy(
                    f"Another run on this machine is at work {what}" + (f": {holder}." if holder else "."),
                    hint="It may be waiting for its confirmation: answer it there, or wait until it is done; "
                    "then ask again.",
                    details={"holder": holder},
                ) from None
            engine.pause(_POLL_S)
        else:
            return


def _sign(engine: Engine, handle: int) -> None:
    """Write into the lock file who has it now, and since when."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    text = f"{engine.owner.name}, `{command}`, since {engine.now():%Y-%m-%d %H:%M:%S} UTC"
    # A disk that is full stops whoever has something to write there, with an error that says so.
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(errors="replace"), 0)


def _signature(handle: int) -> str:
    """Who has it, as written down; "" in the moment before that is done."""
    with suppress(OSError):
        return os.pread(handle, _SIGNATURE_BYTES, 0).decode(errors="replace")
    return ""
