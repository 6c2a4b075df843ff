"""Waits for AWS that end, however many runs an operation takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from engine.operations.engine import Engine

_PATIENCE = timedelta(hours=1)


@contextmanager
def waiting(engine: Engine, what: str, *, patience: timedelta = _PATIENCE) -> Iterator[Callable[[], bool]]:
    """A wait of an hour at most, or of `patience`; gives what says whether that time is over.

    what   names the wait among those of the operation

    A run in Lambda lasts a quarter of an hour, so the beginning is kept with the operation. When the block
    comes to its end the wait is over, and the next one for the same thing begins anew.
    """
    note = f"waiting:{what}"
    begun: datetime | None = None

    def too_long() -> bool:
        nonlocal begun
        if begun is None:
            noted = engine.noted(note)
            begun = datetime.fromisoformat(noted) if noted else engine.now()
            if not noted:
                engine.note(note, begun.isoformat())
        return engine.now() - begun > patience

    yield too_long
    if engine.noted(note):
        engine.note(note, "")
