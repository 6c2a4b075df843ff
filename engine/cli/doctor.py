"""`provisioner doctor`: what is wrong with an account, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import json_option, pass_invocation
from engine.cli.console import note, print_json
from engine.cli.invocation import Invocation
from engine.cli.terminal import styled
from engine.errors import BackendError
from engine.operations.reporting import Silent

if TYPE_CHECKING:
    from engine.aws.checks import Check

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}
_MARK_WIDTH = max(len(level) for level in _COLOURS)


@click.command(short_help="Check that everything a project needs is there, and fit for it.")
@click.option("-a", "--all", "show_all", is_flag=True, help="Show what is ok, too.")
@json_option
@pass_invocation
def doctor(invocation: Invocation, show_all: bool, as_json: bool) -> None:
    """Check tools, backend, shared infrastructure and quotas, each with what to do.

    Exits with 7 if a check failed. Warnings will bite later; they don't change the exit code.

    \b
    Examples:
      provisioner doctor
      provisioner doctor --all
      provisioner --cloud aws doctor --json
    """
    from engine.operations.doctor import examine

    checks = examine(invocation.engine(Silent()))
    failed = [check for check in checks if not check.ok]
    if as_json:
        print_json({"ok": not failed, "checks": [check.to_dict() for check in checks]})
        if failed:
            raise click.exceptions.Exit(BackendError.exit_code)
        return
    _print(checks, show_all=show_all)
    if failed:
        raise BackendError(
            f"{len(failed)} of {len(checks)} checks failed.",
            hint="Mend them from the top, then run this again: what depends on them was left out.",
        )
    warnings = [check for check in checks if check.level == "warning"]
    note(f"Everything is in place{f', with {_warnings(len(warnings))}' if warnings else ''}.")


def _print(checks: Iterable[Check], *, show_all: bool) -> None:
    """A line for each subject, and below it what deserves a look."""
    for subject, group in groupby(checks, key=lambda check: check.subject):
        of_subject = list(group)
        click.echo(f"{styled(subject.ljust(15), bold=True)} {_tally(of_subject)}")
        shown = [check for check in of_subject if show_all or check.level != "ok"]
        # What is mended in one go is told in one go.
        for hint, alike in groupby(shown, key=lambda check: check.hint):
            for check in alike:
                mark = styled(check.level.ljust(_MARK_WIDTH), fg=_COLOURS[check.level])
                click.echo(f"  {mark}  {check.name}: {check.found}")
            if hint:
                click.echo(f"  {' ' * _MARK_WIDTH}  {hint}")


def _tally(checks: Sequence[Check]) -> str:
    """ "8 ok, 1 warning" """
    counts = Counter(str(check.level) for check in checks)
    parts = [
        f"{counts['ok']} ok" if counts["ok"] else "",
        _warnings(counts["warning"]) if counts["warning"] else "",
        f"{counts['failed']} failed" if counts["failed"] else "",
    ]
    return ", ".join(part for part in parts if part)


def _warnings(number: int) -> str:
    return "1 warning" if number == 1 else f"{number} warnings"
