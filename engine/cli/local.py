"""`provisioner local`: the local cloud, started, stopped and looked at."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from engine.cli.arguments import json_option, named_values, pass_invocation
from engine.cli.console import note, print_facts, print_json
from engine.cli.invocation import Invocation
from engine.errors import Unreachable

if TYPE_CHECKING:
    from engine.local.control import CloudStatus
    from engine.local.shared_names import SharedNames
    from engine.model.settings import Settings


@click.group(short_help="The local cloud: up, down, status, env.")
def local() -> None:
    """Run the local cloud on this machine: moto's server with FSx, ParallelCluster and more.

    What it holds lives as long as its process. Nothing leaves the loopback address.

    \b
    Examples:
      provisioner local up
      provisioner local status
      provisioner local down
    """


@local.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port [default: a free one].")
@click.option(
    "--duration",
    "durations",
    metavar="NAME=SECONDS",
    multiple=True,
    callback=named_values,
    help="How long things take, e.g. cluster_create_s=600; repeatable.",
)
@click.option("--empty", is_flag=True, help="Without the shared infrastructure, to make it with workspaces/.")
@json_option
@pass_invocation
def up(invocation: Invocation, port: int, durations: dict[str, str], empty: bool, as_json: bool) -> None:
    """Start the local cloud with its shared infrastructure; when it is up already, say where.

    \b
    Examples:
      provisioner local up
      provisioner local up --duration cluster_create_s=600 --duration fsx_create_s=300
      provisioner local up --empty
    """
    from engine.local import control
    from engine.local.durations import Durations

    try:
        wanted = Durations().changed({name: float(seconds) for name, seconds in durations.items()})
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--duration") from error
    status = control.up(
        invocation.home,
        port=port,
        durations=wanted,
        names=shared_names(invocation.settings),
        empty=empty,
    )
    if as_json:
        print_json(_facts(status))
        return
    facts = _facts(status)
    note(f"The local cloud is up at {facts['endpoint']} (process {facts['pid']}).")
    note("provisioner uses it by default. For terraform and the AWS tools by hand:")
    click.echo('eval "$(provisioner local env)"')


@local.command()
@pass_invocation
def down(invocation: Invocation) -> None:
    """Stop the local cloud; everything in it is gone. Not running is fine.

    \b
    Example:
      provisioner local down
    """
    from engine.local import control

    was = control.status(invocation.home)
    control.down(invocation.home)
    note("The local cloud is stopped." if was.state != "stopped" else "The local cloud was not running.")


@local.command()
@json_option
@pass_invocation
def status(invocation: Invocation, as_json: bool) -> None:
    """Say whether the local cloud runs, and where. Exits with 7 when it does not.

    \b
    Examples:
      provisioner local status
      provisioner local status --json | jq -r .endpoint
    """
    from engine.local import control

    found = control.status(invocation.home)
    if as_json:
        print_json(_facts(found))
    else:
        print_facts(_facts(found).items())
    if found.state != "running":
        raise click.exceptions.Exit(Unreachable.exit_code)


@local.command()
@json_option
@pass_invocation
def env(invocation: Invocation, as_json: bool) -> None:
    """Print the environment that points terraform, boto3 and the AWS command line at the local cloud.

    \b
    Example:
      eval "$(provisioner local env)"
    """
    from engine.local import control
    from engine.terraform.toolchain import prepare

    found = control.status(invocation.home)
    tools = prepare(invocation.home, explicit=invocation.settings.terraform, environ=invocation.environ)
    variables = {**control.environment(found), "TF_CLI_CONFIG_FILE": str(tools.cli_config)}
    if as_json:
        print_json(variables)
        return
    for name, value in sorted(variables.items()):
        click.echo(f"export {name}={shlex.quote(value)}")


def _facts(status: CloudStatus) -> dict[str, Any]:
    record = status.record
    return {
        "state": status.state,
        "endpoint": record.endpoint if record else None,
        "pid": record.pid if record else None,
        "detail": status.detail,
    }


def shared_names(settings: Settings) -> SharedNames:
    """Seed what the settings will look for, under the names they will look for."""
    from engine.local.shared_names import SharedNames

    return SharedNames(
        region=settings.region,
        project_cidrs=settings.address_ranges,
        public_bucket=settings.public_bucket,
        nodes_bucket=settings.nodes_bucket,
        accounting_database=settings.accounting_database,
        accounting_function=settings.accounting_function,
        pcluster_version=settings.pcluster_version,
        pcluster_provider_stack=settings.pcluster_provider_stack,
    )
