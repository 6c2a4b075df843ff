"""Drift by the clock: as many projects as there is time for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.errors import ItemUnreadable
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


def watch(engine: Engine, *, deadline: float, look: Look = drift) -> Iterator[Seen]:
    """Look at one project after another until all are seen, or there is no time for one more.

    In an order of its own each time, so that after some runs all were looked at, however many there are.
    deadline   time.monotonic()
    Raises     what `drift` raises
    """
    unreadable: list[ItemUnreadable] = []
    records = list(engine.registry.list(passed_over=unreadable.append))
    for error in unreadable:
        yield Seen(error.project, str(Standing.FAILED), "", (error.message,))
    random.shuffle(records)
    for record in records:
        if deadline - time.monotonic() < _A_LOOK_S:
            return
        report = look(engine, [(record.vlab_id, record.project_id)])
        yield from map(_seen, report.projects)


def _seen(found: ProjectDrift) -> Seen:
    told = [line for one in found.drifted for line in one.told or (f"{one.change.address} differs",)]
    what = told or ([found.because] if found.because else [])
    return Seen(found.project, str(found.standing), found.owner, tuple(what))
