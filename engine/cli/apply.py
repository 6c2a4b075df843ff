"""Applying a spec, or a plan that was saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.arguments import ids_from, pass_invocation, spec_from, within_option, yes_option
from engine.cli.console import note
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.cli.reviews import approval

if TYPE_CHECKING:
    from engine.operations.provision import Provisioned


@click.command(short_help="Make a project what its spec says.")
@click.argument("spec", metavar="[SPEC]", required=False)
@click.option(
    "--plan", "digest", metavar="DIGEST", help="Apply exactly this saved plan; 12 digits are enough."
)
@click.option("--approved-by", metavar="NAME", help="Record that this person approved the saved plan.")
@yes_option
@within_option
@pass_invocation
def apply(
    invocation: Invocation,
    spec: str | None,
    digest: str | None,
    approved_by: str | None,
    yes: bool,
    within_s: float | None,
) -> None:
    """Plan SPEC, show the plan, ask, and apply exactly that plan. Repeating it changes nothing.

    With --plan, a plan that `plan --save` kept is applied instead, once, and nothing is planned anew. SPEC
    (or VLAB/PROJECT) is then what the plan must be of. It is refused where state, spec, modules, engine or
    provider have moved since. A plan that was approved is not asked about again.

    Ctrl-C stops Terraform gracefully; the same command goes on from there (with --plan: plan again).

    \b
    Examples:
      provisioner apply examples/lustre.yaml
      provisioner apply examples/lustre.yaml --yes
      provisioner apply --plan sha256:DIGEST --approved-by ada@example.org
      provisioner apply examples/lustre.yaml --plan sha256:DIGEST
    """
    if digest is None:
        if spec is None:
            raise click.UsageError("Name a SPEC, or a saved plan with --plan.")
        if approved_by is not None:
            raise click.UsageError("--approved-by goes with --plan: what is approved is a saved plan.")
        _apply_spec(invocation, Path(spec), yes, within_s)
    else:
        _apply_saved(invocation, spec, digest, approved_by, yes, within_s)


def _apply_spec(invocation: Invocation, spec: Path, yes: bool, within_s: float | None) -> None:
    from engine.operations.provision import provision

    wanted = spec_from(spec, invocation)
    with Progress(wanted.project) as progress:
        done = provision(
            invocation.engine(progress),
            wanted,
            approve=approval(progress, "Apply this plan?", yes),
            within_s=within_s,
        )
    _show_applied(done)


def _apply_saved(
    invocation: Invocation,
    spec: str | None,
    digest: str,
    approved_by: str | None,
    yes: bool,
    within_s: float | None,
) -> None:
    from engine.operations.saved_plans import apply_plan

    wanted = spec_from(Path(spec), invocation) if spec and Path(spec).is_file() else None
    project = "/".join(ids_from(spec, invocation)) if spec and wanted is None else None
    with Progress(project or (wanted.project if wanted else "saved plan")) as progress:
        done = apply_plan(
            invocation.engine(progress),
            digest,
            approve=approval(progress, "Apply this plan?", yes),
            spec=wanted,
            project=project,
            approved_by=approved_by,
            within_s=within_s,
        )
    _show_applied(done)


def _show_applied(done: Provisioned) -> None:
    project, cluster = done.planned.names.project, done.cluster
    click.echo(
        f"{project} is ready: cluster {cluster.cluster_name}, head node {cluster.head_node_private_ip}."
        if done.changed
        else f"{project} is as its spec says; nothing to do."
    )
    if done.changed:
        note(f"Key: provisioner ssh-key {project} --out KEYFILE")
