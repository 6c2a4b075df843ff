"""Commands about the ground: setup, settings, refresh-jwks."""

from __future__ import annotations

from collections.abc import Mapping

import click

from engine.cli.arguments import json_option, pass_invocation
from engine.cli.console import print_facts, print_json, print_table
from engine.cli.invocation import Invocation


@click.command(short_help="Find Terraform and the AWS provider, or fetch them.")
@click.option("--print", "wanted", type=click.Choice(["terraform", "config"]), help="Print only that path.")
@pass_invocation
def setup(invocation: Invocation, wanted: str | None) -> None:
    """Find Terraform (>= 1.11, < 2) and a mirror of the AWS provider; download Terraform if there is none.

    \b
    Examples:
      provisioner setup
      provisioner setup --print terraform
    """
    from engine.terraform.toolchain import prepare

    found = prepare(
        invocation.home,
        explicit=invocation.settings.terraform,
        environ=invocation.environ,
        download_missing=True,
    )
    if wanted:
        click.echo(str(found.binary if wanted == "terraform" else found.cli_config))
        return
    print_facts(
        [
            ("Terraform", f"{found.product} {found.version} at {found.binary}"),
            ("AWS provider", found.provider_mirror or "from the registry, cached, when first needed"),
            ("CLI configuration", found.cli_config),
        ]
    )


@click.command(short_help="Show the effective settings and where each came from.")
@json_option
@pass_invocation
def settings(invocation: Invocation, as_json: bool) -> None:
    """Show every setting, its value and its source: default, file, environment or flag.

    \b
    Examples:
      provisioner settings
      PROVISIONER_REGION=eu-central-1 provisioner settings --json
    """
    effective = invocation.effective
    values = effective.settings.values()
    if as_json:
        print_json(
            {name: {"value": value, "source": effective.sources[name]} for name, value in values.items()}
        )
        return
    print_table(
        ["setting", "value", "source"],
        [[name, _shown(value), effective.sources[name]] for name, value in values.items()],
        empty="",
    )


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        value = [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value) or "-"
    return "-" if value is None else str(value)


@click.command(short_help="Hand the identity provider's keys on to the clusters.")
@click.option("--if-set", is_flag=True, help="Where no identity provider is set, that is no error.")
@json_option
@pass_invocation
def refresh_jwks(invocation: Invocation, if_set: bool, as_json: bool) -> None:
    """Fetch the keys that sign tokens of Slurm's REST API, check them, and write them to the nodes bucket.

    Head nodes look there every five minutes. The service's schedule `keys` and a scheduled pipeline do it
    by the clock, and so does every `apply`; run it when a key must not work any more at once.

    \b
    Examples:
      provisioner refresh-jwks
      provisioner refresh-jwks --json
    """
    from engine.cli.progress import Progress
    from engine.operations.token_keys import refresh_keys

    if if_set and not invocation.settings.has_rest_api:
        if as_json:
            print_json({"keys": [], "changed": False})
        else:
            click.echo("No identity provider is set (jwks_url), so there are no keys to refresh.")
        return
    with Progress("keys of tokens") as progress:
        done = refresh_keys(invocation.engine(progress))
    if as_json:
        print_json({"keys": list(done.ids), "changed": done.changed})
        return
    listed = ", ".join(done.ids)
    click.echo(
        f"Keys now: {listed}. Clusters take them over within minutes."
        if done.changed
        else f"Keys as before: {listed}."
    )
