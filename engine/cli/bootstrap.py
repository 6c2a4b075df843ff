"""`provisioner bootstrap`: what must exist once per account and region."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import json_option, pass_invocation, yes_option
from engine.cli.console import confirm, note, print_json, print_table
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.cli.reviews import show_review

if TYPE_CHECKING:
    from engine.aws.steps import Step
    from engine.review.model import Review


@click.command(short_help="Make the state bucket, the tables, the key and the image repository.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and change nothing.")
@yes_option
@json_option
@pass_invocation
def bootstrap(invocation: Invocation, only_plan: bool, yes: bool, as_json: bool) -> None:
    """Make what must exist once per account and region, or put right what has drifted; safe to repeat.

    Runs the Terraform root workspaces/bootstrap: plans, shows the plan, asks, and applies exactly that
    plan. What is there already is adopted. In the local cloud nobody is asked.

    \b
    Examples:
      provisioner bootstrap
      provisioner --cloud aws --region eu-central-1 bootstrap --plan
      provisioner --cloud aws --region eu-central-1 bootstrap --yes
    """
    from engine.operations import bootstrap as operations

    def approve(review: Review) -> None:
        if invocation.settings.cloud == "local":
            return
        with progress.paused():
            show_review(review, err=as_json)
            confirm("Apply this plan?", assume_yes=yes)

    with Progress(operations.NAME) as progress:
        engine = invocation.engine(progress)
        if only_plan:
            planned = operations.plan_backend(engine)
        else:
            done = operations.bootstrap(engine, approve=approve)
    if only_plan:
        _show_plan(planned.review, as_json=as_json)
    elif as_json:
        steps = [{"name": step.name, "outcome": step.outcome} for step in done.steps]
        print_json({"steps": steps, "backend_file": done.backend_file})
    else:
        print_steps(done.steps)
        note(f"For other Terraform roots: terraform init -backend-config={done.backend_file}")


def print_steps(steps: Iterable[Step]) -> None:
    """What was made, mended or left alone, as a table on stdout."""
    print_table(["what", "outcome"], [[step.name, str(step.outcome)] for step in steps], empty="")


def _show_plan(review: Review, *, as_json: bool) -> None:
    from engine.review.document import review_json

    if as_json:
        print_json(review_json(review))
    else:
        show_review(review)
