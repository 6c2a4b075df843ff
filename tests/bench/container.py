"""Init and plan as in the Lambda image: code that can't be written to, a small temporary disk, little memory.

Lambda gives a core for each 1,769 MB. Here Linux bounds the engine and all it starts: a mount namespace where
checkout, Python and provider are read-only and all that is written lies in a tmpfs of 512 MB, and control
groups for memory and cores. Needs root, and control groups (of version 1 or 2) that may be written.
Source   Lambda developer guide, "Configure Lambda function memory" and "ephemeral storage"
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.measure import Cost, measure, run, spread
from tests.bench.workplace import PROVISIONER, Workplace, workplace

PART = "container"
DISK_MB = 512
# Memory in MB: of two cores or nearly so, of one, and less.
MEMORIES = (3008, 1769, 1024)
_MB_A_CORE = 1769
_PERIOD_US = 100_000
_GROUPS = Path("/sys/fs/cgroup")
_NAME = "provisioner-bench"
# Mounts what the image brings read-only, and a small disk for all the rest; then runs the command there.
_SCRIPT = r"""
set -eu
disk=$1; size=$2; groups=$3; out=$4; shift 4
for group in $groups; do echo $$ > "$group"; done
for folder in "$CHECKOUT" "$PYTHON" "$MIRROR"; do
  mount --bind "$folder" "$folder"; mount -o remount,bind,ro "$folder"
done
mount -t tmpfs -o "size=$size,mode=1777" tmpfs "$disk"
export HOME="$disk" TMPDIR="$disk" PROVISIONER_HOME="$disk/provisioner" \
  PROVISIONER_WORKSPACES_DIR="$disk/provisioner/projects" PYTHONDONTWRITEBYTECODE=1
mkdir "$disk/work"; cd "$disk/work"
if touch "$CHECKOUT/written" 2>/dev/null; then echo "the checkout can be written to"; exit 1; fi
"$@" > "$disk/first.txt" 2>&1 || { cat "$disk/first.txt"; exit 1; }
"$@" > "$disk/again.txt" 2>&1 || { cat "$disk/again.txt"; exit 1; }
"$BENCH_PYTHON" -m tests.bench.written "$disk" > "$out"
"""


def main(repetitions: int) -> None:
    if os.geteuid() != 0:
        raise SystemExit("bench: container needs root")
    figures: dict[str, Any] = {}
    with workplace() as place:
        tools = place.tools
        about = report.machine(
            **{tools.product: tools.version, "repetitions": repetitions, "disk_mb": DISK_MB}
        )
        spec = place.spec()
        place.provisioner("plan", spec)  # the record and the address block are there
        for memory in MEMORIES:
            figures[str(memory)] = _bounded(place, spec, memory, repetitions)
    report.write(PART, about, {"memory_mb": figures}, _text(figures))


def _bounded(place: Workplace, spec: Path, memory_mb: int, repetitions: int) -> dict[str, Any]:
    written: list[dict[str, Any]] = []
    peaks: list[float] = []

    def once() -> Cost:
        with _group(memory_mb) as group:
            out = place.base / "written.json"
            cost = _run(place, spec, group, out)
            written.append(json.loads(out.read_text()))
            peaks.append(group.peak_mb())
            return cost

    costs = measure({"two plans": once}, repetitions)["two plans"]
    return {
        "cores": round(memory_mb / _MB_A_CORE, 2),
        "two_plans_s": spread([cost.wall_s for cost in costs]),
        "cpu_s": spread([cost.cpu_s for cost in costs]),
        "anonymous_mb": spread([cost.memory_mb for cost in costs]),
        "peak_with_files_mb": spread(peaks),
        "written": written[-1],
    }


def _run(place: Workplace, spec: Path, group: _Group, out: Path) -> Cost:
    disk = place.base / "disk"
    disk.mkdir(exist_ok=True)
    mirror = place.tools.provider_mirror
    if mirror is None:
        raise SystemExit("bench: container needs the provider in a mirror")
    env = place.env | {
        "CHECKOUT": str(report.ROOT),
        "PYTHON": sys.base_prefix,
        "MIRROR": str(mirror),
        "TF_PLUGIN_MIRROR": str(mirror),
        "BENCH_PYTHON": sys.executable,
        "PYTHONPATH": str(report.ROOT),
    }
    script = ["bash", "-c", _SCRIPT, "bench", str(disk), f"{DISK_MB}m", group.members(), str(out)]
    command = ["unshare", "--mount", "--propagation", "private", *script, PROVISIONER, "plan", str(spec)]
    return run([command], cwd=place.base, env=env)


class _Group:
    """Control groups for memory and cores, of version 1 or 2."""

    def __init__(self, memory_mb: int) -> None:
        quota = int(_PERIOD_US * memory_mb / _MB_A_CORE)
        memory = memory_mb << 20
        if (_GROUPS / "cgroup.controllers").is_file():
            self._folders = [_GROUPS / _NAME]
            limits = {"memory.max": memory, "memory.swap.max": 0, "cpu.max": f"{quota} {_PERIOD_US}"}
            self._peak = "memory.peak"
        else:
            self._folders = [_GROUPS / "memory" / _NAME, _GROUPS / "cpu" / _NAME]
            limits = {
                "memory.limit_in_bytes": memory,
                "cpu.cfs_period_us": _PERIOD_US,
                "cpu.cfs_quota_us": quota,
            }
            self._peak = "memory.max_usage_in_bytes"
        for folder in self._folders:
            folder.mkdir()
            for name, value in limits.items():
                if (folder / name).exists():
                    (folder / name).write_text(str(value))

    def members(self) -> str:
        """The files to which a process writes its number to be a member."""
        return " ".join(str(folder / "cgroup.procs") for folder in self._folders)

    def peak_mb(self) -> float:
        return int((self._folders[0] / self._peak).read_text()) / 2**20

    def remove(self) -> None:
        for folder in self._folders:
            folder.rmdir()


@contextmanager
def _group(memory_mb: int) -> Iterator[_Group]:
    group = _Group(memory_mb)
    try:
        yield group
    finally:
        group.remove()


def _text(figures: dict[str, Any]) -> str:
    rows = [
        [
            f"{int(memory):,}",
            found["cores"],
            report.cell(found["two_plans_s"]),
            report.cell(found["cpu_s"]),
            report.cell(found["anonymous_mb"]),
            report.cell(found["peak_with_files_mb"]),
        ]
        for memory, found in figures.items()
    ]
    written = next(iter(figures.values()))["written"]
    parts = [[name, found["files"], found["kilobytes"]] for name, found in written.items()]
    return "\n\n".join(
        [
            report.table(
                ["Memory MB", "Cores", "Two plans, s", "CPU s", "Anonymous MB", "With files MB"], rows
            ),
            report.table(["Written to the disk by both plans", "Files", "Kilobytes"], parts),
        ]
    )
