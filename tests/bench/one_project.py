"""`make bench`: from a spec to a review, by `provisioner plan` and by Terraform by hand, in one run.

Both work on the same workspace against the same local cloud, alternating in random order. By hand means what
a careful person types: `terraform init`, `validate`, `plan -out` and `show -json`. The first time, there is
no .terraform; again, all is as the time before left it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.aws.session import Cloud
from engine.cli.invocation import base_folder
from engine.local.server import LocalCloud
from engine.terraform.environment import terraform_environment
from engine.terraform.toolchain import Toolchain, prepare
from tests.functional.conftest import QUICK, _make_backend

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "docs" / "performance.json"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
SPEC = {"vlab_id": "lab-1", "project_id": "proj-1", "tier": "debug", "storage": {"kind": "lustre"}}
_SAMPLE_S = 0.05


@dataclass(frozen=True)
class Cost:
    """One run of one side: seconds, CPU seconds of all its processes, MB of anonymous memory at its peak."""

    wall_s: float
    cpu_s: float
    memory_mb: float


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
            code = process.wait()
            tree.end()
            if code != 0:
                out.seek(0)
                raise SystemExit(f"{' '.join(command)} ended with {code}:\n{out.read().decode()[-3000:]}")
        cpu_s, memory_mb = cpu_s + tree.cpu_s, max(memory_mb, tree.peak_mb)
    return Cost(time.monotonic() - began, cpu_s, memory_mb)


class Bench:
    """One project in one local cloud, planned by both sides."""

    def __init__(self, cloud: LocalCloud, base: Path, tools: Toolchain) -> None:
        self.tools = tools
        self.base = base
        self.home = base / "home"
        self.spec = base / "spec.json"
        self.spec.write_text(json.dumps(SPEC))
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            "PROVISIONER_HOME": str(self.home),
            "PROVISIONER_WORKSPACES_DIR": str(base / "projects"),
            "PROVISIONER_ENDPOINT_URL": cloud.endpoint,
            "PROVISIONER_TERRAFORM": str(tools.binary),
        }
        self.by_hand_env = terraform_environment(
            self.env, cli_config=tools.cli_config, aws=cloud.environment(), local=True
        )
        self.provisioner("plan", str(self.spec))
        (self.folder,) = (base / "projects").iterdir()
        self.hand = base / "by-hand"

    def provisioner(self, *arguments: str) -> Cost:
        command = [str(Path(sys.executable).with_name("provisioner")), *arguments]
        return run([command], cwd=self.base, env=self.env)

    def plan(self) -> Cost:
        return self.provisioner("plan", str(self.spec))

    def plan_first(self) -> Cost:
        shutil.rmtree(self.folder)
        return self.plan()

    def by_hand(self) -> Cost:
        terraform = str(self.tools.binary)
        commands = [
            [terraform, "init", "-input=false"],
            [terraform, "validate"],
            [terraform, "plan", "-input=false", "-out=project.tfplan"],
            [terraform, "show", "-json", "project.tfplan"],
        ]
        return run(commands, cwd=self.hand, env=self.by_hand_env)

    def by_hand_first(self) -> Cost:
        shutil.rmtree(self.hand, ignore_errors=True)
        shutil.copytree(self.folder, self.hand, ignore=shutil.ignore_patterns(".terraform", "*.tfplan"))
        return self.by_hand()


Sides = Mapping[str, Callable[[], Cost]]


def measure(sides: Sides, repetitions: int) -> dict[str, list[Cost]]:
    """Both sides in turn, which one first by lot."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name in random.sample(list(sides), len(sides)):
            costs[name].append(sides[name]())
    return costs


def summary(costs: Mapping[str, list[Cost]]) -> dict[str, Any]:
    """Median, least and most of each side, and the ratio of medians."""
    sides = {
        name: {
            field: {
                "median": round(statistics.median(values), 2),
                "min": round(min(values), 2),
                "max": round(max(values), 2),
            }
            for field in ("wall_s", "cpu_s", "memory_mb")
            for values in [[asdict(cost)[field] for cost in runs]]
        }
        for name, runs in costs.items()
    }
    ours, theirs = sides["provisioner"], sides["by hand"]
    ratio = {field: round(ours[field]["median"] / theirs[field]["median"], 2) for field in ours}
    return {**sides, "ratio": ratio}


def machine(tools: Toolchain, repetitions: int) -> dict[str, Any]:
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024 // 1024
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "memory_gib": memory,
        "load_before": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        tools.product: tools.version,
        "repetitions": repetitions,
    }


def table(results: Mapping[str, Any]) -> str:
    about = results["machine"]
    lines = [
        "Measured "
        + ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in about.items() if name != "measured"
        )
        + f" ({about['measured']}).",
        "",
        "| Scenario | Side | Wall s: median (min–max) | CPU s | Peak anonymous MB |",
        "|---|---|---|---|---|",
    ]
    for scenario, found in results["scenarios"].items():
        for side in ("by hand", "provisioner"):
            cells = [
                f"{found[side][field]['median']} ({found[side][field]['min']}–{found[side][field]['max']})"
                for field in ("wall_s", "cpu_s", "memory_mb")
            ]
            lines.append(f"| {scenario} | {side} | {' | '.join(cells)} |")
        ratio = found["ratio"]
        lines.append(
            f"| | **ratio** | **{ratio['wall_s']}** | **{ratio['cpu_s']}** | **{ratio['memory_mb']}** |"
        )
    return "\n".join(lines)


def write(results: Mapping[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = parser.parse_args().repetitions
    tools = prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)
    about = machine(tools, repetitions)
    with tempfile.TemporaryDirectory() as base, LocalCloud(durations=QUICK) as cloud:
        _make_backend(Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True))
        bench = Bench(cloud, Path(base), tools)
        scenarios = {
            "spec to review, first time": {"provisioner": bench.plan_first, "by hand": bench.by_hand_first},
            "spec to review, again unchanged": {"provisioner": bench.plan, "by hand": bench.by_hand},
        }
        found = {name: summary(measure(sides, repetitions)) for name, sides in scenarios.items()}
    results = {"machine": about, "scenarios": found}
    write(results)
    print(table(results))


if __name__ == "__main__":
    main()
