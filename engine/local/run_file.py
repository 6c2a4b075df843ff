"""What a running local cloud leaves on disk: the run file and the lock, under <home>/local/.

The lock is held by the daemon for its whole life, so whether it is held tells a live daemon from a
leftover file even when a process id was given to somebody else.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunRecord:
    """pid, port        of the daemon
    endpoint         e.g. http://127.0.0.1:40123
    started_at       ISO 8601, UTC
    version          of the engine
    instance_id      new at every start; what the endpoint must answer
    region, account_id
    """

    pid: int
    port: int
    endpoint: str
    started_at: str
    version: str
    instance_id: str
    region: str
    account_id: str


@dataclass(frozen=True)
class RunFiles:
    """The paths of one home."""

    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "local"

    @property
    def record(self) -> Path:
        return self.folder / "cloud.json"

    @property
    def lock(self) -> Path:
        return self.folder / "cloud.lock"

    @property
    def log(self) -> Path:
        return self.folder / "cloud.log"

    def read(self) -> RunRecord | None:
        """The run file; None when there is none or it cannot be understood."""
        try:
            return RunRecord(**json.loads(self.record.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, record: RunRecord) -> None:
        """All at once: a reader never sees half a file."""
        draft = self.record.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps(asdict(record), indent=2) + "\n", "utf-8")
        draft.replace(self.record)

    def remove(self) -> None:
        self.record.unlink(missing_ok=True)

    def held(self) -> bool:
        """Whether a daemon of this home lives."""
        with contextlib.suppress(FileNotFoundError), self.lock.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextlib.contextmanager
    def hold(self) -> Iterator[bool]:
        """Hold the lock; yields False, holding nothing, when another daemon has it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
