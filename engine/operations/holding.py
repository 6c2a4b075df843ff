"""A folder that Terraform works in, for one run of this machine at a time.

A run writes the workspace, plans into a file in it, and may wait for a person before that is applied. The
state's lock is held by each command of Terraform alone, so another run would write the same files in between.
Other machines have folders of their own.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import BusyError
from engine.model.names import Names
from engine.operations.engine import Engine
from engine.operations.installation import require_folder

_POLL_S = 0.2
_mine = threading.local()


class WorkspaceBusy(BusyError):
    """Another run on this machine is at work in the project's workspace."""

    code = "WORKSPACE_BUSY"


@contextmanager
def holding_workspace(engine: Engine, names: Names) -> Iterator[None]:
    """Have the project's workspace folder while the block runs; raises as `holding`."""
    path = engine.home / "locks" / f"{names.directory}.lock"
    progress = f"`provisioner operations {names.project}` shows what is under way."
    with holding(engine, path, f"in the workspace of {names.project}", hint=progress):
        yield


@contextmanager
def holding(engine: Engine, path: Path, what: str, *, hint: str = "") -> Iterator[None]:
    """Have what a lock file stands for while the block runs; within such a block of one's own at once.

    what   as a message says it: "Another run on this machine is at work in the workspace of …"
    hint   what to do but to wait
    The kernel gives it back when the process ends, however it ends.
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
        _take(engine, handle, what, hint)
        held.add(path)
        yield
    finally:
        held.discard(path)
        os.close(handle)


def _take(engine: Engine, handle: int, what: str, hint: str) -> None:
    deadline = time.monotonic() + engine.settings.lock_wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                wait = "Wait until it is done, then ask again"
                raise WorkspaceBusy(
                    f"Another run on this machine is at work {what}.",
                    hint=f"{wait}; {hint}" if hint else f"{wait}.",
                ) from None
            engine.pause(_POLL_S)
        else:
            return
