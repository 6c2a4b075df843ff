"""Drift by the clock: as many projects as there is time for."""

from __future__ import annotations

import random
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from engine.aws.last_look import read_last_look, write_last_look
from engine.aws.registry import ProjectRecord
from engine.errors import EngineError, ItemUnreadable, UnknownProject
from engine.operations.drift import drift
from engine.operations.engine import Engine
from engine.review.drift import DriftReport, ProjectDrift, Standing

# What a look at one project may take: nothing is begun that would be ended from outside.
_A_LOOK_S = 120

Look = Callable[[Engine, Sequence[tuple[str, str]]], DriftReport]


@dataclass(frozen=True)
class Seen:
    """One project.

    standing   clean, drifted, skipped, failed
    what       sentences: what differs, or why it could not be looked at
    """

    project: str
    standing: str
    owner: str
    what: tuple[str, ...]

    @property
    def drifted(self) -> bool:
        return self.standing == Standing.DRIFTED

    @property
    def failed(self) -> bool:
        return self.standing == Standing.FAILED


def watch(
    engine: Engine, *, deadline: float, look: Look = drift, unkept: Callable[[EngineError], None]
) -> Iterator[Seen]:
    """Look at one project after another until all are seen, or there is no time for one more.

    Ordered by project, from where the last look ended on: after some runs all were looked at, however many
    there are.
    deadline   time.monotonic()
    unkept     told when that place cannot be read or written: the looks go on without it
    Raises     what `drift` raises
    """
    unreadable: list[ItemUnreadable] = []
    records = sorted(engine.registry.list(passed_over=unreadable.append), key=lambda one: one.project)
    for error in unreadable:
        yield Seen(error.project, str(Standing.FAILED), "", (error.message,))
    place = _Place(engine, unkept)
    for record in place.going_on(records):
        if deadline - time.monotonic() < _A_LOOK_S:
            return
        # Before it is looked at: one that ends the process, whatever it does, is not the first again.
        place.keep(record.project)
        try:
            report = look(engine, [(record.vlab_id, record.project_id)])
        except UnknownProject:  # removed since the list was read
            continue
        yield from map(_seen, report.projects)


class _Place:
    """Where the looks are. Once it cannot be kept, it is not tried again: each try takes its time."""

    def __init__(self, engine: Engine, unkept: Callable[[EngineError], None]) -> None:
        self._engine = engine
        self._unkept = unkept
        self._kept = True

    def going_on(self, records: Sequence[ProjectRecord]) -> Sequence[ProjectRecord]:
        """All of them, beginning behind the last one; wherever, if nobody knows which that was."""
        begin = random.randrange(len(records)) if records else 0  # noqa: S311 (no secret)
        with self._trying():
            last = read_last_look(self._engine.cloud, self._engine.settings.registry_table)
            begin = bisect_right(records, last, key=lambda one: one.project)
        return [*records[begin:], *records[:begin]]

    def keep(self, project: str) -> None:
        if self._kept:
            with self._trying():
                write_last_look(self._engine.cloud, self._engine.settings.registry_table, project)

    @contextmanager
    def _trying(self) -> Iterator[None]:
        try:
            yield
        except EngineError as error:
            self._kept = False
            self._unkept(error)


def _seen(found: ProjectDrift) -> Seen:
    told = [line for one in found.drifted for line in one.told or (f"{one.change.address} differs",)]
    what = told or ([found.because] if found.because else [])
    return Seen(found.project, str(found.standing), found.owner, tuple(what))
