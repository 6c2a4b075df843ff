"""Commands that plan or change a project: render, plan, apply, release, destroy, keep, rotate-password."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import (
    ids_from,
    json_option,
    pass_invocation,
    project_argument,
    reports_option,
    spec_argument,
    spec_from,
    within_option,
    yes_option,
)
from engine.cli.console import confirm, confirm_by_name, note, print_json, write_text
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.errors import AccessDenied, NotBootstrapped, RequestError, Unreachable
from engine.operations.reporting import Silent

if TYPE_CHECKING:
    from engine.model.names import Names
    from engine.model.saved_plan import PlanRecord
    from engine.model.settings import Settings
    from engine.operations.planning import Planned
    from engine.operations.provision import Approve, Provisioned
    from engine.review.model import Review

CHANGES_WAITING_EXIT = 2
# ParallelCluster user guide, "Slurm accounting": what a head node runs when its secret has changed.
_PASSWORD_SCRIPT = "/opt/parallelcluster/scripts/slurm/update_slurm_database_password.sh"


@click.command(short_help="Write a project's Terraform workspace.")
@spec_argument
@click.option(
    "--out", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder."
)
@click.option("--parked", is_flag=True, help="Write it parked: data only.")
@click.option("--subnet-cidr", metavar="CIDR", help="Use this address block instead of asking the registry.")
@click.option("--offline", is_flag=True, help="Ask nobody; the address block is left open.")
@pass_invocation
def render(
    invocation: Invocation, spec: Path, folder: Path, parked: bool, subnet_cidr: str | None, offline: bool
) -> None:
    """Write the complete Terraform workspace of SPEC into a folder.

    The result is plain Terraform: `terraform init && terraform plan` works there without the engine.
    The project's address block is taken from the registry (and reserved if it is new); where the
    registry can't be reached, the block is left open and a note says so.

    \b
    Examples:
      provisioner render examples/lustre.yaml --out /tmp/lab-1
      provisioner render examples/efs.yaml --out /tmp/lab-2 --subnet-cidr 10.42.64.0/24
    """
    from engine.model.names import names_for
    from engine.model.node_checks import check_nodes
    from engine.model.tiers import chosen_tier
    from engine.operations.folders import check_folder, write_workspace
    from engine.workspace.render import module_names, render_workspace
    from engine.workspace.stack import Presence

    wanted = spec_from(spec, invocation)
    settings = invocation.settings
    check_folder(folder, wanted.vlab_id, wanted.project_id)
    presence = Presence.PARKED if parked else Presence.RUNNING
    tier = chosen_tier(invocation.catalogue, wanted)
    if not parked:
        check_nodes(wanted, settings, tier)
    names = names_for(wanted.vlab_id, wanted.project_id, account_id=settings.require_account())
    if subnet_cidr is None and not offline and not parked:
        subnet_cidr, settings = _known_to_aws(invocation, names, settings)
    files = render_workspace(wanted, settings, tier, subnet_cidr=subnet_cidr, presence=presence)
    write_workspace(folder, files, module_names(wanted, presence))
    note(f"{wanted.project} ({names.cluster}) written to {folder}")
    click.echo(str(folder))


def _known_to_aws(invocation: Invocation, names: Names, settings: Settings) -> tuple[str | None, Settings]:
    """The project's address block, and the settings on its cluster's release; what can be had of them."""
    from datetime import UTC, datetime

    from engine.aws.clusters import standing_version
    from engine.operations.place import connect
    from engine.operations.planning import reserve_block

    try:
        cloud, connected = connect(invocation.reachable_settings())
        cloud = cloud.impatient()
        version = standing_version(cloud, names.cluster)
        block = reserve_block(cloud, connected, names.project, now=datetime.now(UTC))
    except (Unreachable, AccessDenied, NotBootstrapped) as error:
        note(f"No address block is reserved ({error.message.splitlines()[0]}): subnet_cidr is left open.")
        return None, settings
    return block, settings.of_release(version) if version else settings


@click.command(short_help="Show what applying a spec would change.")
@click.argument("spec", required=False, type=click.Path(path_type=Path))
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Plan all specs in the folder SPEC; without one, all that is registered.",
)
@json_option
@click.option("--save", is_flag=True, help="Keep the plan, to be applied by its digest.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the review as one HTML page there, too.",
)
@reports_option
@pass_invocation
def plan(
    invocation: Invocation,
    spec: Path | None,
    every: bool,
    as_json: bool,
    save: bool,
    detailed_exitcode: bool,
    page: Path | None,
    folder: Path | None,
) -> int:
    """Plan SPEC and show the plan as a person reviews it. Changes nothing at AWS but a reservation.

    With --save the plan is kept in the state bucket under a digest, encrypted, with all that it was made
    of; `apply --plan DIGEST` applies exactly that.

    With --all: every spec in a folder and below it, or every project of the registry by the spec it was
    last applied with. Some are planned at a time (setting parallel_projects); one that fails stops no other.

    \b
    Examples:
      provisioner plan examples/lustre.yaml
      provisioner plan examples/lustre.yaml --json | jq .counts
      provisioner plan examples/lustre.yaml --html review.html
      provisioner plan examples/lustre.yaml --save --reports reports
      provisioner plan --all specs/ --detailed-exitcode
      provisioner plan --all --json | jq .totals
    """
    if every:
        if save or page is not None or folder is not None:
            raise click.UsageError(
                "--save, --html and --reports are for one plan; with --all the reports lie in each workspace."
            )
        from engine.cli.many import plan_every

        return plan_every(invocation, spec, as_json=as_json, detailed_exitcode=detailed_exitcode)
    if spec is None:
        raise click.UsageError("Name a spec, or say --all.")
    if spec.is_dir():
        raise click.UsageError(f"{spec} is a folder: --all plans the specs in it.")
    return _plan_one(invocation, spec, as_json, save, detailed_exitcode, page, folder)


def _plan_one(
    invocation: Invocation,
    spec: Path,
    as_json: bool,
    save: bool,
    detailed_exitcode: bool,
    page: Path | None,
    folder: Path | None,
) -> int:
    from engine.operations import provision as operations
    from engine.operations.saved_plans import plan_and_save
    from engine.review.document import review_json
    from engine.review.html import render_html

    wanted = spec_from(spec, invocation)
    saved: PlanRecord | None = None
    with Progress(wanted.project) as progress:
        engine = invocation.engine(progress)
        if save:
            planned, saved = plan_and_save(engine, wanted)
        else:
            planned = operations.plan(engine, wanted)
    if page is not None:
        write_text(page, render_html(planned.review))
    if folder is not None:
        write_reports(folder, planned, saved)
    if as_json:
        kept = saved.to_dict(engine.now()) if saved else {}
        named = {name: kept[name] for name in ("digest", "has_changes", "expires_at") if name in kept}
        print_json({**review_json(planned.review), **named})
    else:
        show_review(planned.review)
        _show_reports(planned)
        if saved is not None:
            click.echo(f"Plan {saved.digest}")
            note(
                f"Good until {saved.expires_at:%Y-%m-%d %H:%M UTC}. Apply it with: "
                f"provisioner apply --plan {saved.digest}"
            )
    return CHANGES_WAITING_EXIT if detailed_exitcode and planned.has_changes else 0


@click.command(short_help="Make a project what its spec says.")
@click.argument("spec", metavar="[SPEC]", required=False)
@click.option("--plan", "digest", metavar="DIGEST", help="Apply exactly this saved plan.")
@click.option("--approved-by", metavar="NAME", help="Record that this person approved the saved plan.")
@yes_option
@within_option
@pass_invocation
def apply(
    invocation: Invocation,
    spec: str | None,
    digest: str | None,
    approved_by: str | None,
    yes: bool,
    within_s: float | None,
) -> None:
    """Plan SPEC, show the plan, ask, and apply exactly that plan. Repeating it changes nothing.

    With --plan, a plan that `plan --save` kept is applied instead, once, and nothing is planned anew. SPEC
    (or VLAB/PROJECT) is then what the plan must be of. It is refused where state, spec, modules, engine or
    provider have moved since. A plan that was approved is not asked about again.

    Ctrl-C stops Terraform gracefully; the same command goes on from there (with --plan: plan again).

    \b
    Examples:
      provisioner apply examples/lustre.yaml
      provisioner apply examples/lustre.yaml --yes
      provisioner apply --plan sha256:DIGEST --approved-by ada@example.org
      provisioner apply examples/lustre.yaml --plan sha256:DIGEST
    """
    if digest is None:
        if spec is None:
            raise click.UsageError("Name a SPEC, or a saved plan with --plan.")
        if approved_by is not None:
            raise click.UsageError("--approved-by goes with --plan: what is approved is a saved plan.")
        _apply_spec(invocation, Path(spec), yes, within_s)
    else:
        _apply_saved(invocation, spec, digest, approved_by, yes, within_s)


def _apply_spec(invocation: Invocation, spec: Path, yes: bool, within_s: float | None) -> None:
    from engine.operations.provision import provision

    wanted = spec_from(spec, invocation)
    with Progress(wanted.project) as progress:
        done = provision(
            invocation.engine(progress),
            wanted,
            approve=approval(progress, "Apply this plan?", yes),
            within_s=within_s,
        )
    _show_applied(done)


def _apply_saved(
    invocation: Invocation,
    spec: str | None,
    digest: str,
    approved_by: str | None,
    yes: bool,
    within_s: float | None,
) -> None:
    from engine.operations.saved_plans import apply_plan

    wanted = spec_from(Path(spec), invocation) if spec and Path(spec).is_file() else None
    project = "/".join(ids_from(spec, invocation)) if spec and wanted is None else None
    with Progress(project or (wanted.project if wanted else "saved plan")) as progress:
        done = apply_plan(
            invocation.engine(progress),
            digest,
            approve=approval(progress, "Apply this plan?", yes),
            spec=wanted,
            project=project,
            approved_by=approved_by,
            within_s=within_s,
        )
    _show_applied(done)


def _show_applied(done: Provisioned) -> None:
    project, cluster = done.planned.names.project, done.cluster
    click.echo(
        f"{project} is ready: cluster {cluster.cluster_name}, head node {cluster.head_node_private_ip}."
        if done.changed
        else f"{project} is as its spec says; nothing to do."
    )
    if done.changed:
        note(f"Key: provisioner ssh-key {project} --out KEYFILE")


@click.command(short_help="Park a project: give the cluster back, keep the data.")
@project_argument
@yes_option
@within_option
@click.option("--skip-export", metavar="REASON", help="Let Lustre go without exporting it; say why.")
@click.option("--dry-run", is_flag=True, help="Show what it would change, and change nothing.")
@reports_option
@pass_invocation
def release(
    invocation: Invocation,
    project: str,
    yes: bool,
    within_s: float | None,
    skip_export: str | None,
    dry_run: bool,
    folder: Path | None,
) -> None:
    """Remove all of VLAB/PROJECT that costs by the hour; its bucket and EFS home stay.

    The cluster goes first, then /project/private on Lustre is exported to the bucket and the export
    is checked, then the file system goes. Files in /scratch are not kept. `apply` brings it back.

    \b
    Examples:
      provisioner release lab-1/proj-1
      provisioner release lab-1/proj-1 --yes
      provisioner release lab-1/proj-1 --dry-run
    """
    from engine.operations.release import plan_release
    from engine.operations.release import release as operation

    vlab_id, project_id = ids_from(project, invocation)
    with Progress(f"{vlab_id}/{project_id}") as progress:
        if dry_run:
            planned = plan_release(invocation.engine(progress), vlab_id, project_id)
            with progress.paused():
                show_review(planned.review)
            if folder is not None:
                write_reports(folder, planned)
            return
        done = operation(
            invocation.engine(progress),
            vlab_id,
            project_id,
            approve=approval(progress, "Release the cluster?", yes),
            skip_export=skip_export,
            within_s=within_s,
        )
    if done.export.task_id:
        click.echo(f"{done.export.files} files exported from Lustre (task {done.export.task_id}).")
    names = done.planned.names
    click.echo(f"{names.project} is parked. Kept: bucket {names.bucket}, EFS home {names.efs}.")


@click.command(short_help="Give a project up; with --purge-data its data too.")
@project_argument
@click.option(
    "--purge-data",
    is_flag=True,
    help="Delete the bucket, the home and the state as well, some days later (purge_grace_days).",
)
@click.option("--now", "purge_now", is_flag=True, help="With --purge-data: at once.")
@click.option(
    "--confirm", "confirmed", metavar="VLAB/PROJECT", help="The project's name, instead of typing it."
)
@click.option("--skip-export", metavar="REASON", help="Let Lustre go without exporting it; say why.")
@within_option
@pass_invocation
def destroy(
    invocation: Invocation,
    project: str,
    purge_data: bool,
    purge_now: bool,
    confirmed: str | None,
    skip_export: str | None,
    within_s: float | None,
) -> None:
    """Remove VLAB/PROJECT. Asks for the project's name to be typed.

    Without --purge-data the bucket and the EFS home stay, as after `release`. With it they are marked, and go
    when this is run again after purge_grace_days; a service does that by itself. Until then `keep`, or
    another apply, keeps them. With --now they go at once.

    \b
    Examples:
      provisioner destroy lab-1/proj-1
      provisioner destroy lab-1/proj-1 --purge-data
      provisioner destroy lab-1/proj-1 --purge-data --now --confirm lab-1/proj-1
    """
    from engine.operations.destroy import destroy as operation
    from engine.operations.destroy import known_record

    if purge_now and not purge_data:
        raise RequestError("--now goes with --purge-data.", hint="Add --purge-data.")
    vlab_id, project_id = ids_from(project, invocation)
    name = f"{vlab_id}/{project_id}"
    with Progress(name) as progress:
        engine = invocation.engine(progress)
        record = known_record(engine, vlab_id, project_id)
        due = record is not None and record.purge_at is not None and record.purge_at <= engine.now()
        if purge_now or (purge_data and due):
            consequence = f"Destroying {name} for good, with every file in its bucket and its home,"
        elif purge_data:
            days = engine.settings.purge_grace_days
            consequence = f"Destroying {name}, and in {days} days every file in its bucket and its home,"
        else:
            consequence = f"Destroying {name} (its bucket and home stay)"
        with progress.paused():
            confirm_by_name(name, consequence, given=confirmed)
        done = operation(
            engine,
            vlab_id,
            project_id,
            purge_data=purge_data,
            purge_now=purge_now,
            approve=approval(progress, "", assume_yes=True),
            skip_export=skip_export,
            within_s=within_s,
        )
    if done.purge_at:
        click.echo(
            f"{name} is parked. Its data goes at {done.purge_at:%Y-%m-%d %H:%M} UTC or later: "
            f"{', '.join(done.kept)}. Until then `provisioner keep {name}` keeps it."
        )
    elif done.kept:
        click.echo(f"{name} is destroyed. Kept: {', '.join(done.kept)}; --purge-data deletes them.")
    else:
        click.echo(f"{name} is gone, its data too ({done.objects_deleted} object versions).")


@click.command(short_help="Keep the data of a project that was to go.")
@project_argument
@pass_invocation
def keep(invocation: Invocation, project: str) -> None:
    """Take back `destroy --purge-data` of VLAB/PROJECT while its data is still there.

    The project stays parked; `apply` brings it up again.

    \b
    Example:
      provisioner keep lab-1/proj-1
    """
    from engine.operations.destroy import keep as operation

    vlab_id, project_id = ids_from(project, invocation)
    name = f"{vlab_id}/{project_id}"
    kept = operation(invocation.engine(Silent()), vlab_id, project_id)
    click.echo(f"The data of {name} is kept." if kept else f"The data of {name} was not to go.")


@click.command("rotate-password", short_help="Give a project's accounting another password.")
@project_argument
@pass_invocation
def rotate_password(invocation: Invocation, project: str) -> None:
    """Change the password with which the cluster of VLAB/PROJECT logs in to its accounting database.

    The old password is refused from then on. The cluster goes on as long as its sessions last; the
    commands that are shown make it read the new one. The password itself is never printed.

    \b
    Example:
      provisioner rotate-password lab-1/proj-1
    """
    from engine.operations.accounting import rotate_password as operation

    vlab_id, project_id = ids_from(project, invocation)
    with Progress(f"{vlab_id}/{project_id}") as progress:
        names = operation(invocation.engine(progress), vlab_id, project_id)
    click.echo(
        f"{names.project} has another accounting password, in the secret {names.accounting_secret}.\n"
        "Now make the cluster read it, with its compute fleet stopped (running jobs end):\n"
        f"  pcluster update-compute-fleet --cluster-name {names.cluster} --status STOP_REQUESTED\n"
        "  on the head node, once the fleet is STOPPED:\n"
        f"    sudo {_PASSWORD_SCRIPT}\n"
        f"  pcluster update-compute-fleet --cluster-name {names.cluster} --status START_REQUESTED"
    )


def show_review(review: Review, *, err: bool = False) -> None:
    """The review on stdout (or stderr), coloured on a terminal only."""
    import shutil
    import sys

    from engine.review.text import render_text

    width = min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)
    stream = sys.stderr if err else sys.stdout
    click.echo(render_text(review, width=width, colour=stream.isatty()), err=err)


def write_reports(folder: Path, planned: Planned, saved: PlanRecord | None = None) -> None:
    """Every report of the review as a file of that folder, and the digest of a plan that was saved."""
    from engine.gitlab.pipeline import DIGEST_FILE
    from engine.review.reports import reports

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.FileError(str(folder), (error.strerror or str(error)).lower()) from error
    for name, text in reports(planned.review).items():
        write_text(folder / name, text)
    if saved is not None:
        write_text(folder / DIGEST_FILE, saved.digest + "\n")


def _show_reports(planned: Planned) -> None:
    note("Reports: " + ", ".join(str(path) for path in planned.reports()))


def approval(progress: Progress, question: str, assume_yes: bool) -> Approve:
    """Shows the review, and asks."""

    def approve(review: Review) -> None:
        with progress.paused():
            show_review(review)
            confirm(question, assume_yes=assume_yes)

    return approve
