"""The password of a project's accounting."""

from __future__ import annotations

import click

from engine.cli.arguments import ids_from, pass_invocation, project_argument
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.model.aws_commands import update_fleet

# ParallelCluster user guide, "Slurm accounting": what a head node runs when its secret has changed.
_PASSWORD_SCRIPT = "/opt/parallelcluster/scripts/slurm/update_slurm_database_password.sh"


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
        engine = invocation.engine(progress)
        names = operation(engine, vlab_id, project_id)
    stop, start = (
        update_fleet(names.cluster, status, region=engine.settings.region)
        for status in ("STOP_REQUESTED", "START_REQUESTED")
    )
    click.echo(
        f"{names.project} has another accounting password, in the secret {names.accounting_secret}.\n"
        "Now make the cluster read it, with its compute fleet stopped (running jobs end):\n"
        f"  {stop}\n"
        "  on the head node, once the fleet is STOPPED:\n"
        f"    sudo {_PASSWORD_SCRIPT}\n"
        f"  {start}"
    )
