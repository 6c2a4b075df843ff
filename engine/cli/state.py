"""Commands on the Terraform states of a project, all versions of which are kept."""

from __future__ import annotations

import click

from engine.cli.arguments import ids_from, json_option, pass_invocation, project_argument
from engine.cli.console import confirm_by_name, note, print_facts, print_json, print_table
from engine.cli.invocation import Invocation
from engine.cli.progress import Progress
from engine.cli.reviews import show_review
from engine.operations.reporting import Silent


@click.group(short_help="The Terraform states of a project, earlier ones too.")
def state() -> None:
    """Look at the states of a project, and put an earlier one back.

    Values of attributes are never shown: a state holds sensitive ones.

    \b
    Examples:
      provisioner state list lab-1/proj-1
      provisioner state diff lab-1/proj-1 VERSION
    """


@state.command("list", short_help="Every version, newest first.")
@project_argument
@json_option
@pass_invocation
def list_(invocation: Invocation, project: str, as_json: bool) -> None:
    """List the versions of the state of VLAB/PROJECT, newest first.

    \b
    Example:
      provisioner state list lab-1/proj-1
    """
    from engine.operations.records import record_of
    from engine.operations.state_versions import list_versions

    ids = ids_from(project, invocation)
    engine = invocation.engine(Silent())
    found = list_versions(engine, engine.names(*ids))
    if not found:
        record_of(engine, *ids)  # one that the registry has lost keeps its versions
    if as_json:
        print_json({"versions": [{**vars(one), "written_at": one.written_at.isoformat()} for one in found]})
        return
    print_table(
        ["version", "written", "bytes", ""],
        [
            [
                one.version_id,
                one.written_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
                "-" if one.is_deleted else str(one.size_bytes),
                ", ".join(
                    word for word, holds in (("latest", one.is_latest), ("deleted", one.is_deleted)) if holds
                ),
            ]
            for one in found
        ],
        empty=f"{project} has no state, and never had one.",
    )


@state.command(short_help="What one version knows.")
@project_argument
@click.argument("version", required=False)
@json_option
@pass_invocation
def show(invocation: Invocation, project: str, version: str | None, as_json: bool) -> None:
    """Show addresses and ids in the state of VLAB/PROJECT, in VERSION or the latest one.

    \b
    Examples:
      provisioner state show lab-1/proj-1
      provisioner state show lab-1/proj-1 VERSION --json
    """
    from engine.operations.state_versions import show_version

    ids = ids_from(project, invocation)
    engine = invocation.engine(Silent())
    found = show_version(engine, engine.names(*ids), version)
    if as_json:
        print_json(found)
        return
    print_facts([("Serial", found["serial"]), ("Lineage", found["lineage"])])
    print_table(
        ["address", "id", ""],
        [
            [address, one["id"], "tainted" if one["tainted"] else ""]
            for address, one in found["resources"].items()
        ],
        empty="No resources.",
    )


@state.command(short_help="What one version has otherwise than another.")
@project_argument
@click.argument("one")
@click.argument("other", required=False)
@json_option
@pass_invocation
def diff(invocation: Invocation, project: str, one: str, other: str | None, as_json: bool) -> None:
    """Compare version ONE of the state of VLAB/PROJECT with OTHER, or with the latest one.

    \b
    Example:
      provisioner state diff lab-1/proj-1 VERSION
    """
    from engine.operations.state_versions import compare_versions

    ids = ids_from(project, invocation)
    engine = invocation.engine(Silent())
    found = compare_versions(engine, engine.names(*ids), one, other)
    if as_json:
        print_json({name: dict(value) for name, value in vars(found).items()})
        return
    lines = [
        *(f"+ {address}  {id_}" for address, id_ in found.added.items()),
        *(f"- {address}  {id_}" for address, id_ in found.removed.items()),
        *(f"~ {address}  {before} -> {after}" for address, (before, after) in found.changed.items()),
    ]
    click.echo("\n".join(lines) or "Both know the same resources.")


@state.command(short_help="Put an earlier version back.")
@project_argument
@click.argument("version")
@click.option("--force", is_flag=True, help="Although it is not what exists.")
@click.option(
    "--confirm", "confirmed", metavar="VLAB/PROJECT", help="The project's name, instead of typing it."
)
@pass_invocation
def restore(invocation: Invocation, project: str, version: str, force: bool, confirmed: str | None) -> None:
    """Make VERSION the state of VLAB/PROJECT again. Asks for the project's name to be typed.

    A plan with it is made first: where that would change anything, it is not what exists, and is refused.

    \b
    Example:
      provisioner state restore lab-1/proj-1 VERSION
    """
    from engine.operations.state_versions import restore as operation

    vlab_id, project_id = ids_from(project, invocation)
    name = f"{vlab_id}/{project_id}"
    with Progress(name) as progress:
        engine = invocation.engine(progress)
        with progress.paused():
            confirm_by_name(name, f"Restoring an earlier state of {name}", given=confirmed)
        done = operation(engine, vlab_id, project_id, version, force=force)
    click.echo(f"The state of {name} is that version again, as serial {done.serial}.")
    if not done.review.nothing_to_do:
        note("It is not what exists. The next plan:")
        show_review(done.review, err=True)
