"""How much of this machine a run may use: what the kernel says, and what a container was given of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def usable_cores(*, proc: Path = _PROC, groups: Path = _GROUPS) -> float:
    """Cores that this process may keep busy: those it may run on, or less where a container has a quota.

    Source   cgroups(7); Linux, cgroup-v2.rst, "cpu.max"; sched-bwc.rst, "cpu.cfs_quota_us"
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [float(there)]
    for folder in _own_groups("cpu", proc, groups):
        version_1 = [_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        quota, period = _text(folder / "cpu.max").split() or version_1
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return min(quotas)


def available_memory(*, proc: Path = _PROC, groups: Path = _GROUPS) -> int | None:
    """Bytes that can be used without anything being swapped out; None where the system does not say.

    Source   proc(5), "MemAvailable"; Linux, cgroup-v2.rst, "memory.max"; cgroup-v1/memory.rst
    """
    known = [
        int(line.split()[1]) * 1024
        for line in _text(proc / "meminfo").splitlines()
        if line.startswith("MemAvailable:")
    ]
    for folder in _own_groups("memory", proc, groups):
        limit = _text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")
        used = _text(folder / "memory.current") or _text(folder / "memory.usage_in_bytes")
        if limit.isdigit() and used.isdigit():
            known.append(max(0, int(limit) - int(used) + _given_back_first(folder)))
    return min(known, default=None)


def _given_back_first(folder: Path) -> int:
    """Bytes of files that the kernel drops when a group needs memory: a provider's program is 700 MB."""
    for line in _text(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _own_groups(controller: str, proc: Path, groups: Path) -> Iterator[Path]:
    """The folders of the control groups that bound this process, its own first."""
    for line in _text(proc / "self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            root = groups
        elif controller in controllers.split(","):
            root = groups / controllers
        else:
            continue
        own = root / path.lstrip("/")
        # In a container the path may be that of the machine outside; its group is then the root.
        for folder in (own, *own.parents) if own.is_dir() else (root,):
            yield folder
            if folder == root:
                break


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
