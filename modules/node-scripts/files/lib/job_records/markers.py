"""The spool of finished jobs: one small file for each, dropped by `mark-finished` as slurmctld ends the job.

A marker is only a hint. It says which run to look up, and holds the little that the accounting database
of some Slurm releases does not. Losing one is no harm: the sweep of the database finds the job.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"(\d+)\.(\d+)")
# A job's name and paths are what a marker holds; anything larger is not one of ours.
_MAX_BYTES = 256 * 1024
# Slurm's NO_VAL, for a job that is no task of an array.
NO_TASK = "4294967294"


@dataclass(frozen=True)
class JobRun:
    """One run of a job: what the accounting database keeps one row for.

    job_id   Slurm's own number; every task of an array has one, once it has started
    submit   seconds since 1970; a requeued run gets a new one, which is how runs of one job differ
    Source   Slurm's job table, unique index (id_job, time_submit)
    """

    job_id: int
    submit: int

    @property
    def id(self) -> str:
        return f"{self.job_id}.{self.submit}"


@dataclass(frozen=True)
class Marker:
    """fields       jobcomp/script's variables by name
    written_at   seconds since 1970
    """

    run: JobRun
    path: Path
    fields: Mapping[str, str]
    written_at: float

    @property
    def name(self) -> str:
        """What sacct knows the job by: 107, or 100_7 for a task of an array."""
        task = self.fields.get("ARRAYTASKID", "")
        if task.isdigit() and task != NO_TASK:
            return f"{self.fields['ARRAYJOBID']}_{task}"
        return str(self.run.job_id)


class Spool:
    def __init__(self, directory: Path):
        self._directory = directory

    def markers(self) -> list[Marker]:
        """Every marker that is complete, oldest first; one that is still being written waits."""
        found = [marker for entry in os.scandir(self._directory) if (marker := _read(entry))]
        return sorted(found, key=lambda marker: marker.written_at)

    def remove(self, marker: Marker) -> None:
        """Call once the record is on disk: a marker that comes back after a crash is known by its id."""
        with contextlib.suppress(FileNotFoundError):
            marker.path.unlink()


def _read(entry: os.DirEntry[str]) -> Marker | None:
    name = _NAME.fullmatch(entry.name)
    if name is None:
        return None
    try:
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        text = file.read(_MAX_BYTES).decode("utf-8", "replace")
    fields = dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)
    if fields.pop("COMPLETE", "") != "1":
        return None
    return Marker(JobRun(int(name[1]), int(name[2])), Path(entry.path), fields, status.st_mtime)
