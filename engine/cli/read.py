"""Commands that only read: status, list, outputs, ssh-key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import ids_from, json_option, pass_invocation, project_argument
from engine.cli.console import note, print_facts, print_json, print_table
from engine.cli.invocation import Invocation
from engine.errors import RequestError
from engine.operations.reporting import Silent

if TYPE_CHECKING:
    from engine.aws.clusters import HeadNode
    from engine.aws.registry import ProjectRecord
    from engine.operations.status import ProjectStatus


@click.command(short_help="What was asked of a project, and what there is.")
@project_argument
@json_option
@pass_invocation
def status(invocation: Invocation, project: str, as_json: bool) -> None:
    """Show VLAB/PROJECT: the registry's record together with what AWS says.

    \b
    Examples:
      provisioner status lab-1/proj-1
      provisioner status lab-1/proj-1 --json
    """
    from engine.operations.status import project_status

    ids = ids_from(project, invocation)
    found = project_status(invocation.engine(Silent()), *ids)
    if as_json:
        print_json(found.to_dict())
        return
    record, cluster = found.record, found.cluster
    print_facts(
        [
            ("Project", record.project),
            ("Phase", str(record.phase)),
            ("Message", record.message),
            ("Data goes", _data_goes(record)),
            ("Tier", found.spec.tier),
            ("Cluster", f"{record.cluster}: {cluster.status or 'none'}"),
            ("ParallelCluster", _release(found)),
            ("Head node", _head_node(cluster.head_node)),
            ("Compute fleet", found.fleet),
            ("Why", "; ".join(found.failure_reasons)),
            ("Lustre", found.lustre),
            ("Bucket", found.bucket),
            ("Address block", found.address),
            ("SSH key secret", found.to_dict()["ssh_key_secret"]),
            (f"SSH key of {found.user}", found.user_key_arn),
            ("Updated", record.updated_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ]
    )


def _data_goes(record: ProjectRecord) -> str:
    from engine.aws.registry import Phase

    if record.phase is Phase.DESTROYING:
        return f"now; `provisioner destroy {record.project} --purge-data` brings that to its end"
    return f"{_day(record)} or later; `provisioner keep` keeps it" if record.purge_at else ""


def _day(record: ProjectRecord) -> str:
    return record.purge_at.strftime("%Y-%m-%d %H:%M UTC") if record.purge_at else ""


def _release(found: ProjectStatus) -> str:
    newer = found.newer_version
    hint = f" (the settings name {newer}: release and apply move the project to it)" if newer else ""
    return (found.cluster.version or "") + hint


def _head_node(node: HeadNode | None) -> str:
    return f"{node.private_ip} ({node.state})" if node else ""


@click.command("list", short_help="Every project.")
@json_option
@pass_invocation
def list_(invocation: Invocation, as_json: bool) -> None:
    """List the projects of the registry with their clusters' status.

    \b
    Examples:
      provisioner list
      provisioner list --json | jq '.projects[].phase'
    """
    from engine.operations.status import list_projects

    projects = list(
        list_projects(
            invocation.engine(Silent()), passed_over=lambda error: note(f"{error.message} {error.hint}")
        )
    )
    if as_json:
        print_json(
            {
                "projects": [
                    {
                        "vlab_id": one.record.vlab_id,
                        "project_id": one.record.project_id,
                        "phase": str(one.record.phase),
                        "tier": one.tier,
                        "storage": one.storage,
                        "cluster": one.record.cluster,
                        "cluster_status": one.cluster_status,
                        "cluster_version": one.cluster_version,
                        "updated_at": one.record.updated_at.isoformat(),
                        "purge_at": one.record.purge_at.isoformat() if one.record.purge_at else None,
                    }
                    for one in projects
                ]
            }
        )
        return
    print_table(
        ["project", "phase", "tier", "storage", "cluster", "release", "status", "updated"],
        [
            [
                one.record.project,
                str(one.record.phase) + (", data goes " + _day(one.record) if one.record.purge_at else ""),
                one.tier or "?",
                one.storage or "?",
                one.record.cluster,
                one.cluster_version or "-",
                one.cluster_status or "-",
                one.record.updated_at.strftime("%Y-%m-%d %H:%M"),
            ]
            for one in projects
        ],
        empty="No projects yet. `provisioner apply SPEC` makes one.",
    )


@click.command(short_help="The Terraform outputs of a project.")
@project_argument
@json_option
@pass_invocation
def outputs(invocation: Invocation, project: str, as_json: bool) -> None:
    """Show the Terraform outputs in the state of VLAB/PROJECT.

    \b
    Examples:
      provisioner outputs lab-1/proj-1
      provisioner outputs lab-1/proj-1 --json | jq -r .head_node_private_ip
    """
    from engine.operations.outputs import project_outputs

    ids = ids_from(project, invocation)
    values = project_outputs(invocation.engine(Silent()), *ids)
    if as_json:
        print_json(values)
    else:
        print_facts(sorted(values.items()))


@click.command("ssh-key", short_help="Fetch a project's private key into a file.")
@project_argument
@click.option(
    "--out", "path", type=click.Path(dir_okay=False, path_type=Path), help="File to write, mode 0600."
)
@click.option("--user", "of_user", is_flag=True, help="The workflow's user instead of the administrators.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@json_option
@pass_invocation
def ssh_key(
    invocation: Invocation, project: str, path: Path | None, of_user: bool, force: bool, as_json: bool
) -> None:
    """Write the private key of VLAB/PROJECT to a file that only you can read.

    The administrators' key opens the image's own user, who may do everything; --user fetches the key of the
    unprivileged one in whose name the workflow works. A key is never printed: without --out the name of its
    secret is shown.

    \b
    Examples:
      provisioner ssh-key lab-1/proj-1 --out ~/.ssh/lab-1-proj-1
      ssh -i ~/.ssh/lab-1-proj-1 ec2-user@HEAD-NODE-ADDRESS
      provisioner ssh-key lab-1/proj-1 --user --out ~/.ssh/lab-1-proj-1-sim
    """
    from engine.aws.keys import read_private_key
    from engine.operations.files import write_private
    from engine.operations.records import record_of

    ids = ids_from(project, invocation)
    engine = invocation.engine(Silent())
    record = record_of(engine, *ids)
    names = engine.names(record.vlab_id, record.project_id)
    secret = names.user_key_secret if of_user else names.key_secret
    if path is None:
        if as_json:
            print_json({"secret": secret, "file": None})
            return
        note(f"The key is in Secrets Manager; --out FILE writes it to a file. Secret of {record.project}:")
        click.echo(secret)
        return
    if path.exists() and not force:
        raise RequestError(f"{path} exists already.", hint="Name another file, or add --force.")
    write_private(path, read_private_key(engine.cloud, secret_name=secret).reveal())
    if as_json:
        print_json({"secret": secret, "file": str(path)})
        return
    note(f"The key of {record.project} is in {path}.")
