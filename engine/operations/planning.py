"""From a spec to a saved, reviewed plan in the project's workspace."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from engine.aws import accounting_function, addresses, buckets, clusters, preflight
from engine.aws.registry import ProjectRecord
from engine.aws.session import Cloud
from engine.aws.shared_ground import SharedGround, find_shared_ground
from engine.errors import FieldProblem, InvalidSettings, SharedGroundBusy
from engine.model.aws_commands import aws
from engine.model.names import Names
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import last_tier
from engine.operations import adopt, lustre, repair, states
from engine.operations.engine import Engine
from engine.operations.folders import check_folder, write_workspace
from engine.operations.installation import require_folder
from engine.operations.policy import review_context
from engine.operations.rendering import fingerprint, remember, rendered
from engine.operations.user_policies import check_plan
from engine.operations.waiting import waiting
from engine.review.context import Context, PolicyResult
from engine.review.document import review_json
from engine.review.model import Review
from engine.review.plan import build_review
from engine.review.reports import REPORTS, reports
from engine.terraform.failures import LustreBusy
from engine.terraform.runner import Runner
from engine.terraform.state import instances
from engine.workspace.imports import named_imports
from engine.workspace.render import module_names, render_workspace
from engine.workspace.stack import Presence

PLAN_FILE = "project.tfplan"
_GROUND_POLL_S = 15.0


class Purpose(StrEnum):
    """What a plan is made for. Only one that is applied next is worth waiting for AWS's own work."""

    LOOK = "look"
    SAVE = "save"
    APPLY = "apply"


@dataclass(frozen=True)
class Planned:
    """A saved plan and what it means. Applying it applies exactly what was reviewed."""

    spec: ProjectSpec
    names: Names
    folder: Path
    runner: Runner
    plan_file: Path
    review: Review
    has_changes: bool

    def reports(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for name in REPORTS)


def check_backend(engine: Engine) -> None:
    """Look whether the account answers and holds state bucket, lock table and registry.

    Raises   Unreachable, AccessDenied, NotBootstrapped, WrongRegion
    """
    settings = engine.settings
    preflight.check_backend(
        engine.cloud,
        account_id=settings.require_account(),
        state_bucket=settings.state_bucket,
        lock_table=settings.lock_table,
        registry_table=settings.registry_table,
    )


class Ground:
    """What of the backend and the shared infrastructure was found whole, so that each is looked at once in a
    run of many projects. Safe to share by threads.

    waits   for what AWS does there by itself: a maintenance window, say
    """

    def __init__(self, *, waits: bool = True) -> None:
        self._waits = waits
        self._lock = threading.Lock()
        self._whole: set[str] = set()

    def check_backend(self, engine: Engine) -> None:
        """Raises   what `check_backend` raises"""
        self._once("backend", lambda: check_backend(engine))

    def check_shared(self, engine: Engine) -> None:
        """Look at the shared infrastructure. Clusters of another release have another provider stack.

        Raises   SharedGroundMissing, SharedGroundBusy
        """
        self._once(engine.settings.pcluster_provider_stack, lambda: _check_shared(engine, waits=self._waits))

    def _once(self, what: str, look: Callable[[], None]) -> None:
        with self._lock:
            if what not in self._whole:
                look()
                self._whole.add(what)


def _check_shared(engine: Engine, *, waits: bool) -> None:
    ground = _whole_ground(engine, waits=waits)
    if ground.accounting_awake:
        return
    if accounting_function.wake(engine.cloud, engine.settings.accounting_function):
        engine.reporter.note("The accounting function had been idle for weeks and is awake again")


def _whole_ground(engine: Engine, *, waits: bool) -> SharedGround:
    """The shared ground, once AWS has done with what it does there by itself."""
    told = ""
    with waiting(engine, "shared ground") as too_long:
        while True:
            try:
                return find_shared_ground(engine.cloud, **ground_names(engine))
            except SharedGroundBusy as busy:
                if not waits or too_long():
                    raise
                if told != busy.message:
                    told = busy.message
                    engine.reporter.note(f"Waiting, for an hour at most: {busy.message}")
            engine.pause(_GROUND_POLL_S if engine.settings.cloud == "aws" else 0.5)


def check_ground(engine: Engine, names: Names, ground: Ground | None = None) -> Engine:
    """Look before anything is changed: folders, Terraform, the backend, and the shared infrastructure.

    ground   what a run of many projects has looked at before; None: nothing
    Gives    the engine to go on with: on the release of the project's cluster where one stands, since
             AWS lets no cluster go from one provider to another
    A sleeping accounting function is woken up, which takes a minute or two.
    AWS's own work on the shared infrastructure is waited for, an hour at most, unless `ground` does not.
    Raises   InvalidSettings, TerraformMissing, SharedGroundMissing, SharedGroundBusy after that hour, and
             what `check_backend` raises
    """
    require_folder(engine.workspaces, "workspaces_dir")
    _ = engine.toolchain
    ground = ground or Ground()
    ground.check_backend(engine)
    engine = on_its_release(engine, names)
    ground.check_shared(engine)
    return engine


def on_its_release(engine: Engine, names: Names) -> Engine:
    """The engine on the ParallelCluster release of the project's cluster, where one stands."""
    version = clusters.standing_version(engine.cloud, names.cluster)
    if version is None or version == engine.settings.pcluster_version:
        return engine
    engine.reporter.note(
        f"The cluster of {names.project} keeps ParallelCluster {version}; "
        f"{engine.settings.pcluster_version} comes when it is released and applied again"
    )
    return engine.on_release(version)


def ground_names(engine: Engine) -> dict[str, str]:
    """The names by which the shared infrastructure is looked for."""
    settings = engine.settings
    return {
        "accounting_database": settings.accounting_database,
        "accounting_function": settings.accounting_function,
        "pcluster_version": settings.pcluster_version,
        "pcluster_provider_stack": settings.pcluster_provider_stack,
        "public_bucket": settings.public_bucket,
        "nodes_bucket": settings.nodes_bucket,
    }


def reserve_block(cloud: Cloud, settings: Settings, project: str, *, now: datetime) -> str:
    """The project's own address block; the same one each time until it is released.

    A claim that cannot be made true is mended: one whose block somebody else's subnet has taken is
    exchanged, and where the project's subnet stands although its claim is gone, that block is claimed.
    Raises   NoAddressLeft, NotBootstrapped, BackendError
    """
    table = settings.registry_table
    held = addresses.get_claim(cloud, table, project=project)
    # The usual case, which must not look at every subnet of the VPC: nobody else stands there.
    if held is not None:
        touching = addresses.standing_subnets(cloud, touching=held.cidr)
        if all(subnet.project == project for subnet in touching):
            return held.cidr
    subnets = addresses.standing_subnets(cloud)
    own = [subnet.cidr for subnet in subnets if subnet.project == project]
    others = [subnet for subnet in subnets if subnet.project != project]
    if held is not None and not own and any(subnet.touches(held.cidr) for subnet in others):
        addresses.release_block(cloud, table, project=project, token=held.token)
    claim = addresses.claim_block(
        cloud,
        table,
        ranges=settings.address_ranges,
        prefix_length=settings.address_prefix_length,
        project=project,
        now=now,
        occupied=[subnet.cidr for subnet in others],
        wanted=own[0] if own else None,
    )
    return claim.cidr


def write_project(
    engine: Engine, spec: ProjectSpec, presence: Presence, *, folder: Path | None = None
) -> Path:
    """Generate the project's workspace on disk, its address block reserved; gives the folder.

    folder   another one than the project's own, for one look
    """
    names = engine.names_of(spec)
    elsewhere, folder = folder is not None, folder or engine.folder(names)
    # Before a block is reserved: a refusal must leave nothing behind.
    check_folder(folder, spec.vlab_id, spec.project_id)
    # What was made is given back, whatever has become of its tier since.
    tier, cidr = last_tier(engine.catalogue, spec), None
    if presence is Presence.RUNNING:
        cidr = reserve_block(engine.cloud, engine.settings, names.project, now=engine.now())
    key = fingerprint(spec, engine.settings, tier, subnet_cidr=cidr, presence=presence)
    files = rendered(
        folder,
        key,
        lambda: render_workspace(spec, engine.settings, tier, subnet_cidr=cidr, presence=presence),
    )
    write_workspace(folder, files, module_names(spec, presence))
    remember(folder, key, files)
    if not elsewhere:
        states.claim_workspace(engine, names)
    return folder


def make_plan(
    engine: Engine,
    spec: ProjectSpec,
    presence: Presence,
    *,
    record: ProjectRecord | None = None,
    purpose: Purpose = Purpose.APPLY,
) -> Planned:
    """Generate, initialise, plan into a file, review, and write the reports beside it.

    record    of the project, where it was read just now; None: it is asked for
    purpose   APPLY waits until FSx has carried out what it was asked for before, LOOK only says so

    Raises   InvalidSettings, and what rendering, the registry and Terraform raise; LustreBusy for a plan that
             is to be saved. Nothing but the reservation of the address block was changed then
    """
    names = engine.names_of(spec)
    engine.check()
    engine.reporter.step("Generating the workspace", "PLANNING")
    folder = write_project(engine, spec, presence)
    runner = engine.runner(names)
    engine.reporter.step("Initialising Terraform")
    stored: states.Stored | None = states.require_sound(engine, names, record)
    if stored is not None and presence is not Presence.REMOVED:
        require_own_function(engine, names, stored.state)
    runner.init()
    if states.push_errored(engine, names, runner):
        stored = None
    if presence is Presence.RUNNING:
        _settle_lustre(engine, names, stored.state if stored else None, purpose)
    if repair.untaint_healthy(engine, names, runner, stored.state if stored else None):
        stored = None
    engine.check()
    engine.reporter.step("Planning", "PLANNING")
    sweep = adopt.Sweep(engine, names, runner, stored=stored)
    if spec.existing is not None and presence is not Presence.REMOVED:
        sweep.take_over(named_imports(spec), presence=presence)
    planned = plan_again(
        spec,
        names,
        folder,
        runner,
        sweep=sweep,
        context=review_context(engine, spec, names),
        # They are for what is made, as all rules of the installation; nothing holds up a release.
        policies=partial(check_plan, engine) if presence is Presence.RUNNING else None,
    )
    keep_review(engine, planned)
    return planned


def _settle_lustre(engine: Engine, names: Names, state: dict[str, Any] | None, purpose: Purpose) -> None:
    """Look after a change of the file system that FSx has not carried out yet: a plan asks for it once more.

    Raises   ClusterError, LustreBusy
    """
    if purpose is Purpose.APPLY:
        lustre.await_update(engine, names, state)
    elif (file_system := lustre.updating(engine, names, state)) is not None:
        doing = f"FSx is still carrying out a change of {file_system}"
        if purpose is Purpose.SAVE:
            look = aws(
                f"fsx describe-file-systems --file-system-ids {file_system}", region=engine.settings.region
            )
            raise LustreBusy(
                f"{doing} of {names.project}: a plan that is saved now would ask for it again, and FSx would "
                "refuse that.",
                hint=f"Plan again when that is done (`{look}`, AdministrativeActions).",
            )
        engine.reporter.note(f"{doing}; this plan may show it again")


def require_own_function(engine: Engine, names: Names, state: Mapping[str, Any]) -> None:
    """Look whether the settings name the accounting function that the project's database was made through.

    Terraform would drop the database through the old one, job records and all, and make it through the new
    one (`function_name` forces a new aws_lambda_invocation); what protects the records then refuses the plan.
    Raises   InvalidSettings
    """
    wanted = engine.settings.accounting_function
    for one in instances(state):
        if one.type != "aws_lambda_invocation" or not one.address.endswith(".database"):
            continue
        own = one.attributes.get("function_name", wanted)
        if own != wanted:
            raise InvalidSettings(
                f"{names.project} cannot have another accounting function. Nothing was changed.",
                [
                    FieldProblem(
                        "accounting_function",
                        f"is {wanted}, and the project's accounting database was made through {own}",
                        allowed=own,
                    )
                ],
                hint=f"Set accounting_function back to {own}. A function that is made anew in place of that "
                "one must have its name.",
            )


def keep_review(engine: Engine, planned: Planned) -> None:
    """Keep the review beside the project's state, where the service's API reads it. Only operations do:
    a plan that a person looks at and leaves says nothing of the project. Safe to repeat.

    The object   {"operation_id": …, "plan": the review as plan.json has it}
    """
    if engine.duty is None:
        return
    kept = {"operation_id": engine.duty.operation.id, "plan": review_json(planned.review)}
    bucket, key = engine.settings.state_bucket, planned.names.review_key
    buckets.keep_object(engine.cloud, bucket, key, json.dumps(kept).encode())


def plan_again(
    spec: ProjectSpec,
    names: Names,
    folder: Path,
    runner: Runner,
    *,
    sweep: adopt.Sweep | None = None,
    context: Context | None = None,
    policies: Callable[[Mapping[str, Any]], tuple[PolicyResult, ...]] | None = None,
) -> Planned:
    """Plan a workspace that is generated and initialised.

    sweep     what it finds to be there already is imported in place of being made
    context   what the review goes by beside the plan; None: neither costs nor the installation's rules
    policies  says what of the installation's own policies a plan breaks
    """
    plan_file = folder / PLAN_FILE
    result = runner.plan(plan_file)
    shown = runner.show_plan(plan_file)
    while sweep is not None and sweep.finds(shown):
        result = runner.plan(plan_file, replace=sweep.replace)
        shown = runner.show_plan(plan_file)
    if context is not None and policies is not None:
        context = replace(context, policy_results=policies(shown))
    if context is not None and sweep is not None:
        context = replace(context, young=adopt.young_records(sweep.engine, names, shown))
    own_queues = spec.queues is not None
    review = build_review(shown, project=names.project, own_queues=own_queues, context=context)
    for name, text in reports(review).items():
        (folder / name).write_text(text, "utf-8")
    return Planned(spec, names, folder, runner, plan_file, review, result.has_changes)
