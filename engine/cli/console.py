"""What a person sees: tables, errors, confirmations. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from engine.cli.terminal import styled
from engine.errors import EngineError, NotConfirmed

CHANGES_WAITING_EXIT = 2


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """An aligned table on stdout; the sentence `empty` when there are no rows."""
    cells = [list(row) for row in rows]
    if not cells:
        click.echo(empty)
        return
    widths = [max(len(row[i]) for row in [list(columns), *cells]) for i in range(len(columns))]
    header = "  ".join(name.upper().ljust(width) for name, width in zip(columns, widths, strict=True))
    click.echo(styled(header.rstrip(), bold=True))
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """`name   value` lines on stdout; facts without a value are left out."""
    shown = [(name, value) for name, value in facts if value not in (None, "")]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{styled(name.ljust(width), dim=True)}  {value}")


def print_error(error: EngineError, *, as_json: bool) -> None:
    """An error on stderr: what happened, what to do next, and its code."""
    if as_json:
        click.echo(json.dumps({"error": error.to_dict()}, indent=2, ensure_ascii=False), err=True)
        return
    click.echo(f"{styled('Error:', fg='red', bold=True)} {error.message}", err=True)
    if error.hint:
        click.echo(f"{styled('Next:', bold=True)}  {error.hint}", err=True)
    click.echo(styled(f"[{error.code}]", dim=True), err=True)


def note(text: str) -> None:
    """One line for the person, on stderr."""
    click.echo(text, err=True)


def write_text(path: Path, text: str) -> None:
    """Write a file that the person named.

    Raises   click's FileError, which ends the command as a wrong request
    """
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise click.FileError(str(path), (error.strerror or str(error)).lower()) from error


def confirm(question: str, *, assume_yes: bool) -> None:
    """Ask yes or no on a terminal; without one, --yes is needed.

    Raises   NotConfirmed
    """
    if assume_yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed("Nothing was changed: nobody is here to confirm.", hint="Add --yes.")
    if not click.confirm(question, default=False, err=True):
        raise NotConfirmed("Nothing was changed: not confirmed.")


def confirm_by_name(
    project: str, consequence: str, *, given: str | None, called: str = "the project's name"
) -> None:
    """Ask for the project's name, letter by letter; `given` answers without a terminal.

    called   what it is, where something else than a project's name is to be typed
    Raises   NotConfirmed
    """
    if given is None:
        if not sys.stdin.isatty():
            raise NotConfirmed(
                f"Nothing was changed: {consequence} needs {called} typed.",
                hint=f"Add --confirm {project}.",
            )
        note(consequence)
        given = click.prompt(f"Type {project} to go on", err=True, default="", show_default=False)
    if given != project:
        raise NotConfirmed(
            f"Nothing was changed: '{given}' is not '{project}'.",
            hint=f"Type {called}: {project}.",
        )
