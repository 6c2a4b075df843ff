"""What a run may use of a machine, read from files as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.operations.machine import available_memory, usable_cores

GIB = 1 << 30


class Machine:
    """A /proc and a /sys/fs/cgroup."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.groups = folder / "proc", folder / "cgroup"
        self.write("proc/meminfo", f"MemTotal: {32 << 20} kB\nMemAvailable:   {16 << 20} kB\n")

    def write(self, path: str, text: str) -> None:
        file = self.proc.parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def memory(self) -> int | None:
        return available_memory(proc=self.proc, groups=self.groups)

    def cores(self) -> float:
        return usable_cores(proc=self.proc, groups=self.groups)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_groups_the_whole_machine_counts(machine: Machine) -> None:
    assert machine.memory() == 16 * GIB
    assert machine.cores() == len(os.sched_getaffinity(0))


def test_a_container_of_version_2_is_held_to_what_it_was_given(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/\n")
    machine.write("cgroup/memory.max", f"{4 * GIB}\n")
    machine.write("cgroup/memory.current", f"{2 * GIB}\n")
    machine.write("cgroup/memory.stat", f"anon {GIB}\ninactive_file {GIB // 2}\n")
    machine.write("cgroup/cpu.max", "50000 100000\n")
    assert machine.memory() == 2 * GIB + GIB // 2
    assert machine.cores() == 0.5


def test_a_group_above_bounds_those_below(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/slice/job\n")
    for path, limit in (("slice/job", 8), ("slice", 3)):
        machine.write(f"cgroup/{path}/memory.max", f"{limit * GIB}\n")
        machine.write(f"cgroup/{path}/memory.current", f"{GIB}\n")
    assert machine.memory() == 2 * GIB


def test_no_limit_is_none(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "0::/\n")
    machine.write("cgroup/memory.max", "max\n")
    machine.write("cgroup/memory.current", f"{2 * GIB}\n")
    machine.write("cgroup/cpu.max", "max 100000\n")
    assert machine.memory() == 16 * GIB
    assert machine.cores() == len(os.sched_getaffinity(0))


def test_version_1_where_the_path_is_that_of_the_machine_outside(machine: Machine) -> None:
    machine.write("proc/self/cgroup", "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n")
    machine.write("cgroup/memory/memory.limit_in_bytes", f"{GIB}\n")
    machine.write("cgroup/memory/memory.usage_in_bytes", f"{GIB // 4}\n")
    machine.write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "25000\n")
    machine.write("cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    assert machine.memory() == GIB - GIB // 4
    assert machine.cores() == 0.25


def test_a_system_that_says_nothing(tmp_path: Path) -> None:
    assert available_memory(proc=tmp_path, groups=tmp_path) is None
    assert usable_cores(proc=tmp_path, groups=tmp_path) == len(os.sched_getaffinity(0))
