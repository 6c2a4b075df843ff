"""Writing a project's Terraform workspace into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import pass_invocation, spec_argument, spec_from
from engine.cli.console import note
from engine.cli.invocation import Invocation
from engine.errors import AccessDenied, NotBootstrapped, Unreachable

if TYPE_CHECKING:
    from engine.model.settings import Settings
    from engine.model.spec import ProjectSpec
    from engine.model.tiers import Tier


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
    from engine.model.tiers import chosen_tier
    from engine.operations.folders import check_folder, write_workspace
    from engine.workspace.render import module_names, render_workspace
    from engine.workspace.stack import Presence

    wanted = spec_from(spec, invocation)
    settings = invocation.settings
    check_folder(folder, wanted.vlab_id, wanted.project_id)
    presence = Presence.PARKED if parked else Presence.RUNNING
    tier = chosen_tier(invocation.catalogue, wanted)
    names = names_for(wanted.vlab_id, wanted.project_id, account_id=settings.require_account())
    if subnet_cidr is None and not offline and not parked:
        subnet_cidr, settings = _known_to_aws(invocation, wanted, tier, settings)
    files = render_workspace(wanted, settings, tier, subnet_cidr=subnet_cidr, presence=presence)
    write_workspace(folder, files, module_names(wanted, presence))
    note(f"{wanted.project} ({names.cluster}) written to {folder}")
    click.echo(str(folder))


def _known_to_aws(
    invocation: Invocation, spec: ProjectSpec, tier: Tier, settings: Settings
) -> tuple[str | None, Settings]:
    """The project's address block, and the settings on its cluster's release; what can be had of them.

    Raises   InvalidSpec for nodes that can't be made on that release, before a block is reserved
    """
    from engine.aws.clusters import standing_version
    from engine.model.node_checks import check_nodes
    from engine.operations.place import connect
    from engine.operations.planning import reserve_block

    try:
        cloud, connected = connect(invocation.reachable_settings())
        cloud = cloud.impatient()
        version = standing_version(cloud, spec.names(connected.require_account()).cluster)
        settings = settings.of_release(version or settings.pcluster_version)
        check_nodes(spec, settings, tier)
        block = reserve_block(cloud, connected, spec.project, now=cloud.now())
    except (Unreachable, AccessDenied, NotBootstrapped) as error:
        note(f"No address block is reserved ({error.message.splitlines()[0]}): subnet_cidr is left open.")
        return None, settings
    return block, settings
