"""What is going to happen, and when: the one mechanism behind every lifecycle of the local cloud.

Nothing sleeps. An entry is due at a moment; `run` carries out what is due, in order. It is called
before each request and by a light background ticker.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Entry:
    due: float
    action: Callable[[float], None]
    cancelled: bool = field(default=False)

    def cancel(self) -> None:
        self.cancelled = True


class Agenda:
    """Entries ordered by due time, then by when they were entered. Not thread safe: hold the world's lock.

    moment  the due time of the action being carried out, None between actions. What an action enters
            counts from here, so chains keep exact distances however late `run` is called.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._order = itertools.count()
        self.moment: float | None = None

    def at(self, due: float, action: Callable[[float], None]) -> Entry:
        """Enter an action; it gets the moment it was due."""
        entry = Entry(due, action)
        heapq.heappush(self._heap, (due, next(self._order), entry))
        return entry

    def run(self, now: float) -> None:
        """Carry out everything due up to `now`, including what those actions enter."""
        while self._heap and self._heap[0][0] <= now:
            due, _, entry = heapq.heappop(self._heap)
            if entry.cancelled:
                continue
            self.moment = due
            try:
                entry.action(due)
            finally:
                self.moment = None

    def clear(self) -> None:
        self._heap.clear()
