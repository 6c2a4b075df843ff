"""A worker process of the local service: does for `provisioner serve` what Lambda and SQS do in AWS.

It takes one message at a time and holds it while it works. Should it die, the message is handed out again
when that hold is over, and another worker goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from engine.aws.queue import Queue, Received
from engine.errors import EngineError
from engine.service.logging import logger
from engine.service.worker import Run, Worker, worker
from engine.terraform.processes import this_process

if TYPE_CHECKING:
    from engine.operations.duty import Duty

HOLD_S = 30
_RENEW_EVERY_S = 10.0
_POLL_S = 0.3
_ILL_S = 2.0
# How long a message waits whose operation another worker holds.
_BUSY_S = 5


class Shift:
    """One worker's time at work, until it is told to stop or its parent is gone."""

    def __init__(self, queue: Queue, worker: Worker, *, slice_s: float | None = None) -> None:
        self._queue = queue
        self._worker = worker
        self._slice_s = slice_s
        self._parent = os.getppid()
        self._ending = threading.Event()
        self._duty: Duty | None = None

    def end(self) -> None:
        """Put the work down as soon as that is safe; returns at once. May be called again."""
        self._ending.set()
        if self._duty is not None:
            self._duty.stop()

    def run(self) -> None:
        """Work until `end`."""
        threading.Thread(target=self._watch_parent, name="parent", daemon=True).start()
        while not self._ending.is_set():
            try:
                message = self._queue.receive()
                if message is None:
                    self._ending.wait(_POLL_S)
                else:
                    self._take(message)
            except EngineError as error:
                logger.warning("the queue does not answer", code=error.code, detail=error.message)
                self._ending.wait(_ILL_S)

    def _take(self, message: Received) -> None:
        deadline = None if self._slice_s is None else time.monotonic() + self._slice_s
        with self._held(message):
            done = self._worker.take(
                message.id, message.body, Run(this_process(), deadline=deadline, started=self._on_duty)
            )
        self._duty = None
        if done:
            self._queue.finish(message)
        else:
            self._queue.keep(message, seconds=_BUSY_S)

    def _on_duty(self, duty: Duty) -> None:
        self._duty = duty
        if self._ending.is_set():
            duty.stop()

    @contextmanager
    def _held(self, message: Received) -> Iterator[None]:
        """Keep the message from being handed out again while the block runs."""
        over = threading.Event()

        def hold() -> None:
            while not over.wait(_RENEW_EVERY_S):
                try:
                    self._queue.keep(message, seconds=HOLD_S)
                except EngineError as error:
                    logger.warning("a message is not held", code=error.code, detail=error.message)

        holder = threading.Thread(target=hold, name="hold", daemon=True)
        holder.start()
        try:
            yield
        finally:
            over.set()
            holder.join()

    def _watch_parent(self) -> None:
        """A parent that was killed sends no signal."""
        while not self._ending.wait(1.0):
            if os.getppid() != self._parent:
                logger.warning("the service is gone")
                self.end()


def main() -> int:
    """`python -m engine.service.local_worker [SECONDS OF A SLICE]`, its settings from the environment."""
    made = worker()
    slice_s = float(sys.argv[1]) if len(sys.argv) > 1 else None
    shift = Shift(made.queue, made, slice_s=slice_s)

    def stop(_number: int, _frame: FrameType | None) -> None:
        shift.end()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    logger.info("worker ready")
    shift.run()
    logger.info("worker ends")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
