"""The same task for many projects: a bounded pool of workers, sized from this machine.

    outcomes = carry_out_all(engine, specs, lambda engine, spec: plan(engine, spec), project=...)

The workers are threads. What costs (Terraform, the provider, cdktf's Node) runs in processes of its own
anyway, one set for each project at work, and threads share one Python, one Node and the clients to AWS.

One project's failure is that project's: the others go on. The projects of one virtual lab do not wait for all
of another's (`in_turn`). Ctrl-C, SIGTERM and a closed terminal stop all of it gracefully: nothing more
is begun, each Terraform is asked once to stop and waited for.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Generic, TypeVar

from engine.errors import EngineError, TerraformInterrupted
from engine.model.operation import Failure
from engine.model.settings import Settings
from engine.operations.engine import Engine
from engine.operations.machine import available_memory, usable_cores
from engine.operations.reporting import Reporter

WORKER_MEMORY = 350 << 20
"""Bytes of anonymous memory that one project's processes take at their peak; `make bench` measures it."""

Item = TypeVar("Item")
Result = TypeVar("Result")

# Of what is free, so much is left to the rest of the machine: a swapped page costs more than a worker brings.
_SHARE = 0.75
_WAKE_S = 0.2
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one project's task.

    result   what the task gave; None when it failed
    error    why it failed; TerraformInterrupted when it was stopped, or not begun because all was stopped
    seconds  it took
    """

    item: Item
    result: Result | None = None
    error: Exception | None = None
    seconds: float = 0.0

    @property
    def failure(self) -> Failure | None:
        """The error as data; one that is none of the engine's is a bug: INTERNAL_ERROR."""
        if self.error is None:
            return None
        if isinstance(self.error, EngineError):
            return Failure(**self.error.to_dict())
        return Failure("INTERNAL_ERROR", f"{type(self.error).__name__}: a bug in the engine")

    @property
    def exit_code(self) -> int:
        """That of a command that had done this alone; 0 when it went well."""
        if self.error is None:
            return 0
        return self.error.exit_code if isinstance(self.error, EngineError) else 1


def carry_out_all(
    engine: Engine,
    items: Sequence[Item],
    task: Callable[[Engine, Item], Result],
    *,
    project: Callable[[Item], str],
    workers: int | None = None,
    reporter: Callable[[Item], Reporter] | None = None,
    finished: Callable[[Outcome[Item, Result]], None] | None = None,
) -> list[Outcome[Item, Result]]:
    """Do a task for each of these projects, some at a time; gives what became of each, in the order given.

    items      no two of the same project
    task       called from a worker's thread with an engine for this project alone; what it started
               (Terraform, the provider) is let go when it returns
    project    an item's VLAB/PROJECT
    workers    how many at a time; None: as many as `pool_size` says
    reporter   who is told of one project's progress; None: the engine's, which must bear several threads
    finished   told of each as it ends, from the calling thread
    Raises     only what `finished` raises, after all have ended; each project's own error is in its outcome
    """
    pool = _Pool(engine, task, reporter)
    outcomes: dict[int, Outcome[Item, Result]] = {}
    order = in_turn(range(len(items)), project=lambda index: project(items[index]))
    size = workers or pool_size(engine.settings)
    with ThreadPoolExecutor(size, "project") as executor, _stopped_by(pool.stop):
        waiting = {
            executor.submit(pool.carry_out, items[index], project(items[index])): index for index in order
        }
        try:
            for future in _as_they_end(waiting):
                outcome = future.result()
                outcomes[waiting[future]] = outcome
                if finished is not None:
                    finished(outcome)
        except BaseException:
            pool.stop()  # and the executor waits for all of them
            raise
    return [outcomes[index] for index in range(len(items))]


def pool_size(settings: Settings, *, cores: float | None = None, memory: int | None = None) -> int:
    """How many projects to work on at a time: the setting `parallel_projects`, or what fits this machine.

    cores, memory   None: as the machine says; memory in bytes
    """
    if settings.parallel_projects != "auto":
        return int(settings.parallel_projects)
    cores = usable_cores() if cores is None else cores
    memory = available_memory() if memory is None else memory
    fitting = math.inf if memory is None else memory * _SHARE // WORKER_MEMORY
    return max(1, int(min(math.ceil(cores), fitting)))


def in_turn(items: Iterable[Item], *, project: Callable[[Item], str]) -> list[Item]:
    """The same items, the virtual labs taking turns: one project does not wait for forty of another lab's."""
    place: dict[str, int] = {}
    ranked = []
    for item in items:
        lab = project(item).partition("/")[0]
        place[lab] = place.get(lab, 0) + 1
        ranked.append((place[lab], item))
    return [item for _, item in sorted(ranked, key=lambda one: one[0])]


class _Pool(Generic[Item, Result]):
    """What the workers share: the task, who is at work, and whether to stop."""

    def __init__(
        self,
        engine: Engine,
        task: Callable[[Engine, Item], Result],
        reporter: Callable[[Item], Reporter] | None,
    ) -> None:
        self._engine = engine
        self._task = task
        self._reporter = reporter
        # By identity: engines that differ in their runners alone are equal.
        self._at_work: dict[int, Engine] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Begin nothing more, and ask what runs to end; returns at once."""
        self._stopping.set()
        for engine in list(self._at_work.values()):
            engine.interrupt()

    def carry_out(self, item: Item, project: str) -> Outcome[Item, Result]:
        if self._stopping.is_set():
            return Outcome(item, error=_not_begun(project))
        engine = self._engine.apart(self._reporter(item) if self._reporter else self._engine.reporter)
        self._at_work[id(engine)] = engine
        began = time.monotonic()
        try:
            result = self._task(engine, item)
            return Outcome(item, result, seconds=time.monotonic() - began)
        except Exception as error:  # noqa: BLE001 (whatever it is, the other projects go on)
            return Outcome(item, error=error, seconds=time.monotonic() - began)
        finally:
            del self._at_work[id(engine)]
            engine.close()


def _as_they_end(futures: Collection[Future[Result]]) -> Iterator[Future[Result]]:
    """Each as it ends, in that order. A signal for a worker's thread is heard when this one wakes."""
    ended: SimpleQueue[Future[Result]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    left = len(futures)
    while left:
        try:
            future = ended.get(timeout=_WAKE_S)
        except Empty:
            continue
        left -= 1
        yield future


def _not_begun(project: str) -> TerraformInterrupted:
    return TerraformInterrupted(
        f"{project} was not begun: all was stopped on request.", hint="Run the command again."
    )


@contextmanager
def _stopped_by(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal call `stop`; they reach the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in _STOPPING}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
