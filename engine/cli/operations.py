"""Commands about operations: what was asked of a project and how far that is; and a lock that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli.arguments import ids_from, json_option, pass_invocation, project_argument
from engine.cli.console import confirm_by_name, note, print_facts, print_json, print_table
from engine.cli.invocation import Invocation
from engine.errors import RequestError
from engine.operations.reporting import Silent

if TYPE_CHECKING:
    from engine.aws.state_lock import Held
    from engine.model.operation import Event, Operation

_SHOWN = 20
_TIME = "%Y-%m-%d %H:%M:%S UTC"


@click.command(short_help="What was asked of a project, and how far that is.")
@project_argument
@click.argument("operation_id", metavar="[OPERATION]", required=False)
@json_option
@pass_invocation
def operations(invocation: Invocation, project: str, operation_id: str | None, as_json: bool) -> None:
    """List the last operations of VLAB/PROJECT, or tell one of them step by step.

    \b
    Examples:
      provisioner operations lab-1/proj-1
      provisioner operations lab-1/proj-1 op-01h9x2c4e6g8j0k2m4n6pq --json
    """
    from engine.operations.records import record_of

    vlab_id, project_id = ids_from(project, invocation)
    engine = invocation.engine(Silent())
    store = engine.operations
    name = f"{vlab_id}/{project_id}"
    if operation_id is None:
        page = store.list(name, limit=_SHOWN)
        found = page.operations
        for error in page.unreadable:
            note(f"{error.message} {error.hint}")
        if not found and not page.unreadable:
            record_of(engine, vlab_id, project_id)  # one that is destroyed keeps its operations
        if as_json:
            print_json({"operations": [one.to_dict() for one in found]})
        else:
            _print_list(found)
        return
    operation, events = store.require(name, operation_id), store.events(operation_id, limit=1000)
    if as_json:
        print_json(operation.to_dict() | {"events": [event.to_dict() for event in events]})
    else:
        _print_one(operation, events)


def _print_list(found: tuple[Operation, ...]) -> None:
    print_table(
        ["operation", "wish", "state", "phase", "runs", "asked by", "updated"],
        [
            [
                one.id,
                str(one.wish.kind),
                str(one.state),
                one.phase,
                str(one.slices),
                one.requested_by,
                one.updated_at.strftime(_TIME),
            ]
            for one in found
        ],
        empty="Nothing was asked of it yet.",
    )


def _print_one(operation: Operation, events: tuple[Event, ...]) -> None:
    failure = operation.failure
    print_facts(
        [
            ("Operation", f"{operation.id} ({operation.wish.kind})"),
            ("State", str(operation.state)),
            ("Phase", operation.phase),
            ("Resources", f"{operation.progress.done} of {operation.progress.total}"),
            ("Asked by", operation.requested_by),
            ("Why", f"{failure.code}: {failure.message}" if failure else ""),
            ("Next", failure.hint if failure else ""),
        ]
    )
    print_table(
        ["when", "what"], [[event.at.strftime(_TIME), event.text] for event in events], empty="No events."
    )


@click.command(short_help="Take a state lock from a holder that is surely dead.")
@project_argument
@click.option("--id", "lock_id", metavar="ID", help="The lock's id, as the refused command showed it.")
@click.option(
    "--confirm", "confirmed", metavar="VLAB/PROJECT", help="The project's name, instead of typing it."
)
@json_option
@pass_invocation
def unlock(
    invocation: Invocation, project: str, lock_id: str | None, confirmed: str | None, as_json: bool
) -> None:
    """Show who holds the state lock of VLAB/PROJECT; with --id, take it away.

    The engine itself takes a lock only from a holder that it knows to be dead: a process of this machine
    that is gone, a Lambda request that AWS has ended. What it can't know (a pipeline's runner that is no
    more, a colleague's machine), a person must find out first: two Terraforms at once lose state.

    \b
    Examples:
      provisioner unlock lab-1/proj-1
      provisioner unlock lab-1/proj-1 --json | jq -r .held.who
      provisioner unlock lab-1/proj-1 --id 5c9d2d5f-f0e9-4a02-0c8e-0b0e8f1a2b3c
    """
    from engine.operations.records import record_of

    vlab_id, project_id = ids_from(project, invocation)
    engine = invocation.engine(Silent())
    lock = engine.state_lock(engine.names(vlab_id, project_id))
    held = lock.holder()
    name = f"{vlab_id}/{project_id}"
    if held is None:
        record_of(engine, vlab_id, project_id)
        if as_json:
            print_json(_lock_json(None))
        else:
            click.echo(f"Nobody holds the state lock of {name}.")
        return
    if lock_id is None:
        if as_json:
            print_json(_lock_json(held))
        else:
            print_facts(
                [("Held by", held.who), ("Since", held.created), ("For", held.operation), ("Id", held.id)]
            )
        return
    if held.id != lock_id:
        raise RequestError(
            f"The state lock of {name} is another one by now: {held.id}, held by {held.who}.",
            hint="Find out whether that one still works.",
        )
    confirm_by_name(name, f"Taking the state lock of {name} from {held.who}", given=confirmed)
    removed = lock.remove(lock_id) is not None
    if as_json:
        print_json(_lock_json(held, removed=removed))
    elif removed:
        click.echo(f"The state lock of {name} is free; {held.who} held it.")
    else:
        click.echo(f"The holder let go of the state lock of {name} itself.")


def _lock_json(held: Held | None, *, removed: bool = False) -> dict[str, Any]:
    """held: who held the lock when the command looked; removed: whether the command took it away."""
    if held is None:
        return {"held": None, "removed": removed}
    holder = {"id": held.id, "who": held.who, "since": held.created, "operation": held.operation}
    return {"held": holder, "removed": removed}
