"""Commands for those who run the service: redrive."""

from __future__ import annotations

import click

from engine.cli.arguments import json_option, pass_invocation
from engine.cli.console import print_json, print_table
from engine.cli.invocation import Invocation
from engine.model.names import split_project
from engine.operations.reporting import Silent


@click.command(short_help="Give operations that were given up to the workers again.")
@click.argument("project", metavar="[VLAB/PROJECT]", required=False)
@click.option("--dry-run", is_flag=True, help="Only show them.")
@json_option
@pass_invocation
def redrive(invocation: Invocation, project: str | None, dry_run: bool, as_json: bool) -> None:
    """Move dead letters of the service's queue back to where workers find them: all, or those of one project.

    An operation becomes a dead letter after its worker has died five times, or could not even begin. Find out
    why first (docs/service.md): otherwise it comes back.

    \b
    Examples:
      provisioner redrive --dry-run
      provisioner redrive lab-1/proj-1
    """
    from engine.operations.redrive import redrive as move

    name = "/".join(split_project(project)) if project else None
    found = move(invocation.engine(Silent()), project=name, move=not dry_run)
    if as_json:
        print_json({"dead_letters": [letter.to_dict() for letter in found]})
        return
    print_table(
        ["Project", "Operation", "Tries", "Moved"],
        [
            [
                letter.project or "(names no operation)",
                letter.operation_id,
                str(letter.receives),
                "yes" if letter.moved else "no",
            ]
            for letter in found
        ],
        empty=f"There are no dead letters{f' of {name}' if name else ''}.",
    )
