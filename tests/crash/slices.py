"""`make slices`: a creation of forty minutes in slices of time, each a worker's run; writes docs/recovery.md.

    python -m tests.crash.slices [--scale N] [--slice SECONDS ...] [--print]

Everything is scaled by the same number: what the local cloud takes, the slices and the margin before their
end. What is not scaled is the work itself: Terraform's init and plan, and the seconds that the AWS provider
waits before it looks. So a smaller scale is nearer to AWS, and the shortest slice less its margin must be
longer than init and plan. The rows are made at the same time, each in an installation of its own: most of the
time all of them wait.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.model.operation import State
from engine.operations.duty import MARGIN_S
from engine.operations.installation import base_folder
from engine.terraform.toolchain import prepare
from tests.crash.killing import ended
from tests.crash.once import Goal, made_once, wrong
from tests.crash.stage import PROJECT, Prepared, Site, Stage

PAGE = Path(__file__).parents[2] / "docs/recovery.md"
BEGIN, END = "<!-- make slices -->", "<!-- end -->"
# Seconds at AWS: Lustre, its two links one after the other, the cluster. Forty minutes.
SLOW = {"fsx_create_s": 600.0, "dra_create_s": 90.0, "cluster_create_s": 1620.0}
SLICES_S = (None, 900.0, 300.0, 90.0)
_RUNS, _LONGEST_S = 200, 4000.0
SCALE = 3.0


@dataclass(frozen=True)
class Sliced:
    """The whole creation, in slices of that length (None: in one run).

    slice_s   unscaled seconds
    """

    slice_s: float | None
    scale: float

    def __call__(self, site: Site) -> None:
        site.cloud.set_durations(**{name: value / self.scale for name, value in SLOW.items()})
        arguments = () if self.slice_s is None else self._deadline(self.slice_s)
        operation = site.ask_to_provision()
        began = time.monotonic()
        for _ in range(_RUNS):
            said = ended(site.engine.work(operation, *arguments), _LONGEST_S).ok().output
            standing = site.operations.standing(PROJECT)
            assert not standing.held(datetime.now(UTC)), "the lease outlived the run"
            if "CONTINUES" not in said:
                break
        took_s = time.monotonic() - began
        done = site.operations.require(PROJECT, operation.id)
        assert done.state is State.SUCCEEDED, done
        # Not run by pytest, which would show what an assertion is about.
        assert not (found := wrong(site, Goal.RUNNING, Prepared.NOTHING)), found
        calls = site.cloud.calls()
        making = made_once(site.storage, Goal.RUNNING, Prepared.NOTHING)
        made = sum(calls.get(name, 0) for name in making)
        untouched = not any("Delete" in name for name in calls if not name.startswith("dynamodb"))
        replaced = "none" if untouched else "some"
        print(f"ROW {done.slices} {took_s:.0f} {made} {sum(making.values())} {replaced}")

    def _deadline(self, slice_s: float) -> tuple[str, ...]:
        within, margin = slice_s / self.scale, MARGIN_S / self.scale
        return ("--within", f"{within:.1f}", "--margin", f"{margin:.1f}")


def _row(slice_s: float | None, scale: float, terraform: str, standing: list[Stage]) -> str:
    """One line of the table; an exception with all that was said where something is wrong.

    standing   where the stage is noted, for who wants to stop it
    """
    with (
        tempfile.TemporaryDirectory(prefix="slices-") as folder,
        Stage("lustre", Prepared.NOTHING, terraform, Path(folder), case_s=_LONGEST_S) as stage,
    ):
        standing.append(stage)
        done = stage.play(Sliced(slice_s, scale))
    if not done.ok:
        raise RuntimeError(done.said)
    line = next(line for line in done.said.splitlines() if line.startswith("ROW "))
    _, runs, took_s, made, wanted, replaced = line.split()
    length = "no limit" if slice_s is None else f"{slice_s / 60:g} min ({slice_s / scale:.1f} s)"
    minutes = float(took_s) * scale / 60
    return f"| {length} | {runs} | {minutes:.1f} min ({took_s} s) | {made} of {wanted} | {replaced} |"


def table(scale: float, slices_s: Sequence[float | None]) -> str:
    terraform = str(prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ).binary)
    standing: list[Stage] = []
    with ThreadPoolExecutor(len(slices_s)) as pool:
        try:
            rows = list(pool.map(lambda slice_s: _row(slice_s, scale, terraform, standing), slices_s))
        except BaseException:
            for stage in standing:
                stage.stop()
            raise
    cores = os.cpu_count()
    return "\n".join(
        [
            BEGIN,
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores, {platform.system()}, times scaled 1:{scale:g} (in "
            "brackets: as they were measured). Lustre takes 10 minutes, its two links 1.5 minutes each, the "
            f"cluster 27; each slice ends {MARGIN_S:.0f} s before its limit.",
            "",
            "| Slice | Runs | Until it was READY | Creations, of so many needed | Deleted or replaced |",
            "|---|---|---|---|---|",
            *rows,
            "",
            END,
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="A creation of forty minutes in slices of time.")
    parser.add_argument("--scale", type=float, default=SCALE)
    parser.add_argument("--print", action="store_true", dest="only_print", help="do not write the page")
    parser.add_argument("--slice", type=float, action="append", dest="slices_s", help="seconds; repeatable")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    text = table(asked.scale, asked.slices_s or SLICES_S)
    print(text)
    if not asked.only_print:
        page = PAGE.read_text("utf-8")
        head, _, rest = page.partition(BEGIN)
        PAGE.write_text(head + text + rest.partition(END)[2], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
