"""The command that takes over what stood there before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import pass_invocation, spec_argument, spec_from, yes_option
from engine.cli.console import note
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.cli.reviews import approval

if TYPE_CHECKING:
    from engine.model.spec import ProjectSpec


@click.command(short_help="Take a bucket or a home that exists over into a project.")
@spec_argument
@click.option("--bucket", metavar="NAME", help="The bucket that becomes the project's.")
@click.option(
    "--file-system", "file_systems", metavar="ID", multiple=True, help="The EFS that becomes its home."
)
@click.option("--cluster", metavar="NAME", help="Say what would become of this cluster.")
@yes_option
@pass_invocation
def adopt(
    invocation: Invocation,
    spec: Path,
    bucket: str | None,
    file_systems: tuple[str, ...],
    cluster: str | None,
    yes: bool,
) -> None:
    """Make the project of SPEC with a bucket or an EFS home that exists already, made by hand or otherwise.

    They keep their names, and SPEC must name them from then on (`existing`): the lines are shown. What would
    have to be replaced is refused with the reasons, and so are Lustre file systems and clusters of others.

    \b
    Examples:
      provisioner adopt examples/efs.yaml --bucket genomics-2019
      provisioner adopt examples/efs.yaml --file-system fs-0123456789abcdef0 --yes
    """
    from engine.operations.existing import Asked
    from engine.operations.existing import adopt as operation

    wanted = spec_from(spec, invocation)
    if not (bucket or file_systems or cluster or wanted.existing):
        raise click.UsageError("Name what is to be taken over: --bucket, --file-system or --cluster.")
    with Progress(wanted.project) as progress:
        done = operation(
            invocation.engine(progress),
            wanted,
            Asked(bucket, file_systems, cluster),
            approve=approval(progress, "Take this over, and make the rest?", yes),
            told=_tell,
        )
    click.echo(f"{wanted.project} is ready: cluster {done.cluster.cluster_name}.")


def _tell(spec: ProjectSpec) -> None:
    if spec.existing is None:
        return
    lines = [f"  {name}: {value}" for name, value in spec.existing.model_dump(mode="json").items() if value]
    note("The spec must say from now on:\nexisting:\n" + "\n".join(lines))
