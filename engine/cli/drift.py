"""The command that looks for what was changed behind the engine's back."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.arguments import ids_from, json_option, pass_invocation
from engine.cli.console import print_json, write_text
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress


@click.command(short_help="What was changed at AWS behind the engine's back.")
@click.argument("projects", metavar="[VLAB/PROJECT]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every project of the registry.")
@json_option
@click.option(
    "--markdown",
    "comment",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as Markdown there, too.",
)
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as one HTML page there, too.",
)
@pass_invocation
def drift(
    invocation: Invocation,
    projects: tuple[str, ...],
    every: bool,
    as_json: bool,
    comment: Path | None,
    page: Path | None,
) -> int:
    """Compare what stands at AWS with how the engine left it: of each VLAB/PROJECT, or of all of them.

    What AWS changes by itself is set aside. Parked projects and those with an operation under way are
    skipped. Nothing is changed or locked. Exits with 0 when there is no drift, with 2 when there is, with 1
    when a project could not be looked at.

    \b
    Examples:
      provisioner drift lab-1/proj-1
      provisioner drift --all --json | jq '.projects[] | select(.standing == "drifted")'
      provisioner drift --all --html drift.html --markdown drift.md
    """
    from engine.operations.drift import drift as operation
    from engine.review.drift_reports import drift_html, drift_json, drift_markdown, drift_text

    if every == bool(projects):
        raise click.UsageError("Name projects, or say --all.")
    ids = None if every else [ids_from(project, invocation) for project in projects]
    with Progress("drift") as progress:
        report = operation(invocation.engine(progress), ids)
    if comment is not None:
        write_text(comment, drift_markdown(report))
    if page is not None:
        write_text(page, drift_html(report))
    if as_json:
        print_json(drift_json(report))
    else:
        click.echo(drift_text(report), nl=False)
    return report.exit_code
