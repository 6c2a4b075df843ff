"""The records on disk: written once each, whatever interrupts the writing.

    records/000001.jsonl   append-only, one record a line, never renamed, shortened or written into
    records/000002.jsonl   the next one, when the first is large enough, or ends in a torn line
    written                ids of records whose file is gone, with the time it went

The CloudWatch agent follows every file of `records/`. Three of its habits shape this module: it sends no
line before its line break; a file that shrinks is sent again from its start; an offset belongs to a path,
so that another file under an old name is read from the middle.

A record is written without its line break, brought to the disk, and only then ended: the line break commits
it. What a crash leaves is either a whole record without its line break, which gets it, or a torn one, which
the agent never sends: it stays where it is and the next file goes on.

Source   aws/amazon-cloudwatch-agent, plugins/inputs/logfile (tail.go, polling.go, logfile.go)
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Callable

_ID = re.compile(rb'\{"id":"(\d+\.\d+)"')
_FILE = re.compile(r"(\d{6,})\.jsonl")

FILE_BYTES = 64 * 1024 * 1024
KEEP_BYTES = 2 * 1024**3
_CHUNK = 64 * 1024


class Journal:
    """file_bytes   size from which the next record goes into a new file"""

    def __init__(self, directory: Path, *, file_bytes: int = FILE_BYTES):
        self._records = directory / "records"
        self._index = directory / "written"
        self._file_bytes = file_bytes
        self._records.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._gone = self._read_index()
        self._held: dict[str, None] = {}
        self._descriptor = -1
        self._open()

    def __contains__(self, record_id: object) -> bool:
        return record_id in self._held or record_id in self._gone

    def __len__(self) -> int:
        return len(self._held.keys() | self._gone.keys())

    def append(self, record_id: str, record: bytes) -> None:
        """Write a record: after the return it is on disk, and in no case twice.

        record   one line of JSON whose first member is "id", without a line break
        """
        if record_id in self:
            return
        if os.fstat(self._descriptor).st_size >= self._file_bytes:
            self._start_file(self._number + 1)
        _write(self._descriptor, record)
        os.fdatasync(self._descriptor)
        _write(self._descriptor, b"\n")
        self._held[record_id] = None

    def close(self) -> None:
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def tidy(
        self, sent_bytes: Callable[[Path], int], *, forget_before: float, keep_bytes: int = KEEP_BYTES
    ) -> list[Path]:
        """Delete the files that the agent has sent to the end, but the current one.

        sent_bytes      how much of a file the agent says it has sent
        forget_before   seconds since 1970: ids whose file went before then can't come up again
        keep_bytes      what may lie here unsent: beyond it the oldest files go as well
        Returns         the files deleted unsent
        """
        full = self._files()[:-1]
        sent = [path for path in full if sent_bytes(path) >= _committed_bytes(path)]
        unsent = [path for path in full if path not in sent]
        given_up = []
        while unsent and sum(path.stat().st_size for path in unsent) > keep_bytes:
            given_up.append(unsent.pop(0))
        self._delete([*sent, *given_up], forget_before)
        return given_up

    def all_sent(self, sent_bytes: Callable[[Path], int]) -> bool:
        return all(sent_bytes(path) >= _committed_bytes(path) for path in self._files())

    def _delete(self, paths: list[Path], forget_before: float) -> None:
        gone = {record_id: at for record_id, at in self._gone.items() if at >= forget_before}
        if not paths and len(gone) == len(self._gone):
            return
        ids = [record_id for path in paths for record_id in _ids(path.read_bytes())]
        gone.update(dict.fromkeys(ids, time.time()))
        # The index first: a crash in between leaves ids in both, which is no harm.
        self._write_index(gone)
        for path in paths:
            path.unlink()
        self._gone = gone
        for record_id in ids:
            self._held.pop(record_id, None)

    def _open(self) -> None:
        files = self._files()
        for path in files:
            self._held.update(dict.fromkeys(_ids(path.read_bytes())))
        if not files:
            self._start_file(1)
        elif self._repaired(files[-1]):
            self._follow(files[-1])
        else:
            self._start_file(int(files[-1].stem) + 1)

    def _repaired(self, path: Path) -> bool:
        """Whether the file may be written on; a whole last record without its line break gets it."""
        rest = path.read_bytes().rpartition(b"\n")[2]
        if not rest:
            return True
        try:
            record_id = json.loads(rest)["id"]
        except (ValueError, KeyError, TypeError):
            return False
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
            _write(descriptor, b"\n")
        finally:
            os.close(descriptor)
        self._held[record_id] = None
        return True

    def _start_file(self, number: int) -> None:
        self.close()
        self._follow(self._records / f"{number:06}.jsonl")
        # The new name itself must survive, too.
        descriptor = os.open(self._records, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _follow(self, path: Path) -> None:
        self._number = int(path.stem)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _files(self) -> list[Path]:
        return sorted(path for path in self._records.iterdir() if _FILE.fullmatch(path.name))

    def _read_index(self) -> dict[str, float]:
        try:
            lines = self._index.read_text().splitlines()
        except FileNotFoundError:
            return {}
        return {record_id: float(at) for at, record_id in (line.split() for line in lines)}

    def _write_index(self, gone: dict[str, float]) -> None:
        replace_file(self._index, "".join(f"{at:.0f} {record_id}\n" for record_id, at in gone.items()))


def replace_file(path: Path, text: str) -> None:
    """Put a text in place of a file's content, so that a crash leaves the old one or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _ids(content: bytes) -> list[str]:
    """The ids of the lines that have their line break."""
    lines = content.split(b"\n")[:-1]
    return [found[1].decode() for line in lines if (found := _ID.match(line))]


def _committed_bytes(path: Path) -> int:
    """The size up to the last line break: a torn line after it is never sent."""
    with path.open("rb") as file:
        # From its end: it is asked every few seconds, of files that may be large.
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _CHUNK)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
