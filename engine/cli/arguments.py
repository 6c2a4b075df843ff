"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli.invocation import Invocation, read_spec
from engine.model.names import split_project

if TYPE_CHECKING:
    from engine.model.spec import ProjectSpec

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
within_option = click.option(
    "--within",
    "within_s",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    help="Stop gracefully after so long (exit code 9); the same command goes on.",
)
reports_option = click.option(
    "--reports",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write every report of the review there, too.",
)
spec_argument = click.argument("spec", type=click.Path(dir_okay=False, path_type=Path))
project_argument = click.argument("project", metavar="VLAB/PROJECT")
pass_invocation = click.make_pass_decorator(Invocation)


def named_values(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    """Repeated NAME=VALUE as a dictionary; a name may be written with dashes."""
    named = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals:
            raise click.BadParameter(f"'{value}' is not NAME=VALUE.", ctx=ctx, param=param)
        named[name.replace("-", "_")] = text
    return named


def spec_from(path: Path, invocation: Invocation) -> ProjectSpec:
    """The spec in a file, its tier checked against the installation's catalogue.

    Raises   InvalidSpec, InvalidSettings
    """
    return read_spec(path, known_tiers=tuple(tier.name for tier in invocation.catalogue))


def ids_from(project: str, invocation: Invocation) -> tuple[str, str]:
    """(vlab, project) from `VLAB/PROJECT`, or from a spec file of that name.

    Raises   InvalidSpec
    """
    if Path(project).is_file():
        spec = spec_from(Path(project), invocation)
        return spec.vlab_id, spec.project_id
    return split_project(project)
