"""What a run costs, and both sides of a comparison in turn."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SAMPLE_S = 0.05
FIELDS = ("wall_s", "cpu_s", "memory_mb")


@dataclass(frozen=True)
class Cost:
    """One run of one side: seconds, CPU seconds of all its processes, MB of anonymous memory at its peak."""

    wall_s: float
    cpu_s: float
    memory_mb: float

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(
            self.wall_s + other.wall_s, self.cpu_s + other.cpu_s, max(self.memory_mb, other.memory_mb)
        )


@dataclass
class Tree:
    """What a process and all it started use, sampled: also children that nobody waits for."""

    root: int
    cpu_s: float = 0.0
    peak_mb: float = 0.0

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._by_process: dict[tuple[int, int], float] = {}
        self._known = {self.root}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        self.cpu_s = sum(self._by_process.values())

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        memory = 0
        for pid, parent, started, cpu_s in _processes():
            if pid in self._known or parent in self._known:
                self._known.add(pid)
                self._by_process[pid, started] = cpu_s
                memory += _anonymous_kb(pid)
        self.peak_mb = max(self.peak_mb, memory / 1024)


def _processes() -> Iterator[tuple[int, int, int, float]]:
    """Process id, parent, start and own CPU seconds of all; parents first, as ids grow."""
    ticks = os.sysconf("SC_CLK_TCK")
    for folder in sorted(int(one.name) for one in Path("/proc").glob("[0-9]*")):
        try:
            fields = Path(f"/proc/{folder}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        yield folder, int(fields[1]), int(fields[19]), (int(fields[11]) + int(fields[12])) / ticks


def _anonymous_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon:"))


def run(commands: Sequence[Sequence[str]], *, cwd: Path, env: Mapping[str, str]) -> Cost:
    """Run commands one after another; raises when one fails."""
    began = time.monotonic()
    cpu_s = memory_mb = 0.0
    for command in commands:
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
            tree = Tree(process.pid)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = code = os.waitstatus_to_exitcode(status)
            tree.end()
            if code != 0:
                out.seek(0)
                raise SystemExit(f"{' '.join(command)} ended with {code}:\n{out.read().decode()[-3000:]}")
        # The kernel's account misses children that nobody waited for, the samples what lived shorter.
        cpu_s += max(used.ru_utime + used.ru_stime, tree.cpu_s)
        memory_mb = max(memory_mb, tree.peak_mb)
    return Cost(time.monotonic() - began, cpu_s, memory_mb)


Sides = Mapping[str, Callable[[], Cost]]


def measure(sides: Sides, repetitions: int) -> dict[str, list[Cost]]:
    """All sides in turn, which one first by lot."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name in random.sample(list(sides), len(sides)):
            costs[name].append(sides[name]())
    return costs


def summary(costs: Mapping[str, list[Cost]]) -> dict[str, Any]:
    """Median, least and most of each side; where there are our side and theirs, the ratio of medians."""
    sides: dict[str, Any] = {
        name: {field: spread([asdict(cost)[field] for cost in runs]) for field in FIELDS}
        for name, runs in costs.items()
    }
    if not {"provisioner", "by hand"} <= set(sides):
        return sides
    ours, theirs = sides["provisioner"], sides["by hand"]
    ratio = {field: round(ours[field]["median"] / theirs[field]["median"], 2) for field in FIELDS}
    return {**sides, "ratio": ratio}


def spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 2),
        "min": round(min(values), 2),
        "max": round(max(values), 2),
    }


def swapped_pages() -> int:
    """Pages that this machine has written to its swap since it started."""
    lines = Path("/proc/vmstat").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("pswpout "))
