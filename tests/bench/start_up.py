"""How long the command line and the local cloud take to be there, and the demo from beginning to end."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.measure import Cost, measure, run, summary
from tests.bench.workplace import PROVISIONER, toolchain

PART = "start-up"


def main(repetitions: int) -> None:
    tools = toolchain()
    demos = min(repetitions, 3)  # minutes each
    counts = {"repetitions": repetitions, "repetitions_of_demo": demos}
    about = report.machine(**{tools.product: tools.version, **counts})
    with tempfile.TemporaryDirectory(prefix="bench-") as base:
        here = _Here(Path(base), str(tools.binary))
        found: dict[str, Any] = summary(
            measure(
                {
                    "bare `python -c pass`": lambda: here.run([sys.executable, "-c", "pass"]),
                    "`import boto3` alone": lambda: here.run([sys.executable, "-c", "import boto3"]),
                    "`provisioner --help`": lambda: here.provisioner("--help"),
                    "`local up` until it answers": here.local_up,
                },
                repetitions,
            )
        )
        here.provisioner("local", "up")
        here.provisioner("bootstrap", "--yes")
        found |= summary(
            measure({"`provisioner list`, empty": lambda: here.provisioner("list")}, repetitions)
        )
        here.provisioner("local", "down")
        # Its own waits are those of the local cloud's default durations.
        found |= summary(measure({"`provisioner demo`": lambda: here.provisioner("demo")}, demos))
    report.write(PART, about, {"commands": found}, report.costs_table({"": found}))


class _Here:
    def __init__(self, base: Path, terraform: str) -> None:
        self._base = base
        self._env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            "PROVISIONER_HOME": str(base / "home"),
            "PROVISIONER_WORKSPACES_DIR": str(base / "projects"),
            "PROVISIONER_TERRAFORM": terraform,
        }

    def run(self, command: Sequence[str]) -> Cost:
        return run([command], cwd=self._base, env=self._env)

    def provisioner(self, *arguments: str) -> Cost:
        return self.run([PROVISIONER, *arguments])

    def local_up(self) -> Cost:
        cost = self.provisioner("local", "up")
        self.provisioner("local", "down")
        return cost
