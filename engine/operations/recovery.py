"""Before a project is parked or destroyed: what a run that died made of it is taken into the state first.

A parked workspace asks for no cluster, so its plan says nothing of one that exists and stands in no state:
it would be left running. So the whole workspace is planned once more, and what is found of it is imported.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from engine.aws import stacks
from engine.aws.existing.search import OrphanConflict
from engine.aws.registry import Phase
from engine.errors import ClusterError, InvalidSpec
from engine.model.names import Names
from engine.model.spec import ProjectSpec
from engine.operations import adopt, lustre, repair, states
from engine.operations.engine import Engine
from engine.operations.planning import PLAN_FILE, require_own_function, write_project
from engine.operations.states import read_state
from engine.review.context import Context
from engine.review.model import Action, Change
from engine.review.plan import build_review
from engine.terraform.runner import Runner
from engine.terraform.state import instances
from engine.workspace.imports import IMPORTS_FILE, imports_file
from engine.workspace.resources import ACCOUNTING_SECRET, ACCOUNTING_USER, CLUSTER_STACK
from engine.workspace.stack import Presence

# CloudFormation user guide, "Stack status codes": where a stack ends that never came up.
_NOT_MADE = ("CREATE_FAILED", "ROLLBACK_FAILED", "ROLLBACK_COMPLETE")
_POLL_S = 5.0
_PATIENCE_S = 4500.0
_HARMLESS = (Action.IMPORT, Action.NO_CHANGE, Action.READ, Action.UPDATE, Action.CREATE)


def take_in(engine: Engine, spec: ProjectSpec, *, always: bool = False) -> tuple[str, ...]:
    """Import what stands at AWS and in no state; gives its addresses. A clean project costs nothing.

    always   look even though the last run came to its end
    A cluster's stack that could not be made is deleted: it is of no use. One that stands is never changed.
    Raises   OrphanConflict when taking something in would delete or replace anything; what planning raises
    """
    names = engine.names_of(spec)
    if not always and not is_due(engine, names):
        return ()
    require_own_function(engine, names, read_state(engine, names))
    engine.reporter.step("Looking for what an earlier run made and could not write down")
    try:
        folder = write_project(engine, spec, Presence.RUNNING)
    except InvalidSpec as error:
        # A cluster that its tier has outgrown can still be given back; only what no state knows stays.
        engine.reporter.note(f"Not looked for, since the spec can't be planned any more: {error.message}")
        return ()
    runner = engine.runner(names)
    runner.init()
    states.push_errored(engine, names, runner)
    repair.untaint_healthy(engine, names, runner)
    plan_file = folder / PLAN_FILE
    runner.plan(plan_file)
    sweep = adopt.Sweep(engine, names, runner, always=always)
    if not sweep.finds(runner.show_plan(plan_file)):
        return ()
    imports = _without_failed_stacks(engine, names, sweep)
    if imports:
        _import(engine, names, runner, imports)
    (folder / IMPORTS_FILE).unlink(missing_ok=True)
    return tuple(sorted(imports))


def is_due(engine: Engine, names: Names) -> bool:
    """Whether something may stand at AWS that `take_in` would find."""
    record = engine.registry.get(names.vlab_id, names.project_id)
    # A run that came so far has done it; the next slice of its work need not plan it all again.
    if record is not None and record.phase in (Phase.PARKING, Phase.DESTROYING):
        return False
    return adopt.sweep_is_due(engine, names, read_state(engine, names))


def _import(engine: Engine, names: Names, runner: Runner, imports: Mapping[str, str]) -> None:
    # What is imported may hang on the file system, and its changes are then carried out along with it.
    lustre.await_update(engine, names)
    # A plan for the cluster would be one for all that it needs, too, and make what AWS lacks of that. Nor has
    # anybody reviewed a change of it, and CloudFormation may refuse that or stop nodes for it: a later engine
    # plans one, since the address of the nodes' software was in the lost state (ADR 0017).
    as_it_is = imports.keys() & {CLUSTER_STACK}
    calls = _calls(engine, names, imports) if as_it_is else ()
    changes = _plan(engine, names, runner, _without(imports, as_it_is), calls)
    # Nor has anybody given up records that would be kept for fewer days.
    fewer_days = {one.address for one in changes if one.action is Action.UPDATE and one.loses_data}
    if kept := imports.keys() & fewer_days:
        as_it_is |= kept
        changes = _plan(engine, names, runner, _without(imports, as_it_is), calls)
    harmful = [
        change
        for change in changes
        if change.action not in _HARMLESS
        or change.loses_data
        # It has no import block any more, so what needs it has Terraform make it.
        or (change.action is Action.CREATE and change.address in imports)
    ]
    if harmful:
        raise OrphanConflict(
            f"What an earlier run made of {names.project} does not fit its spec any more; taking it in would "
            + ", ".join(f"{change.action} {change.address}" for change in harmful)
            + ".",
            hint="Apply the project first and review that plan.",
            details={"addresses": [change.address for change in harmful]},
        )
    engine.check()
    engine.reporter.step("Taking it in", "APPLYING")
    if changes:
        runner.apply(runner.workdir / PLAN_FILE)
    for address in sorted(as_it_is):
        engine.check()
        runner.take_over(address, imports[address])


def _calls(engine: Engine, names: Names, imports: Mapping[str, str]) -> tuple[str, ...]:
    """The call that made the cluster's database user, where no state knows it: a release takes the user away
    by that. Not where the secret is gone: the user would get a password that the running cluster lacks.
    """
    known = {*imports, *(one.address for one in instances(read_state(engine, names)))}
    return (ACCOUNTING_USER,) if ACCOUNTING_SECRET in known and ACCOUNTING_USER not in known else ()


def _without(imports: Mapping[str, str], addresses: Collection[str]) -> dict[str, str]:
    return {address: found for address, found in imports.items() if address not in addresses}


def _plan(
    engine: Engine, names: Names, runner: Runner, imports: Mapping[str, str], calls: Iterable[str]
) -> tuple[Change, ...]:
    """What taking in these and making these calls changes; what they need is in it, too."""
    (runner.workdir / IMPORTS_FILE).write_text(imports_file(imports), "utf-8")
    targets = sorted([*imports, *calls])
    if not targets:  # a plan without any would be of all
        return ()
    plan_file = runner.workdir / PLAN_FILE
    runner.plan(plan_file, targets=targets)
    shown = runner.show_plan(plan_file)
    context = Context(young=adopt.young_records(engine, names, shown))
    return build_review(shown, project=names.project, context=context).changes


def _without_failed_stacks(engine: Engine, names: Names, sweep: adopt.Sweep) -> dict[str, str]:
    """The imports that are left once a stack that could not be made is deleted."""
    imports = dict(sweep.imports)
    if CLUSTER_STACK in sweep.replace:
        stack = stacks.find_stack(engine.cloud, imports[CLUSTER_STACK])
        # In one that got stuck later, in an update say, the cluster is as it was.
        if stack is None or stack["StackStatus"] in _NOT_MADE:
            _delete_stack(engine, names, imports.pop(CLUSTER_STACK))
    return imports


def _delete_stack(engine: Engine, names: Names, stack: str) -> None:
    engine.check()
    engine.reporter.step(f"Deleting the stack {stack}, which failed", "DELETING")
    stacks.delete_stack(engine.cloud, stack)
    deadline = time.monotonic() + _PATIENCE_S
    while (found := stacks.find_stack(engine.cloud, stack)) is not None:
        if found["StackStatus"] == "DELETE_FAILED" or time.monotonic() > deadline:
            raise ClusterError(
                f"The stack {stack} of {names.project} could not be deleted ({found['StackStatus']}).",
                hint="Look at its events in the AWS console, then run the command again.",
            )
        engine.pause(_POLL_S if engine.settings.cloud == "aws" else 0.5)
