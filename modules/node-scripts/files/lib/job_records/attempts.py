"""Which runs were in work when the shipper was killed.

A job that brings the shipper down, whatever with, would do so each time that one starts, and no record would
ever be written. So a run's second attempt shares its batch with fewer others, the third is alone, and after
the last its record says no more than that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Callable, TypeVar

from .journal import replace_file

T = TypeVar("T")

# By how many attempts have failed; alone more than once, since a kill may have other reasons.
_BATCHES = (100, 10, 1, 1, 1, 1, 1, 1)


class Attempts:
    """path    file that keeps the count while a batch is in work
    recorded   ids of the runs that need no further attempt
    """

    def __init__(self, path: Path, recorded: Container[str]):
        self._path = path
        self._failed = {run_id: count for run_id, count in _read(path).items() if run_id not in recorded}

    def exhausted(self, run_id: str) -> bool:
        return self._failed.get(run_id, 0) >= len(_BATCHES)

    def batches(self, runs: Sequence[T], run_id: Callable[[T], str]) -> Iterator[list[T]]:
        """The runs in batches, those first that were the least in the way.

        So kills that have nothing to do with them hit all in turn, and not the same one again and again.
        """
        ordered = sorted(runs, key=lambda one: self._failed.get(run_id(one), 0))
        for size in sorted(set(_BATCHES), reverse=True):
            alike = [one for one in ordered if self._batch_size(run_id(one)) == size]
            for start in range(0, len(alike), size):
                yield alike[start : start + size]

    @contextlib.contextmanager
    def at(self, run_ids: Sequence[str], *, harmless: tuple[type[Exception], ...]) -> Iterator[None]:
        """Count an attempt at these runs, unless it comes to an end.

        harmless   what it may end with that is no fault of theirs
        """
        begun = {run_id: self._failed.get(run_id, 0) + 1 for run_id in run_ids}
        replace_file(self._path, json.dumps({**self._failed, **begun}) + "\n")
        try:
            yield
        except harmless:
            self._write()
            raise
        for run_id in run_ids:
            self._failed.pop(run_id, None)
        self._write()

    def _batch_size(self, run_id: str) -> int:
        return _BATCHES[min(self._failed.get(run_id, 0), len(_BATCHES) - 1)]

    def _write(self) -> None:
        replace_file(self._path, json.dumps(self._failed) + "\n")


def _read(path: Path) -> dict[str, int]:
    try:
        return {str(run_id): int(count) for run_id, count in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}
