"""The review of a plan at a terminal and in files, and the question that follows it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.console import confirm, write_text
from engine.cli.progress import Progress
from engine.cli.terminal import in_colour

if TYPE_CHECKING:
    from engine.model.saved_plan import PlanRecord
    from engine.operations.planning import Planned
    from engine.operations.provision import Approve
    from engine.review.model import Review


def show_review(review: Review, *, err: bool = False) -> None:
    """The review on stdout (or stderr), coloured on a terminal only."""
    from engine.review.text import render_text

    width = min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)
    click.echo(render_text(review, width=width, colour=in_colour()), err=err)


def write_reports(folder: Path, planned: Planned, saved: PlanRecord | None = None) -> None:
    """Every report of the review as a file of that folder, and the digest of a plan that was saved."""
    from engine.gitlab.pipeline import DIGEST_FILE
    from engine.review.reports import reports

    _make_folder(folder)
    for name, text in reports(planned.review).items():
        write_text(folder / name, text)
    if saved is not None:
        write_text(folder / DIGEST_FILE, saved.digest + "\n")


def write_no_plan(folder: Path, why: str) -> None:
    """Beside other projects' reports: why this one needs no plan, where a merge request's comment looks."""
    from engine.review.reports import MARKDOWN_REPORT

    _make_folder(folder)
    write_text(folder / MARKDOWN_REPORT, why + "\n")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.FileError(str(folder), (error.strerror or str(error)).lower()) from error


def approval(progress: Progress, question: str, assume_yes: bool) -> Approve:
    """Shows the review, and asks."""

    def approve(review: Review) -> None:
        with progress.paused():
            show_review(review)
            confirm(question, assume_yes=assume_yes)

    return approve
