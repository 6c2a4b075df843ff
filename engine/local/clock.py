"""The local cloud's time: seconds that only grow, real or stepped by a test."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the Unix epoch."""
        ...


class SystemClock:
    def now(self) -> float:
        return time.time()


class SteppedClock:
    """A clock that stands still until `advance`; lifecycles are tested without waiting."""

    def __init__(self, start: float = 1_800_000_000.0):
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time runs one way")
        self._now += seconds


def utc(moment: float) -> datetime:
    """A moment of the clock as an aware UTC datetime."""
    return datetime.fromtimestamp(moment, tz=UTC)


def iso(moment: float) -> str:
    """A moment as ParallelCluster prints it, e.g. 2026-01-31T10:20:30.400Z."""
    return utc(moment).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(moment * 1000) % 1000:03d}Z"
