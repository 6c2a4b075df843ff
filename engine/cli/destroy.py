"""Giving a project up, and keeping the data of one that was given up."""

from __future__ import annotations

import click

from engine.cli.arguments import ids_from, pass_invocation, project_argument, within_option
from engine.cli.console import confirm_by_name
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.cli.reviews import approval
from engine.errors import RequestError
from engine.operations.reporting import Silent


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
    from engine.operations.destroy import known_record, may_go
    from engine.operations.records import require_data

    if purge_now and not purge_data:
        raise RequestError("--now goes with --purge-data.", hint="Add --purge-data.")
    vlab_id, project_id = ids_from(project, invocation)
    name = f"{vlab_id}/{project_id}"
    with Progress(name) as progress:
        engine = invocation.engine(progress)
        record = known_record(engine, vlab_id, project_id)
        if record is not None and not purge_data:
            require_data(record)
        at_once = purge_now or (record is not None and may_go(engine, record, purge_now=purge_now))
        if purge_data and at_once:
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
            f"{', '.join(done.kept)}. Until then `provisioner keep {name}` keeps it. "
            "The service deletes it then; without one, the same command does."
        )
    elif done.kept:
        click.echo(f"{name} is destroyed. Kept: {', '.join(done.kept)}; --purge-data deletes them.")
    else:
        click.echo(
            f"{name} is gone, its data too ({done.objects_deleted} object versions). "
            "What AWS Backup has of its home stays until it expires."
        )


@click.command(short_help="Keep the data of a project that was to go.")
@project_argument
@pass_invocation
def keep(invocation: Invocation, project: str) -> None:
    """Take back `destroy --purge-data` of VLAB/PROJECT while its data is still there.

    A purge that is under way ends as called off. A project that is parked stays so; `apply` brings it up.
    Where the purge had begun to give Lustre up without an export, this says so.

    \b
    Example:
      provisioner keep lab-1/proj-1
    """
    from engine.aws.registry import Phase
    from engine.operations.destroy import keep as operation

    vlab_id, project_id = ids_from(project, invocation)
    name = f"{vlab_id}/{project_id}"
    kept = operation(invocation.engine(Silent()), vlab_id, project_id)
    click.echo(f"The data of {name} is kept." if kept.was_to_go else f"The data of {name} was not to go.")
    if kept.lustre:
        click.echo(
            f"That is its bucket and its home. Its Lustre file system {kept.lustre} was being given up "
            "without an export: files that are not in the bucket are gone, or may be."
        )
    if kept.half_parked and kept.at_work:
        click.echo(f"It is being parked to the end (`provisioner status {name}`).")
    elif kept.half_parked:
        click.echo(f"It is half parked: `provisioner release {name}` parks it, `apply` brings it up.")
    elif kept.phase not in (Phase.PARKED, Phase.READY):
        click.echo(f"It is {kept.phase}: `provisioner status {name}` tells more.")
