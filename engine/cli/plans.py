"""Commands on saved plans."""

from __future__ import annotations

import click

from engine.cli.arguments import ids_from, json_option, pass_invocation, yes_option
from engine.cli.console import confirm, note, print_json, print_table
from engine.cli.invocation import Invocation


@click.command(short_help="Saved plans.")
@click.argument("project", metavar="[VLAB/PROJECT]", required=False)
@json_option
@pass_invocation
def plans(invocation: Invocation, project: str | None, as_json: bool) -> None:
    """List the plans that `plan --save` kept, the newest first: of all projects, or of one.

    \b
    Examples:
      provisioner plans
      provisioner plans lab-1/proj-1 --json | jq -r '.plans[0].digest'
    """
    from engine.operations.place import Place, connect
    from engine.operations.records import record_of
    from engine.operations.saved_plans import list_plans

    ids = ids_from(project, invocation) if project else None
    of = "/".join(ids) if ids else None
    cloud, settings = connect(invocation.reachable_settings())
    now = cloud.now()
    place = Place(settings=settings, cloud=cloud, now=lambda: now)
    found = list_plans(place, of)
    if ids and not found:
        record_of(place, *ids)
    if as_json:
        print_json({"plans": [one.to_dict(now) for one in found]})
        return
    print_table(
        ["plan", "project", "state", "made", "good until", "approved by", "risk"],
        [
            [
                one.short_digest,
                one.project,
                str(one.standing(now)),
                f"{one.created_at:%Y-%m-%d %H:%M}",
                f"{one.expires_at:%Y-%m-%d %H:%M}",
                ", ".join(approval.who for approval in one.approvals) or "-",
                one.risk,
            ]
            for one in found
        ],
        empty=f"No plan of {of} is saved." if of else "No plan is saved.",
    )
    if found:
        note("That much of a digest names its plan; --json shows them whole. Times are UTC.")


@click.command(short_help="Approve a saved plan.")
@click.argument("digest")
@click.option("--as", "name", metavar="NAME", default="", help="The person, where the sign-in is not hers.")
@yes_option
@json_option
@pass_invocation
def approve(invocation: Invocation, digest: str, name: str, yes: bool, as_json: bool) -> None:
    """Show the review of the plan that is saved as DIGEST, ask, and record that you agree to exactly that.

    DIGEST is whole, or as much of it as `provisioner plans` shows.
    Recorded are the caller's ARN, the name if one is given, the time and the digest.

    \b
    Examples:
      provisioner approve sha256:DIGEST
      provisioner approve sha256:DIGEST --as ada@example.org --yes
    """
    from engine.operations.place import Place, connect
    from engine.operations.saved_plans import approve_plan, find_plan, read_review

    cloud, settings = connect(invocation.reachable_settings())
    place = Place(settings=settings, cloud=cloud, now=cloud.now)
    digest = find_plan(place, digest).digest  # whole: what is agreed to is what was shown
    review = read_review(place, digest)
    if not as_json:
        click.echo(review)
    confirm("Approve this plan?", assume_yes=yes)
    record = approve_plan(place, digest, name=name)
    if as_json:
        print_json(record.to_dict(place.now()))
        return
    click.echo(f"{record.digest} of {record.project} is approved by {record.approvals[-1].who}.")
