"""Planning one project, or many with --all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import json_option, pass_invocation, reports_option, spec_from
from engine.cli.console import CHANGES_WAITING_EXIT, note, print_json, write_text
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.cli.reviews import show_review, write_reports

if TYPE_CHECKING:
    from engine.model.saved_plan import PlanRecord


@click.command(short_help="Show what applying a spec would change.")
@click.argument("spec", required=False, type=click.Path(path_type=Path))
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Plan all specs in the folder SPEC; without one, all that is registered.",
)
@json_option
@click.option("--save", is_flag=True, help="Keep the plan, to be applied by its digest.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the review as one HTML page there, too.",
)
@reports_option
@pass_invocation
def plan(
    invocation: Invocation,
    spec: Path | None,
    every: bool,
    as_json: bool,
    save: bool,
    detailed_exitcode: bool,
    page: Path | None,
    folder: Path | None,
) -> int:
    """Plan SPEC and show the plan as a person reviews it. Changes nothing at AWS but a reservation.

    With --save the plan is kept in the state bucket under a digest, encrypted, with all that it was made
    of; `apply --plan DIGEST` applies exactly that.

    With --all: every spec in a folder and below it, or every project of the registry by the spec it was
    last applied with. Some are planned at a time (setting parallel_projects); one that fails stops no other.

    \b
    Examples:
      provisioner plan examples/lustre.yaml
      provisioner plan examples/lustre.yaml --json | jq .counts
      provisioner plan examples/lustre.yaml --html review.html
      provisioner plan examples/lustre.yaml --save --reports reports
      provisioner plan --all specs/ --detailed-exitcode
      provisioner plan --all --json | jq .totals
    """
    if every:
        if save or page is not None or folder is not None:
            raise click.UsageError(
                "--save, --html and --reports are for one plan; with --all the reports lie in each workspace."
            )
        from engine.cli.many import plan_every

        return plan_every(invocation, spec, as_json=as_json, detailed_exitcode=detailed_exitcode)
    if spec is None:
        raise click.UsageError("Name a spec, or say --all.")
    if spec.is_dir():
        raise click.UsageError(f"{spec} is a folder: --all plans the specs in it.")
    return _plan_one(invocation, spec, as_json, save, detailed_exitcode, page, folder)


def _plan_one(
    invocation: Invocation,
    spec: Path,
    as_json: bool,
    save: bool,
    detailed_exitcode: bool,
    page: Path | None,
    folder: Path | None,
) -> int:
    from engine.operations import provision as operations
    from engine.operations.planning import Purpose
    from engine.operations.saved_plans import plan_and_save
    from engine.review.document import review_json
    from engine.review.html import render_html

    wanted = spec_from(spec, invocation)
    saved: PlanRecord | None = None
    with Progress(wanted.project) as progress:
        engine = invocation.engine(progress)
        if save:
            planned, saved = plan_and_save(engine, wanted)
        else:
            planned = operations.plan(engine, wanted, Purpose.LOOK)
    if page is not None:
        write_text(page, render_html(planned.review))
    if folder is not None:
        write_reports(folder, planned, saved)
    if as_json:
        kept = saved.to_dict(engine.now()) if saved else {}
        named = {name: kept[name] for name in ("digest", "has_changes", "expires_at") if name in kept}
        print_json({**review_json(planned.review), **named})
    else:
        show_review(planned.review)
        note("Reports: " + ", ".join(str(path) for path in planned.reports()))
        if saved is not None:
            click.echo(f"Plan {saved.digest}")
            note(
                f"Good until {saved.expires_at:%Y-%m-%d %H:%M UTC}. Apply it with: "
                f"provisioner apply --plan {saved.digest}"
            )
    return CHANGES_WAITING_EXIT if detailed_exitcode and planned.has_changes else 0
