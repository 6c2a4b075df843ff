"""Commands for GitLab: the child pipeline of a repository of specs, and the comment on a merge request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import pass_invocation
from engine.cli.console import note, write_text
from engine.cli.invocation import Invocation
from engine.errors import InvalidSpec

if TYPE_CHECKING:
    from engine.model.spec import ProjectSpec

_REVERT = (
    "Revert the merge, and merge it again, mended. Nothing of it was planned, and the next pipeline compares "
    "with this commit, not with the one before."
)
_existing_folder = click.Path(exists=True, file_okay=False, path_type=Path)


def _list_of_texts(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    """What GitLab makes of an input of type `array`."""
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise click.BadParameter(f"{value!r} is no list of texts like '[\"aws\"]'.")
    return tuple(found)


@click.group(short_help="For GitLab pipelines: what to plan, and the comment on a merge request.")
def gitlab() -> None:
    """What the pipeline of a repository of specs calls. The template templates/projects.yml uses both.

    \b
    Examples:
      provisioner gitlab pipeline --before main/ --after . --mode review --out child.yml
      provisioner gitlab comment --reports provisioner-reports lab-1/proj-1
    """


@gitlab.command(short_help="Write the child pipeline for what changed between two folders.")
@click.option("--before", required=True, type=_existing_folder, help="The repository as it was.")
@click.option("--after", required=True, type=_existing_folder, help="The repository as it is.")
@click.option(
    "--specs", default="workspaces/projects", show_default=True, metavar="DIR", help="Where its specs lie."
)
@click.option(
    "--mode",
    required=True,
    type=click.Choice(["review", "deploy"]),
    help="Plan and comment, or plan and offer to apply.",
)
@click.option(
    "--affects-all",
    "affects_all",
    multiple=True,
    metavar="PATH",
    help="Plan every project when this file, or a file of this folder, has changed; repeatable.",
)
@click.option("--image", default="", help="Container image with the engine.")
@click.option("--audience", default="", help="Audience of the ID token that signs in to AWS.")
@click.option("--plan-role", default="", metavar="ARN", help="Role that plans.")
@click.option("--apply-role", default="", metavar="ARN", help="Role that applies and releases.")
@click.option(
    "--tags",
    callback=_list_of_texts,
    default="[]",
    metavar="JSON",
    help="""Tags of the runners, as GitLab writes a list: '["aws", "large"]'.""",
)
@click.option("--comment/--no-comment", default=True, show_default=True, help="Comment on the merge request.")
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="To write.",
)
@pass_invocation
def pipeline(
    invocation: Invocation,
    before: Path,
    after: Path,
    specs: str,
    mode: str,
    affects_all: Sequence[str],
    image: str,
    audience: str,
    plan_role: str,
    apply_role: str,
    tags: tuple[str, ...],
    comment: bool,
    out: Path,
) -> None:
    """Compare the specs of two states of a repository and write the child pipeline for what changed.

    Specs are compared by project, as they are read: a comment or another file name changes nothing. A broken
    spec, or two of one project, ends the command, and no pipeline is written. What is deployed after a state
    with a broken spec is every project.

    \b
    Example:
      provisioner gitlab pipeline --before main/ --after . --mode review --out child.yml
    """
    from engine.gitlab.changes import compare
    from engine.gitlab.pipeline import Mode, PipelineSettings
    from engine.gitlab.pipeline import pipeline as text_of
    from engine.operations.spec_folder import one_for_each_project, require_specs, specs_in

    known_tiers = tuple(tier.name for tier in invocation.catalogue)
    try:
        now = require_specs(one_for_each_project(specs_in(after / specs, known_tiers=known_tiers)))
    except InvalidSpec as error:
        if mode == "deploy":
            error.hint = _REVERT
        raise
    # What was broken then has no part in the comparison.
    then = {one.path: one.spec for one in specs_in(before / specs, known_tiers=None) if one.spec}
    everything = any(_files(before / name) != _files(after / name) for name in affects_all)
    was = one_for_each_project(specs_in(before / specs, known_tiers=known_tiers))
    if mode == "deploy" and any(one.refusal for one in was):
        # It ended its own pipeline, so what was merged together with the broken spec is not planned yet.
        note("A spec was broken before, so no pipeline has compared that state: every project is planned.")
        note("A spec that was deleted with the broken one, or is that one, is not seen: release it by hand.")
        everything = True
    changes = compare(_within(before, then), _within(after, now), everything=everything)
    settings = PipelineSettings(
        image=image,
        audience=audience,
        plan_role=plan_role,
        apply_role=apply_role,
        tags=tags,
        comment=comment,
    )
    write_text(out, text_of(changes, Mode(mode), settings))
    for title, files in (("changed", changes.changed), ("removed", changes.removed)):
        for file in files:
            note(f"{title}  {file.spec.project}  {file.path}")
    if not changes.changed and not changes.removed:
        note("No project's spec changed.")
    click.echo(str(out))


@gitlab.command(short_help="Post or update the comment on a merge request.")
@click.argument("projects", nargs=-1, metavar="[VLAB/PROJECT...]")
@click.option(
    "--reports",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Of plans.",
)
@pass_invocation
def comment(invocation: Invocation, projects: Sequence[str], folder: Path) -> None:
    """Put the reviews of the projects on the merge request, in one comment that later pipelines update.

    Without projects an earlier pipeline's comment, where there is one, says that none is changed any more.
    Run in a job of a merge-request pipeline, with GITLAB_COMMENT_TOKEN: a project access token with the
    scope api and the role Developer.

    \b
    Example:
      provisioner gitlab comment --reports provisioner-reports lab-1/proj-1
    """
    from engine.gitlab.comment import comment as text_of
    from engine.gitlab.notes import MergeRequest, put_comment
    from engine.model.names import split_project
    from engine.review.reports import MARKDOWN_REPORT

    request = MergeRequest(
        server_url=_variable(invocation, "CI_SERVER_URL"),
        token=_variable(invocation, "GITLAB_COMMENT_TOKEN"),
        project_id=_variable(invocation, "CI_MERGE_REQUEST_PROJECT_ID"),
        iid=_variable(invocation, "CI_MERGE_REQUEST_IID"),
    )
    reviews = {}
    for project in projects:
        split_project(project)
        reviews[project] = _content_text(folder / project / MARKDOWN_REPORT)
    text = text_of(reviews, pipeline_url=invocation.environ.get("CI_PIPELINE_URL", ""))
    put_comment(request, text, post=bool(reviews))
    click.echo(f"Merge request {request.iid} has the reviews of {len(reviews)} project(s).")


def _variable(invocation: Invocation, name: str) -> str:
    value = invocation.environ.get(name, "")
    if not value:
        raise click.UsageError(
            f"{name} is not set. This command runs in a job of a merge-request pipeline; docs/gitlab.md says "
            "what it needs."
        )
    return value


def _within(repository: Path, specs: Mapping[Path, ProjectSpec]) -> dict[str, ProjectSpec]:
    return {path.relative_to(repository).as_posix(): spec for path, spec in specs.items()}


def _files(path: Path) -> dict[str, bytes]:
    """A file, or all files below a folder, each by its path in there; empty where there is nothing."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in files}


def _content_text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None
