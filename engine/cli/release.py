"""Parking a project: its cluster is given back, its data stays."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.arguments import (
    ids_from,
    pass_invocation,
    project_argument,
    reports_option,
    within_option,
    yes_option,
)
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.cli.reviews import approval, show_review, write_reports


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
