"""From a spec to a saved, reviewed plan in the project's workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from engine.aws import accounting_function, addresses, clusters, preflight
from engine.aws.session import Cloud
from engine.aws.shared_ground import find_shared_ground
from engine.model.names import Names
from engine.model.node_checks import check_nodes
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import chosen_tier, last_tier
from engine.operations import adopt, repair, states
from engine.operations.engine import Engine
from engine.operations.folders import check_folder, write_workspace
from engine.operations.policy import review_context
from engine.operations.user_policies import check_plan
from engine.review.context import Context, PolicyResult
from engine.review.model import Review
from engine.review.plan import build_review
from engine.review.reports import REPORTS, reports
from engine.terraform.runner import Runner
from engine.workspace.imports import named_imports
from engine.workspace.render import module_names, render_workspace
from engine.workspace.stack import Presence

PLAN_FILE = "project.tfplan"


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


def check_ground(engine: Engine, names: Names) -> Engine:
    """Look before anything is changed: Terraform, the backend, and the shared infrastructure.

    Gives    the engine to go on with: on the release of the project's cluster where one stands, since
             AWS lets no cluster go from one provider to another
    A sleeping accounting function is woken up, which takes a minute or two.
    Raises   TerraformMissing, SharedGroundMissing, and what `check_backend` raises
    """
    _ = engine.toolchain
    check_backend(engine)
    engine = on_its_release(engine, names)
    find_shared_ground(engine.cloud, **ground_names(engine))
    if accounting_function.wake(engine.cloud, engine.settings.accounting_function):
        engine.reporter.note("The accounting function had been idle for weeks and is awake again")
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


def check_spec(engine: Engine, spec: ProjectSpec) -> None:
    """Look whether the installation can make what the spec asks for; asks nobody.

    Raises   InvalidSpec
    """
    check_nodes(spec, engine.settings, chosen_tier(engine.catalogue, spec))


def ground_names(engine: Engine) -> dict[str, str]:
    """The names by which the shared infrastructure is looked for."""
    settings = engine.settings
    return {
        "accounting_database": settings.accounting_database,
        "accounting_function": settings.accounting_function,
        "pcluster_provider_stack": settings.pcluster_provider_stack,
        "public_bucket": settings.public_bucket,
        "nodes_bucket": settings.nodes_bucket,
    }


def reserve_block(cloud: Cloud, settings: Settings, project: str, *, now: datetime) -> str:
    """The project's own address block; the same one each time until it is released.

    Raises   NoAddressLeft, NotBootstrapped, BackendError
    """
    claim = addresses.claim_block(
        cloud,
        settings.registry_table,
        ranges=settings.address_ranges,
        prefix_length=settings.address_prefix_length,
        project=project,
        now=now,
        occupied=addresses.occupied_cidrs(cloud),
    )
    return claim.cidr


def write_project(
    engine: Engine, spec: ProjectSpec, presence: Presence, *, folder: Path | None = None
) -> Path:
    """Generate the project's workspace on disk, its address block reserved; gives the folder."""
    names = engine.names_of(spec)
    folder = folder or engine.folder(names)
    # Before a block is reserved: a refusal must leave nothing behind.
    check_folder(folder, spec.vlab_id, spec.project_id)
    # What was made is given back, whatever has become of its tier since.
    tier, cidr = last_tier(engine.catalogue, spec), None
    if presence is Presence.RUNNING:
        cidr = reserve_block(engine.cloud, engine.settings, names.project, now=engine.now())
    files = render_workspace(spec, engine.settings, tier, subnet_cidr=cidr, presence=presence)
    write_workspace(folder, files, module_names(spec, presence))
    return folder


def make_plan(engine: Engine, spec: ProjectSpec, presence: Presence) -> Planned:
    """Generate, initialise, plan into a file, review, and write the reports beside it.

    Raises   what rendering, the registry and Terraform raise; nothing but the reservation of the
             address block was changed then
    """
    names = engine.names_of(spec)
    engine.check()
    engine.reporter.step("Generating the workspace", "PLANNING")
    folder = write_project(engine, spec, presence)
    runner = engine.runner(names)
    engine.reporter.step("Initialising Terraform")
    states.require_sound(engine, names)
    runner.init()
    states.push_errored(engine, names, runner)
    repair.untaint_healthy(engine, names, runner)
    engine.check()
    engine.reporter.step("Planning", "PLANNING")
    sweep = adopt.Sweep(engine, names, runner)
    if spec.existing is not None and presence is not Presence.REMOVED:
        sweep.take_over(named_imports(spec))
    return plan_again(
        spec,
        names,
        folder,
        runner,
        sweep=sweep,
        context=review_context(engine, spec, names),
        # They are for what is made, as all rules of the installation; nothing holds up a release.
        policies=partial(check_plan, engine) if presence is Presence.RUNNING else None,
    )


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
    own_queues = spec.queues is not None
    review = build_review(shown, project=names.project, own_queues=own_queues, context=context)
    for name, text in reports(review).items():
        (folder / name).write_text(text, "utf-8")
    return Planned(spec, names, folder, runner, plan_file, review, result.has_changes)
