"""Work on one operation under its lease: kept alive, stopped in time, told while it goes on.

main thread    ... steps and Terraform ...  check()  ...  pause()  ...
keeper         renew ── renew ── renew ──────────────── the deadline: one SIGINT to Terraform
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from engine.aws.operation_store import Lease, OperationStore
from engine.errors import EngineError, LeaseLost, OutOfTime
from engine.model.operation import Event, Operation, Progress
from engine.operations.reporting import Reporter
from engine.terraform import events

TTL = timedelta(seconds=60)
# About 20 API round trips of a second and more (docs/recovery.md): what Terraform needs to save and end.
MARGIN_S = 45.0
_RENEWALS = 3
_PROGRESS_EVERY_S = 2.0


class Duty:
    """One run's work on an operation.

    deadline    time.monotonic() by which everything must have been put down; None: no limit
    margin_s    how long before that Terraform is stopped
    interrupt   asks every Terraform of this run to stop gracefully
    """

    def __init__(
        self,
        store: OperationStore,
        lease: Lease,
        operation: Operation,
        *,
        now: Callable[[], datetime],
        interrupt: Callable[[], None],
        deadline: float | None = None,
        margin_s: float = MARGIN_S,
        ttl: timedelta = TTL,
        published: Callable[[Operation, Event], None] | None = None,
    ) -> None:
        self._store = store
        self._lease = lease
        self._operation = operation
        self._now = now
        self._interrupt = interrupt
        self._stop_at = None if deadline is None else deadline - margin_s
        self._ttl = ttl
        self._published = published
        self._renewed = time.monotonic()
        self._written = 0.0
        self._events: list[Event] = []
        self._event_count = self._last_event()
        # Held for each write, so that two threads never write the operation under one another.
        self._writing = threading.RLock()
        self._changed = threading.Condition()
        self._over = False
        self.lost = False
        self.stopping = False

    # -- for the one who works -------------------------------------------------------------------------

    @property
    def operation(self) -> Operation:
        return self._operation

    @property
    def lease(self) -> Lease:
        return self._lease

    def check(self) -> None:
        """To be asked before each step that changes something.

        Raises   LeaseLost when another has taken over; OutOfTime when no more may be begun
        """
        self.check_owned()
        if self._late():
            self.stop()
        if self.stopping:
            raise OutOfTime(
                f"The time of this run is up; {self._operation.id} of {self._operation.project} "
                "goes on in the next one.",
                hint="Run the same command again; a worker does so by itself.",
            )

    def check_owned(self) -> None:
        """To be asked before what was done is recorded.

        Raises   LeaseLost when another has taken over
        """
        # A process that was frozen wakes up here: whether it still owns the work must be asked, not assumed.
        if not self.lost and time.monotonic() - self._renewed > self._ttl.total_seconds() / 2:
            self._renew()
        if self.lost:
            raise LeaseLost(
                f"{self._operation.id} of {self._operation.project} was taken over by another worker.",
                hint="Nothing more is done here; the other goes on with it.",
            )

    def pause(self, seconds: float) -> None:
        """Wait, but not past the deadline or the loss of the lease. Raises as `check`."""
        self.check()
        with self._changed:
            self._changed.wait_for(
                lambda: self.lost or self.stopping, timeout=min(seconds, self._time_left_s())
            )
        self.check()

    def note(self, name: str, value: str) -> None:
        """Keep what the next run of this operation must know; "" forgets it. Raises as `check`."""
        with self._writing:
            kept = {key: text for key, text in self._operation.notes.items() if key != name}
            self._operation = replace(self._operation, notes=kept | ({name: value} if value else {}))
            self._write()
        self.check()

    def stop(self) -> None:
        """Put the work down as soon as that is safe (SIGTERM to a worker); returns at once."""
        with self._changed:
            if self.stopping:
                return
            self.stopping = True
            self._changed.notify_all()
        self._interrupt()

    # -- for the one who tells -------------------------------------------------------------------------

    def tell(self, kind: str, text: str, *, phase: str = "", data: Mapping[str, Any] | None = None) -> None:
        """Record what happens; never raises."""
        with self._writing:
            now = self._now()
            self._event_count += 1
            event = Event(self._event_count, now, kind, text, dict(data or {}))
            changed = bool(phase) and phase != self._operation.phase
            step = text if kind == "step" else self._operation.step
            self._operation = replace(
                self._operation, phase=phase or self._operation.phase, step=step, updated_at=now
            )
            self._events.append(event)
            self._write_quietly()
        if changed and self._published is not None:
            self._published(self._operation, event)

    def progress(self, progress: Progress) -> None:
        """Record how far Terraform is, at most every two seconds; never raises."""
        with self._writing:
            self._operation = replace(self._operation, progress=progress, updated_at=self._now())
            if time.monotonic() - self._written >= _PROGRESS_EVERY_S:
                self._write_quietly()

    def end(self, operation: Operation, *, finished: bool, kind: str, text: str) -> None:
        """Write the end of the run. Raises LeaseLost when another has taken over."""
        with self._writing:
            self._event_count += 1
            self._events.append(Event(self._event_count, operation.updated_at, kind, text))
            write = self._store.finish if finished else self._store.hand_over
            write(self._lease, operation, self._events)
            self._operation = operation
            event, self._events = self._events[-1], []
        if self._published is not None:
            self._published(operation, event)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease, and stop Terraform at the deadline, while the block runs."""
        keeper = threading.Thread(target=self._keep, name=f"lease of {self._operation.id}", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            keeper.join()

    def _keep(self) -> None:
        every_s = self._ttl.total_seconds() / _RENEWALS
        while not self._over and not self.lost:
            with self._changed:
                self._changed.wait_for(lambda: self._over, timeout=min(every_s, self._time_left_s()))
            if self._over:
                return
            if self._late():
                self.stop()
            if time.monotonic() - self._renewed >= every_s:
                self._renew()

    def _renew(self) -> None:
        try:
            self._store.renew(self._lease, now=self._now(), ttl=self._ttl)
        except LeaseLost:
            self._lose()
        except EngineError:
            # AWS does not answer: our lease may have run out before it does again.
            if time.monotonic() - self._renewed > self._ttl.total_seconds():
                self._lose()
        else:
            self._renewed = time.monotonic()

    def _lose(self) -> None:
        with self._changed:
            if self.lost:
                return
            self.lost = True
            self._changed.notify_all()
        self._interrupt()

    def _late(self) -> bool:
        return self._stop_at is not None and time.monotonic() >= self._stop_at

    def _time_left_s(self) -> float:
        if self._stop_at is None or self.stopping:
            return self._ttl.total_seconds()
        return max(0.0, self._stop_at - time.monotonic())

    def _write(self) -> None:
        try:
            self._store.write(self._lease, self._operation, self._events)
        except LeaseLost:
            self._lose()
            raise
        self._events = []
        self._written = time.monotonic()

    def _write_quietly(self) -> None:
        # What could not be written goes with the next write; a lost lease is met by the next check().
        with suppress(EngineError):
            self._write()

    def _last_event(self) -> int:
        """The number of the last event; a run goes on counting where the one before has stopped."""
        count = 0
        while page := self._store.events(self._operation.id, after=count, limit=1000):
            count = page[-1].number
        return count


class Telling:
    """A reporter that keeps the operation's record true as well."""

    def __init__(self, duty: Duty, reporter: Reporter) -> None:
        self._duty = duty
        self._reporter = reporter
        self._progress = duty.operation.progress

    def step(self, text: str, phase: str = "") -> None:
        self._duty.tell("step", text, phase=phase)
        self._reporter.step(text, phase)

    def note(self, text: str) -> None:
        self._duty.tell("note", text)
        self._reporter.note(text)

    def terraform(self, event: events.Event) -> None:
        before = self._progress
        match event:
            case events.ChangeSummary(operation="plan"):
                self._progress = Progress(0, event.add + event.change + event.remove)
            case events.ResourceStarted(action=action) if action != "read":
                self._progress = replace(before, current=event.address)
            case events.ResourceFinished(action=action) if action != "read":
                self._progress = replace(before, done=min(before.done + 1, before.total))
        if self._progress != before:
            self._duty.progress(self._progress)
        self._reporter.terraform(event)
