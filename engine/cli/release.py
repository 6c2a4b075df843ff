"""Parking a project: its cluster is given back, its data stays."""

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
    within_option,
    yes_option,
)
from engine.cli.console import confirm, print_json
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.cli.reviews import approval, show_review, write_no_plan, write_reports
from engine.errors import UnknownProject

if TYPE_CHECKING:
    from engine.operations.engine import Engine


@click.command(short_help="Park a project: give the cluster back, keep the data.")
@project_argument
@yes_option
@within_option
@click.option("--skip-export", metavar="REASON", help="Let Lustre go without exporting it; say why.")
@click.option(
    "--if-there", is_flag=True, help="Where nothing was made, that is no error; forget what was only planned."
)
@click.option("--dry-run", is_flag=True, help="Show what it would change, and change nothing.")
@reports_option
@json_option
@pass_invocation
def release(
    invocation: Invocation,
    project: str,
    yes: bool,
    within_s: float | None,
    skip_export: str | None,
    if_there: bool,
    dry_run: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Remove all of VLAB/PROJECT that costs by the hour; its bucket and EFS home stay.

    The cluster goes first, then what is in /data/project/private on Lustre is exported to the bucket and
    the export is checked, then the file system goes, and with it the files in /data/scratch. With storage efs
    these are in the home, and stay. `apply` brings the project back.
    With --if-there what was never made is no error, and what was only planned is forgotten.

    \b
    Examples:
      provisioner release lab-1/proj-1
      provisioner release lab-1/proj-1 --yes
      provisioner release lab-1/proj-1 --dry-run
      provisioner release lab-1/proj-1 --dry-run --json | jq .counts
    """
    if dry_run and (skip_export is not None or within_s is not None):
        raise click.UsageError("--dry-run changes nothing: --skip-export and --within go with a release.")
    if folder is not None and not dry_run:
        raise click.UsageError("--reports goes with --dry-run.")
    if as_json and not dry_run:
        raise click.UsageError(
            "--json goes with --dry-run; `status` and `operations` tell how a release went."
        )

    from engine.operations.release import NothingToRelease, plan_release
    from engine.operations.release import release as operation
    from engine.review.document import review_json

    vlab_id, project_id = ids_from(project, invocation)
    with Progress(f"{vlab_id}/{project_id}") as progress:
        engine = invocation.engine(progress)
        try:
            if dry_run:
                planned = plan_release(engine, vlab_id, project_id)
                with progress.paused():
                    if as_json:
                        print_json(review_json(planned.review))
                    else:
                        show_review(planned.review)
                if folder is not None:
                    write_reports(folder, planned)
                return
            done = operation(
                engine,
                vlab_id,
                project_id,
                approve=approval(progress, "Release the cluster?", yes),
                skip_export=skip_export,
                within_s=within_s,
            )
        except (UnknownProject, NothingToRelease) as error:
            if not if_there:
                raise
            said = error.message
            if isinstance(error, UnknownProject):
                said += " There is nothing to release."
            elif not dry_run:
                _forget(engine, progress, vlab_id, project_id, yes=yes)
                said += " It is forgotten."
            if dry_run and folder is not None:
                write_no_plan(folder, said)
            with progress.paused():
                if as_json:
                    print_json({"nothing_to_do": True, "summary": said})
                else:
                    click.echo(said)
            return
    if done.export.task_id:
        click.echo(f"{done.export.files} files exported from Lustre (task {done.export.task_id}).")
    names = done.planned.names
    click.echo(f"{names.project} is parked. Kept: bucket {names.bucket}, EFS home {names.efs}.")


def _forget(engine: Engine, progress: Progress, vlab_id: str, project_id: str, *, yes: bool) -> None:
    """Give up a project that was only planned. What was made of it since is released first, and asked for."""
    from engine.operations.destroy import destroy

    with progress.paused():
        confirm(f"{vlab_id}/{project_id} was only planned. Forget it?", assume_yes=yes)
    approve = approval(progress, "Release the cluster?", yes)
    destroy(engine, vlab_id, project_id, purge_data=False, approve=approve)
