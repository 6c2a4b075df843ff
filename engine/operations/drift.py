"""Which projects are not as the engine left them at AWS. Changes nothing, and takes no lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from engine.aws import clusters
from engine.aws.registry import Phase, ProjectRecord
from engine.errors import EngineError, ItemUnreadable
from engine.model.names import Names
from engine.model.operation import Failure
from engine.model.spec import ProjectSpec
from engine.operations import records
from engine.operations.engine import Engine
from engine.operations.many import Outcome, carry_out_all
from engine.operations.planning import PLAN_FILE, check_backend, on_its_release, write_project
from engine.operations.states import made_nothing
from engine.review.drift import (
    Drifted,
    DriftReport,
    LastOperation,
    Noise,
    ProjectDrift,
    Standing,
    read_drift,
)
from engine.review.model import Action, AttributeChange, Change
from engine.workspace.resources import CLUSTER, CLUSTER_STACK
from engine.workspace.stack import Presence


def drift(engine: Engine, projects: Iterable[tuple[str, str]] | None = None) -> DriftReport:
    """Look at projects, some at a time: what differs from what the state says, without anybody's apply.

    projects   (vlab, project) of each; None: every project of the registry
    What cannot be looked at is in the report with the reason, and the others are looked at all the same.
    Raises     UnknownProject, TerraformMissing, and what `check_backend` raises
    """
    check_backend(engine)
    _ = engine.toolchain
    unreadable: list[ItemUnreadable] = []
    found = (
        list(engine.registry.list(passed_over=unreadable.append))
        if projects is None
        else [records.record_of(engine, *project) for project in dict.fromkeys(projects)]
    )
    return DriftReport(
        at=engine.now(),
        account_id=engine.settings.require_account(),
        region=engine.settings.region,
        projects=(
            *map(_told, carry_out_all(engine, found, _look_at, project=lambda record: record.project)),
            *(_failed(error.project, error) for error in unreadable),
        ),
    )


def _told(outcome: Outcome[ProjectRecord, ProjectDrift]) -> ProjectDrift:
    if outcome.result is not None:
        return outcome.result
    return _failed(outcome.item.project, outcome.failure)


def _failed(project: str, failure: EngineError | Failure | None) -> ProjectDrift:
    because = f"{failure.code}: {failure.message}" if failure else ""
    return ProjectDrift(project, Standing.FAILED, because=because)


def _look_at(engine: Engine, record: ProjectRecord) -> ProjectDrift:
    engine.reporter.step(f"Looking at {record.project}", "PLANNING")
    names = engine.names(record.vlab_id, record.project_id)
    told = ProjectDrift(
        record.project, Standing.CLEAN, last_operation=_last_operation(engine, record.project)
    )
    try:
        if because := _reason_to_skip(engine, record, names):
            return replace(told, standing=Standing.SKIPPED, because=because)
        spec = records.spec_of(record)
        told = replace(told, owner=spec.owner_or_default)
        drifted, noise = _refreshed(on_its_release(engine, names), names, spec)
        drifted += tuple(_of_cluster(engine, names, drifted))
        # What began meanwhile has changed what we looked at.
        if because := _reason_to_skip(engine, records.record_of(engine, *_ids(record)), names):
            return replace(told, standing=Standing.SKIPPED, because=because)
    except EngineError as error:
        return replace(told, standing=Standing.FAILED, because=f"{error.code}: {error.message}")
    standing = Standing.DRIFTED if drifted else Standing.CLEAN
    return replace(told, standing=standing, drifted=drifted, noise=noise)


def _reason_to_skip(engine: Engine, record: ProjectRecord, names: Names) -> str:
    """Why a project is not looked at; "" when it is."""
    under_way = engine.operations.standing(record.project).operation_id
    if under_way is not None:
        return f"operation {under_way} is under way"
    match record.phase:
        case Phase.PARKED:
            return "it is parked"
        case Phase.PLANNED:
            return "it was only planned"
        case Phase.APPLYING | Phase.PARKING | Phase.DESTROYING:
            return f"it is {record.phase} since an operation that did not come to its end"
    return "nothing was made of it" if made_nothing(engine, names) else ""


def _refreshed(
    engine: Engine, names: Names, spec: ProjectSpec
) -> tuple[tuple[Drifted, ...], tuple[Noise, ...]]:
    """In a folder of its own, so that whoever works on the project is not disturbed."""
    folder = engine.home / "drift" / names.directory
    shutil.rmtree(folder, ignore_errors=True)
    try:
        write_project(engine, spec, Presence.RUNNING, folder=folder)
        runner = engine.runner_in(folder, project=names.project, log_path=engine.log(names), lock=_Unlocked())
        runner.init()
        plan_file = folder / PLAN_FILE
        runner.plan(plan_file, refresh_only=True)
        return read_drift(runner.show_plan(plan_file), project=names.project)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _of_cluster(engine: Engine, names: Names, drifted: tuple[Drifted, ...]) -> Iterator[Drifted]:
    """The cluster has a stack of its own, which no state knows: ParallelCluster makes it."""
    if any(one.change.address == CLUSTER_STACK for one in drifted):
        return
    status = clusters.describe_cluster(engine.cloud, cluster_name=names.cluster, stack_name=names.stack)
    if status.ready:
        return
    action = Action.UPDATE if status.exists else Action.DELETE
    attribute = AttributeChange("status", "status", "CREATE_COMPLETE", status.status)
    change = Change(
        address=CLUSTER_STACK,
        module=CLUSTER,
        mode="managed",
        type="aws_cloudformation_stack",
        name="this",
        kind="cluster",
        action=action,
        attributes=(attribute,),
    )
    told = f"The cluster {names.cluster} is {status.status or 'gone'}, although the engine left it complete."
    yield Drifted(change, names.cluster, (told,))


def _last_operation(engine: Engine, project: str) -> LastOperation | None:
    latest = engine.operations.latest(project)
    if latest is None:
        return None
    return LastOperation(
        latest.id, str(latest.wish.kind), str(latest.state), latest.requested_by, latest.finished_at
    )


def _ids(record: ProjectRecord) -> tuple[str, str]:
    return record.vlab_id, record.project_id


class _Unlocked:
    """A state lock that is not taken: looking must not keep anybody from applying."""

    def held(self, command: str) -> AbstractContextManager[str]:  # noqa: ARG002 (the protocol's signature)
        return nullcontext("")
