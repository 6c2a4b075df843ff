"""From finished jobs to records: markers and the sweep in, the journal out."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Callable

from .accounting import Accounting, AccountingError, Row, number
from .attempts import Attempts
from .journal import Journal, replace_file
from .markers import JobRun, Marker, Spool
from .masking import bearable
from .outputs import Tail, output_paths, read_tails
from .record import Findings, bare, compose, named_modules

log = logging.getLogger("job-records")


@dataclass(frozen=True)
class Timing:
    """In seconds.

    settle     age of a marker before it is looked up: the database is a few seconds behind slurmctld
    give_up    age at which a run that the database answers not to know is recorded from its marker alone
    sweep      between two sweeps of the database
    overlap    how far a sweep looks back behind the last one: rows come late when slurmdbd was away
    """

    settle: float = 10
    give_up: float = 1800
    sweep: float = 300
    overlap: int = 6 * 3600


# Each may have a script of 4 MiB, and sacct holds all that it is asked for.
_SUBMISSIONS_AT_ONCE = 10
_REMEMBERED_SUBMISSIONS = 256
# Users make their environments as large as they like.
_REMEMBERED_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class _Submission:
    """problem   why there is no environment, where there might be; "" otherwise"""

    environment: Mapping[str, str] | None = None
    modules: Sequence[str] = ()
    problem: str = ""

    @cached_property
    def size(self) -> int:
        """About how many bytes it takes to hold."""
        texts = [text for pair in (self.environment or {}).items() for text in pair]
        return sum(map(sys.getsizeof, [*texts, *self.modules]))


@dataclass(frozen=True)
class _Finished:
    """A run to record now.

    row      None when the database does not have it
    marker   None when only the sweep found it
    """

    run: JobRun
    row: Row | None
    marker: Marker | None

    @property
    def fields(self) -> Mapping[str, str]:
        return self.marker.fields if self.marker else {}

    @property
    def owner(self) -> tuple[str, str]:
        """The user's name and number as text; "" where unknown.

        slurmctld's word first: files are read with this user's rights.
        """
        columns = self.row.columns if self.row else {}
        if self.fields.get("UID"):
            return self.fields.get("USERNAME", ""), self.fields["UID"]
        return columns.get("User", ""), columns.get("UID", "")


class Shipper:
    """attempts     at runs that were in work when the shipper was killed
    about        what every record says of its cluster
    tail_bytes   of each output
    swept        file that keeps the time up to which the sweep has looked
    """

    def __init__(
        self,
        *,
        spool: Spool,
        accounting: Accounting,
        journal: Journal,
        attempts: Attempts,
        swept: Path,
        about: Mapping[str, str],
        tail_bytes: int,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self._spool = spool
        self._accounting = accounting
        self._journal = journal
        self._attempts = attempts
        self._swept = swept
        self._about = about
        self._tail_bytes = tail_bytes
        self._timing = timing or Timing()
        self._clock = clock
        self._submissions: OrderedDict[tuple[int, int], _Submission] = OrderedDict()
        self._next_sweep = 0.0
        if not swept.exists():
            # What ended before this cluster's first start has its record from the cluster before it.
            self._swept_until(int(clock()))

    def pass_once(self, *, flush: bool = False) -> int:
        """Record all that is ready; gives how many records were written.

        flush    don't wait for markers to settle, and sweep now
        Raises   AccountingError, with everything before it recorded
        """
        written = self._from_markers(0 if flush else self._timing.settle)
        if flush or self._clock() >= self._next_sweep:
            written += self._from_sweep(0 if flush else self._timing.settle)
            self._next_sweep = self._clock() + self._timing.sweep
        return written

    def from_markers_alone(self) -> int:
        """Record what is still in the spool without the database: the last resort of a node that goes."""
        return self._record([_Finished(marker.run, None, marker) for marker in self._waiting(0)])

    @property
    def waiting(self) -> int:
        """How many markers have no record yet."""
        return len(self._waiting(0))

    @property
    def forget_before(self) -> float:
        """Ids older than this can't come up again: no sweep looks so far back."""
        return self._read_swept() - 2 * self._timing.overlap - 86400

    def _from_markers(self, settle: float) -> int:
        written = 0
        for batch in self._attempts.batches(self._waiting(settle), lambda marker: marker.run.id):
            with self._attempted([marker.run for marker in batch]) as runs:
                written += self._from_some_markers([marker for marker in batch if marker.run in runs])
        return written

    def _from_some_markers(self, markers: Sequence[Marker]) -> int:
        rows = self._accounting.rows([marker.name for marker in markers])
        ready = []
        for marker in markers:
            row = rows.get(marker.run)
            if row and row.finished:
                ready.append(_Finished(marker.run, row, marker))
            elif self._clock() - marker.written_at > self._timing.give_up:
                log.warning("run %s has no end in the database; recorded without it", marker.run.id)
                ready.append(_Finished(marker.run, None, marker))
        return self._record(ready)

    def _waiting(self, settle: float) -> list[Marker]:
        waiting = []
        for marker in self._spool.markers():
            if marker.run.id in self._journal:
                self._spool.remove(marker)
            elif self._clock() - marker.written_at >= settle:
                waiting.append(marker)
        return waiting

    def _from_sweep(self, settle: float) -> int:
        now = int(self._clock())
        marked = {marker.run for marker in self._spool.markers()}
        since = self._read_swept() - self._timing.overlap
        # Not behind this cluster's first start: the records of a former cluster are in the log group already.
        since = max(since, self._first_start())
        until = now - int(settle)
        if until <= since:
            return 0
        ended = self._accounting.finished_between(since, until)
        missed = [row for row in ended if row.run.id not in self._journal and row.run not in marked]
        written = 0
        for batch in self._attempts.batches(missed, lambda row: row.run.id):
            with self._attempted([row.run for row in batch]) as runs:
                some = [row for row in batch if row.run in runs]
                # Once more, now with all that is known of them.
                rows = self._accounting.rows([row.name for row in some])
                ready = [_Finished(row.run, rows[row.run], None) for row in some if _is_same(rows, row)]
                written += self._record(ready)
        self._swept_until(until)
        return written

    @contextlib.contextmanager
    def _attempted(self, batch: Sequence[JobRun]) -> Iterator[set[JobRun]]:
        """The runs of a batch that are to be recorded; one that was attempted too often has its record."""
        runs = {run for run in batch if not self._attempts.exhausted(run.id)}
        for run in set(batch) - runs:
            log.error("run %s was in work each time the service ended before its time; not described", run.id)
            problem = "not described: the service ended each time it was"
            self._journal.append(run.id, bare(run, problem, recorded_at=self._clock()))
        # No fault of a job's: a database that is away, a disk that is full.
        with self._attempts.at([run.id for run in batch], harmless=(AccountingError, OSError)):
            yield runs

    def _record(self, finished: Sequence[_Finished]) -> int:
        for start in range(0, len(finished), _SUBMISSIONS_AT_ONCE):
            self._record_few(finished[start : start + _SUBMISSIONS_AT_ONCE])
        return len(finished)

    def _record_few(self, finished: Sequence[_Finished]) -> None:
        submissions = self._submissions_of([one.row for one in finished if one.row])
        paths = {one.run: output_paths(one.row, one.fields) for one in finished}
        tails = self._tails(finished, paths)
        for one in finished:
            submission = submissions.get(one.run, _Submission())
            out, error = paths[one.run]
            findings = Findings(
                run=one.run,
                row=one.row,
                marker=one.fields,
                environment=submission.environment,
                modules=submission.modules,
                problem=submission.problem,
                stdout=tails.get((one.run, out)),
                stderr=tails.get((one.run, error)),
                about=self._about,
            )
            self._journal.append(one.run.id, self._composed(findings))
            if one.marker:
                self._spool.remove(one.marker)

    def _composed(self, findings: Findings) -> bytes:
        now = self._clock()
        try:
            return compose(findings, recorded_at=now)
        except Exception:  # noqa: BLE001 - one job that nobody foresaw must not hold up all the others
            log.error("run %s could not be described:\n%s", findings.run.id, traceback.format_exc())
            return bare(findings.run, "not described: see the head node's log", recorded_at=now)

    def _tails(
        self, finished: Sequence[_Finished], paths: Mapping[JobRun, tuple[str | None, str | None]]
    ) -> dict[tuple[JobRun, str | None], Tail]:
        """The ends of all outputs; one reader for each user."""
        by_owner: dict[tuple[str, str], list[tuple[JobRun, str]]] = {}
        for one in finished:
            wanted = [(one.run, path) for path in dict.fromkeys(paths[one.run]) if path]
            by_owner.setdefault(one.owner, []).extend(wanted)
        tails: dict[tuple[JobRun, str | None], Tail] = {}
        for (user, uid), wanted in by_owner.items():
            read = read_tails(user, uid, [path for _, path in wanted], self._tail_bytes)
            tails.update({(run, path): read[path] for run, path in wanted})
        return tails

    def _submissions_of(self, rows: Iterable[Row]) -> dict[JobRun, _Submission]:
        """Environment and script of each run. The tasks of an array share them: they are asked for once."""
        keys = {row.run: (row, _submission_key(row)) for row in rows}
        unknown = {key: row for row, key in keys.values() if key not in self._submissions}
        for user in {row.columns["User"] for row in unknown.values()}:
            own = {key: row for key, row in unknown.items() if row.columns["User"] == user}
            names = [row.name for row in own.values()]
            environments = self._accounting.environments(names)
            modules = self._accounting.scripts(names, named_modules)
            for key, row in own.items():
                shown = row.columns["JobID"]
                self._submissions[key] = _submission(environments, modules.get(shown, ()), shown)
        known = {run: self._submissions[key] for run, (_, key) in keys.items()}
        while len(self._submissions) > _REMEMBERED_SUBMISSIONS or self._remembered > _REMEMBERED_BYTES:
            self._submissions.popitem(last=False)
        return known

    @property
    def _remembered(self) -> int:
        return sum(one.size for one in self._submissions.values())

    def _read_swept(self) -> int:
        return int(json.loads(self._swept.read_text())["until"])

    def _first_start(self) -> int:
        return int(json.loads(self._swept.read_text())["first_start"])

    def _swept_until(self, until: int) -> None:
        first = self._first_start() if self._swept.exists() else until
        replace_file(self._swept, json.dumps({"until": until, "first_start": first}) + "\n")


def _submission(
    environments: Mapping[str, Mapping[str, str] | None], modules: Sequence[str], shown: str
) -> _Submission:
    environment = environments.get(shown)
    if shown in environments and (environment is None or not bearable(environment)):
        return _Submission(None, modules, "the environment is too large")
    return _Submission(environment, modules)


def _is_same(rows: Mapping[JobRun, Row], swept: Row) -> bool:
    """Whether the database says the same of a run when it is asked for it by its number.

    That answer holds users' texts: whose files are read must not rest on it alone.
    """
    found = rows.get(swept.run)
    if found and found.finished and found.columns["UID"] == swept.columns["UID"]:
        return True
    log.warning("run %s is not there when it is asked for; the next sweep looks again", swept.run.id)
    return False


def _submission_key(row: Row) -> tuple[int, int]:
    array, _, task = row.columns["JobID"].partition("_")
    job_id = number(array) if task else None
    return job_id or row.run.job_id, row.run.submit
