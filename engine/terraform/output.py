"""Where Terraform's output goes: read while it is written, kept in a log file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO

_CHUNK = 1 << 16


class Tail:
    """The lines of a file that another process is still writing."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = file.fileno()
        self._offset = 0
        self._rest = b""

    def lines(self, *, ended: bool = False) -> list[str]:
        """The whole lines since the last call; with `ended` also a last one without its newline."""
        read = []
        # pread, since the writer shares our file position.
        while chunk := os.pread(self._descriptor, _CHUNK, self._offset):
            read.append(chunk)
            self._offset += len(chunk)
        *lines, self._rest = (self._rest + b"".join(read)).split(b"\n")
        if ended and self._rest:
            lines.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]


class CommandLog:
    """Appends one command's part to the log file; a context. The file is its owner's alone (0600)."""

    def __init__(self, path: Path, *, now: Callable[[], datetime]) -> None:
        self._path = path
        self._now = now
        self._file: IO[str] | None = None

    def __enter__(self) -> CommandLog:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.fchmod(descriptor, 0o600)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8", errors="replace", buffering=1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            with suppress(OSError):  # what it still held was told when it could not be written
                self._file.close()

    def header(self, argv: Sequence[str], *, workdir: Path) -> str:
        """The line that a command's part begins with."""
        return f"# {self._now().isoformat(timespec='seconds')} {' '.join(argv)} (in {workdir})"

    def footer(self, exit_code: int, *, elapsed_s: float) -> str:
        """The line that it ends with."""
        return f"# exit code {exit_code} after {elapsed_s:.1f} s\n"

    def line(self, text: str) -> None:
        """Raises   OSError, such as on a full disk"""
        if self._file:
            self._file.write(text + "\n")
