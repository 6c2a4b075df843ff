"""Everything the local cloud knows beyond moto: time, agenda, faults, counters, and our own services."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from engine.local.agenda import Agenda
from engine.local.backends import ACCOUNT_ID, Backends
from engine.local.calls import Calls
from engine.local.clock import Clock, SystemClock
from engine.local.durations import Durations
from engine.local.faults import Faults


class World:
    """One per local cloud. Whoever reads or changes it holds `lock`; requests are served under it,
    which is also what makes conditional writes atomic.
    """

    def __init__(self, *, region: str, clock: Clock | None = None, durations: Durations | None = None):
        self.account_id = ACCOUNT_ID
        self.region = region
        self.clock: Clock = clock or SystemClock()
        self.durations = durations or Durations()
        self.lock = threading.RLock()
        self.agenda = Agenda()
        self.faults = Faults()
        self.calls = Calls()
        self.backends = Backends(self.account_id)
        self.watchers: list[Callable[[float], None]] = []
        self.quotas: dict[str, float] = {}
        """ "service/code" -> the account's own value, where it has one: {"ec2/L-1216C47A": 512.0}"""

    def now(self) -> float:
        """The moment things happen at: while the agenda runs, when they were due."""
        return self.clock.now() if self.agenda.moment is None else self.agenda.moment

    def tick(self) -> None:
        """Bring the world up to now: what is due happens, watchers look around."""
        with self.lock:
            now = self.clock.now()
            self.agenda.run(now)
            for watcher in self.watchers:
                watcher(now)

    def after(self, seconds: float, action: Callable[[float], None]) -> None:
        self.agenda.at(self.now() + seconds, action)


def hex_id(prefix: str, digits: int = 17) -> str:
    """An AWS-like id, e.g. fs-0123456789abcdef0."""
    return f"{prefix}-0{secrets.token_hex(10)[: digits - 1]}"
