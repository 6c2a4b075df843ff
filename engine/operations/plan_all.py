"""Plans of many projects in one go: of the specs in a folder, or of every project in the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.aws.registry import Phase, ProjectRecord
from engine.errors import EngineError, InvalidSpec, ItemUnreadable
from engine.model.spec import ProjectSpec
from engine.operations import records
from engine.operations.engine import Engine
from engine.operations.holding import holding_workspace
from engine.operations.many import Outcome, carry_out_all
from engine.operations.planning import Ground, Planned, Purpose, check_ground, make_plan
from engine.operations.reporting import Reporter
from engine.operations.spec_checks import check_spec
from engine.operations.spec_folder import SpecFile
from engine.review.model import Counts
from engine.review.outline import headline
from engine.review.summary import verdict
from engine.workspace.stack import Presence

# A command takes these down at this moment: there is no wish that a plan could be held against.
_GOING = (Phase.PARKING, Phase.DESTROYING)


@dataclass(frozen=True)
class Wanted:
    """One project to plan.

    name       VLAB/PROJECT, or the file's path where its spec can't be read
    source     where the spec comes from: a path, or "registry"
    spec       None where `refusal` says why there is none
    presence   PARKED for a project that has been released
    """

    name: str
    source: str
    spec: ProjectSpec | None
    refusal: EngineError | None = None
    presence: Presence = Presence.RUNNING


@dataclass(frozen=True)
class PlanLine:
    """What a plan came to. The whole review lies in the reports beside it.

    summary   one line; verdict: whether it can be applied, and what stands against it
    """

    has_changes: bool
    counts: Counts
    risk: str
    summary: str
    verdict: str
    reports: tuple[Path, ...]


def of_files(files: Iterable[SpecFile]) -> list[Wanted]:
    """What specs in files wish for: each project running."""
    return [
        Wanted(one.spec.project if one.spec else str(one.path), str(one.path), one.spec, one.refusal)
        for one in files
    ]


def of_registry(engine: Engine) -> list[Wanted]:
    """What the registry says of every project, by the spec it was last applied with; a released one stays so.

    Projects that are being taken down at this moment are left out.
    Raises   NotBootstrapped, AccessDenied, Unreachable, BackendError
    """
    unreadable: list[ItemUnreadable] = []
    wanted = list(_registered(engine.registry.list(passed_over=unreadable.append)))
    return wanted + [Wanted(error.project, "registry", None, error) for error in unreadable]


def _registered(found: Iterable[ProjectRecord]) -> Iterator[Wanted]:
    for record in found:
        if record.phase in _GOING:
            continue
        presence = Presence.PARKED if record.phase is Phase.PARKED else Presence.RUNNING
        try:
            yield Wanted(record.project, "registry", records.spec_of(record), None, presence)
        except records.SpecUnreadable as error:
            yield Wanted(record.project, "registry", None, error)


def plan_all(
    engine: Engine,
    wanted: Sequence[Wanted],
    *,
    reporter: Callable[[Wanted], Reporter] | None = None,
    finished: Callable[[Outcome[Wanted, PlanLine]], None] | None = None,
) -> list[Outcome[Wanted, PlanLine]]:
    """Plan each of these projects as `plan` would, some at a time; a failure is that project's alone.

    wanted               no two of one project
    reporter, finished   as for `carry_out_all`
    Raises   TerraformMissing, what `Ground.check_shared` and `check_backend` raise: before anything is begun
    """
    ground = Ground(waits=False)
    if any(one.spec for one in wanted):
        _ = engine.toolchain
        ground.check_backend(engine)
        ground.check_shared(engine)

    def plan(engine: Engine, one: Wanted) -> PlanLine:
        if one.spec is None:
            raise one.refusal or InvalidSpec(f"{one.name} has no spec.", [])
        return _line(_planned(engine, one.spec, one.presence, ground))

    return carry_out_all(
        engine, wanted, plan, project=lambda one: one.name, reporter=reporter, finished=finished
    )


def _planned(engine: Engine, spec: ProjectSpec, presence: Presence, ground: Ground) -> Planned:
    if presence is Presence.RUNNING:
        check_spec(engine, spec)
    names = engine.names_of(spec)
    with holding_workspace(engine, names):
        engine = check_ground(engine, names, ground)
        record = records.note_planned(engine, spec)
        records.require_data(record)
        return make_plan(engine, spec, presence, record=record, purpose=Purpose.LOOK)


def _line(planned: Planned) -> PlanLine:
    review = planned.review
    return PlanLine(
        planned.has_changes,
        review.counts,
        review.risk.value,
        headline(review),
        verdict(review),
        planned.reports(),
    )


def line_json(outcome: Outcome[Wanted, PlanLine]) -> dict[str, Any]:
    """One project's part of the report as JSON-ready values."""
    line, failure = outcome.result, outcome.failure
    return {
        "project": outcome.item.name,
        "source": outcome.item.source,
        "exit_code": outcome.exit_code,
        "seconds": round(outcome.seconds, 2),
        "has_changes": line.has_changes if line else None,
        "summary": line.summary if line else None,
        "verdict": line.verdict if line else None,
        "risk": line.risk if line else None,
        "counts": vars(line.counts) if line else None,
        "reports": [str(path) for path in line.reports] if line else [],
        "error": failure.to_dict() if failure else None,
    }
