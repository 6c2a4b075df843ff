"""`plan --all`: many projects at a time, one report."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.console import CHANGES_WAITING_EXIT, note, print_json, print_table
from engine.cli.invocation import Invocation
from engine.cli.progress import Lines

if TYPE_CHECKING:
    from engine.operations.engine import Engine
    from engine.operations.many import Outcome
    from engine.operations.plan_all import PlanLine, Wanted
    from engine.terraform.events import Event

    Planned = Outcome[Wanted, PlanLine]


class Notes(Lines):
    """Says of a project only what is worth knowing: with many at a time, each step of each is too much."""

    def step(self, text: str, phase: str = "") -> None:
        pass

    def terraform(self, event: Event) -> None:
        pass


def plan_every(invocation: Invocation, folder: Path | None, *, as_json: bool, detailed_exitcode: bool) -> int:
    """Plan the specs in a folder, or with None all registered projects; gives the exit code."""
    from engine.operations.many import pool_size
    from engine.operations.plan_all import plan_all
    from engine.operations.reporting import Silent

    if folder is not None and not folder.is_dir():
        raise click.UsageError(f"{folder} is no folder. Without --all it is planned by itself.")
    began = time.monotonic()
    engine = invocation.engine(Silent())
    wanted = _wanted(invocation, engine, folder)
    workers = pool_size(engine.settings)
    if wanted:
        note(f"Planning {_projects(len(wanted))}, {min(workers, len(wanted))} at a time")
    lock = threading.Lock()
    done: list[Planned] = []

    def tell(outcome: Planned) -> None:
        done.append(outcome)
        said = f"{outcome.item.name}: {_result(outcome)} ({outcome.seconds:.1f} s)"
        with lock:
            note(f"  {len(done)}/{len(wanted)}  {said}")

    outcomes = plan_all(engine, wanted, reporter=lambda one: Notes(one.name, lock), finished=tell)
    _show(outcomes, as_json=as_json, workers=workers, seconds=time.monotonic() - began)
    failed = max((outcome.exit_code for outcome in outcomes), default=0)
    waiting = detailed_exitcode and any(one.result and one.result.has_changes for one in outcomes)
    return failed or (CHANGES_WAITING_EXIT if waiting else 0)


def _wanted(invocation: Invocation, engine: Engine, folder: Path | None) -> list[Wanted]:
    from engine.operations.plan_all import of_files, of_registry
    from engine.operations.spec_folder import one_for_each_project, specs_in

    if folder is None:
        return of_registry(engine)
    known_tiers = tuple(tier.name for tier in invocation.catalogue)
    return of_files(one_for_each_project(specs_in(folder, known_tiers=known_tiers)))


def _show(outcomes: Sequence[Planned], *, as_json: bool, workers: int, seconds: float) -> None:
    from engine.operations.plan_all import line_json

    totals = {
        "projects": len(outcomes),
        "with_changes": sum(bool(one.result and one.result.has_changes) for one in outcomes),
        "without_changes": sum(bool(one.result and not one.result.has_changes) for one in outcomes),
        "failed": sum(one.error is not None for one in outcomes),
        "workers": workers,
        "seconds": round(seconds, 2),
    }
    if as_json:
        print_json({"projects": [line_json(one) for one in outcomes], "totals": totals})
        return
    print_table(
        ["project", "plan", "add", "change", "destroy", "risk", "verdict"],
        [_row(one) for one in outcomes],
        empty="There are no projects to plan.",
    )
    _show_failures(outcomes)
    if outcomes:
        note(
            f"{_projects(len(outcomes))}: {totals['with_changes']} with changes, "
            f"{totals['without_changes']} without, {totals['failed']} failed; {seconds:.0f} s"
        )


def _row(outcome: Planned) -> list[str]:
    line = outcome.result
    if line is None:
        return [outcome.item.name, _result(outcome), "-", "-", "-", "-", "-"]
    counts = line.counts
    numbers = [str(number) for number in (counts.add, counts.change, counts.destroy)]
    return [outcome.item.name, _result(outcome), *numbers, line.risk, line.verdict]


def _result(outcome: Planned) -> str:
    if outcome.failure is not None:
        return outcome.failure.code
    return "changes" if outcome.result and outcome.result.has_changes else "no changes"


def _show_failures(outcomes: Sequence[Planned]) -> None:
    """Each failure as a command that had planned this project alone would tell it, on stderr."""
    import traceback

    from engine.cli.console import print_error
    from engine.errors import EngineError

    for outcome in outcomes:
        if outcome.error is None:
            continue
        note(f"\n{outcome.item.name}")
        if isinstance(outcome.error, EngineError):
            print_error(outcome.error, as_json=False)
        else:
            note("".join(traceback.format_exception(outcome.error)))


def _projects(count: int) -> str:
    return f"{count} project" if count == 1 else f"{count} projects"
