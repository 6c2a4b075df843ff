"""The command that looks for what belongs to nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import json_option, pass_invocation, yes_option
from engine.cli.console import CHANGES_WAITING_EXIT, confirm, confirm_by_name, note, print_json, print_table
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.errors import RequestError

if TYPE_CHECKING:
    from engine.errors import EngineError
    from engine.operations.orphans import Orphan


@click.command(short_help="What carries a project's tags and belongs to nobody.")
@click.option("--adopt", "adopting", is_flag=True, help="Import what fits a project into its state.")
@click.option("--delete", "deleting", is_flag=True, help="Delete it. Asks for the account to be typed.")
@click.option("--purge-data", is_flag=True, help="With --delete: buckets, file systems and job records too.")
@click.option("--confirm", "confirmed", metavar="ACCOUNT", help="The account's number, instead of typing it.")
@yes_option
@json_option
@pass_invocation
def orphans(
    invocation: Invocation,
    adopting: bool,
    deleting: bool,
    purge_data: bool,
    confirmed: str | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Compare the tags in the account with the registry and the states of the projects.

    Without an option nothing is changed. Exits with 2 when something is left that belongs to nobody. A
    project whose record or state cannot be read, or that cannot be taken in, is passed over; its error is
    told at the end, with the exit code of that.

    \b
    Examples:
      provisioner orphans
      provisioner orphans --json | jq '.orphans[].id'
      provisioner orphans --adopt
      provisioner orphans --delete --confirm 123456789012
    """
    if adopting and deleting:
        raise RequestError("--adopt and --delete exclude each other.", hint="Adopt first, delete the rest.")
    if purge_data and not deleting:
        raise RequestError("--purge-data says what --delete may delete.", hint="Add --delete.")
    if yes and not adopting:
        raise click.UsageError("--yes goes with --adopt; --delete takes --confirm ACCOUNT.")
    if confirmed is not None and not deleting:
        raise click.UsageError("--confirm goes with --delete; --adopt takes --yes.")

    from engine.operations import orphans as operations

    unread: list[EngineError] = []
    refused: list[EngineError] = []
    with Progress("orphans") as progress:
        engine = invocation.engine(progress)
        progress.step("Looking at everything that carries a project's tags")
        found = operations.find_orphans(engine, unread=unread)
        if not (as_json and (adopting or deleting)):  # one document on stdout: what is left in the end
            with progress.paused():
                _show(found, as_json=as_json)
        if found and adopting:
            with progress.paused():
                confirm("Import them into the states of their projects?", assume_yes=yes)
            for address in operations.adopt(engine, found, refused=refused):
                note(f"Taken in: {address}")
        if found and deleting:
            account = engine.settings.require_account()
            data = " with all the data they hold" if purge_data else ""
            with progress.paused():
                confirm_by_name(
                    account,
                    f"Deleting them for good{data}, in account {account},",
                    given=confirmed,
                    called="the account's number",
                )
            done = operations.delete(engine, found, purge_data=purge_data)
            for orphan in done.gone:
                note(f"Deleted: {_name(orphan)}")
            for orphan, reason in done.kept:
                note(f"Kept: {_name(orphan)}: {reason}")
        left = operations.find_orphans(engine) if found and (adopting or deleting) else found
    if as_json and (adopting or deleting):
        _show(left, as_json=True)
    if troubles := [*unread, *refused]:
        raise troubles[0]  # told at the end, so that it hides nobody's orphans
    return CHANGES_WAITING_EXIT if left else 0


def _show(found: list[Orphan], *, as_json: bool) -> None:
    now = datetime.now(UTC)
    if as_json:
        print_json({"orphans": [orphan.to_dict(now) for orphan in found]})
        return
    print_table(
        ["project", "kind", "what", "why", "age", "usd/h"],
        [
            [
                orphan.thing.project,
                orphan.thing.kind,
                _short(orphan),
                " ".join([str(orphan.why), *_marks(orphan)]),
                _age(orphan.age_s(now)),
                "unknown" if orphan.cost_usd_per_hour is None else f"{orphan.cost_usd_per_hour:.4f}",
            ]
            for orphan in found
        ],
        empty="Nothing that carries a project's tags belongs to nobody.",
    )


def _marks(orphan: Orphan) -> list[str]:
    marks = {"(under way)": orphan.under_way, "(taken over)": orphan.taken_over}
    return [mark for mark, has in marks.items() if has]


def _short(orphan: Orphan) -> str:
    """An id that says something, or the name where the id is an ARN."""
    return orphan.thing.name if orphan.thing.id.startswith("arn:") else orphan.thing.id


def _name(orphan: Orphan) -> str:
    return f"{orphan.thing.kind} {_short(orphan)} of {orphan.thing.project}"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"
