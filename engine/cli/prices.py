"""The command that asks AWS for today's prices."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.arguments import pass_invocation
from engine.cli.console import note, write_text
from engine.cli.invocation import Invocation
from engine.errors import NotConfirmed


@click.command(short_help="Write a price table from the AWS Price List API.")
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; the setting `prices` names it afterwards.",
)
@click.option(
    "--in-region",
    "regions",
    multiple=True,
    metavar="REGION",
    help="Another region's prices, too; repeatable.",
)
@pass_invocation
def prices(invocation: Invocation, out: Path, regions: tuple[str, ...]) -> None:
    """Ask AWS what instances, volumes, database servers and secrets cost today, and write a price table.

    Needs --cloud aws and the permission pricing:GetProducts. What AWS is not asked for, or gives no single
    price for, keeps the price of the built-in table.

    \b
    Examples:
      provisioner prices --out prices.yaml
      provisioner --cloud aws -s prices=prices.yaml plan examples/lustre.yaml
    """
    from engine.aws.prices import REGION, refresh
    from engine.aws.session import Cloud
    from engine.model.prices import dump_prices, load_prices

    settings = invocation.settings
    if settings.cloud != "aws":
        raise NotConfirmed(
            "The local cloud has no prices.", hint="Say --cloud aws to ask the Price List API of AWS."
        )
    cloud = Cloud(region=REGION, endpoint_url=settings.endpoint_url)
    wanted = tuple(dict.fromkeys([settings.region, *regions]))
    found = refresh(cloud, load_prices(), wanted)
    write_text(out, dump_prices(found.table, heading="Written by `provisioner prices`."))
    click.echo(f"{len(found.table.all())} prices of {', '.join(wanted)} written to {out}.")
    if found.missing:
        note(f"AWS gave no single price for {len(found.missing)}: {', '.join(found.missing[:12])} ...")
