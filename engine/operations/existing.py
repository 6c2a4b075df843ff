"""What stood there before the engine: taken over into a project, or refused with the reasons.

A bucket and an EFS home keep their names (`existing` in the spec); Terraform imports them, and everything
that is set on them, and makes the rest. Lustre and clusters cannot be taken over: what they hang on cannot
change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.aws import stacks, takeover
from engine.model.existing import Existing
from engine.model.spec import LustreStorage, ProjectSpec
from engine.operations import provision
from engine.operations.adopt import AdoptionRefused
from engine.operations.engine import Engine
from engine.operations.holding import holding_workspace
from engine.operations.planning import check_ground
from engine.operations.states import read_state
from engine.review.model import Action, Review
from engine.terraform.state import instances
from engine.workspace.imports import named_imports
from engine.workspace.resources import BUCKET, HOME

_LOSING = (Action.REPLACE, Action.DELETE)


@dataclass(frozen=True)
class Asked:
    """What somebody wants taken over, by the names that it has.

    file_systems   ids, of EFS or FSx
    """

    bucket: str | None = None
    file_systems: tuple[str, ...] = ()
    cluster: str | None = None


def adopt(
    engine: Engine,
    spec: ProjectSpec,
    asked: Asked,
    *,
    approve: provision.Approve,
    told: Callable[[ProjectSpec], None] = lambda _: None,
) -> provision.Provisioned:
    """Make the project with what is asked for taken over into it.

    told     given the spec that holds it from now on, before anybody is asked
    Raises   AdoptionRefused with every reason, before anything is planned; or when the plan would replace or
             delete something; and what `provision` raises
    """
    wanted = _with(spec, asked)
    provision.require_free_apply(engine, wanted)
    names = engine.names_of(wanted)
    with holding_workspace(engine, names):
        check_ground(engine, names)
        _refuse(wanted.project, tuple(_reasons(engine, wanted, asked)))
        planned = provision.plan(engine, wanted)
        _refuse_replacement(planned.review)
        told(wanted)
        return provision.carry_out(engine, planned, approve=approve)


def _with(spec: ProjectSpec, asked: Asked) -> ProjectSpec:
    """The spec that takes it over. A file system that is no EFS has its reasons told later."""
    before = spec.existing or Existing()
    home = asked.file_systems[0] if asked.file_systems else before.home
    existing = {"bucket": asked.bucket or before.bucket, "home": home}
    document = spec.model_dump(mode="json") | {"existing": existing}
    return ProjectSpec.model_validate(document)


def _reasons(engine: Engine, spec: ProjectSpec, asked: Asked) -> Iterator[str]:
    """Everything that keeps what was asked for from being taken over; what is the project's already is passed
    over."""
    cloud, names = engine.cloud, engine.names_of(spec)
    state = {one.address: one.id for one in instances(read_state(engine, names))}
    for address, wanted in named_imports(spec).items():
        if state.get(address, wanted) != wanted:
            yield f"{spec.project} has {state[address]} in that place; make a project of its own for {wanted}"
    existing = spec.existing or Existing()
    if existing.bucket and BUCKET not in state:
        account = engine.settings.require_account()
        yield from takeover.bucket_reasons(cloud, existing.bucket, project=spec.project, account_id=account)
    lustre = isinstance(spec.storage, LustreStorage)
    for file_system in asked.file_systems or filter(None, [existing.home]):
        if state.get(HOME) != file_system:
            yield from takeover.file_system_reasons(
                cloud,
                file_system,
                project=spec.project,
                zone=engine.settings.availability_zone,
                lustre=lustre,
            )
    if len(asked.file_systems) > 1:
        yield "a project has one home: name one file system"
    # The project's own one, which no state knows, is found by itself.
    own = asked.cluster == names.cluster and stacks.find_stack(cloud, names.stack) is not None
    if asked.cluster and not own:
        yield from takeover.cluster_reasons(cloud, asked.cluster)


def _refuse(project: str, reasons: tuple[str, ...]) -> None:
    if reasons:
        raise AdoptionRefused(
            f"That cannot be taken over into {project}. Nothing was changed.\n"
            + "\n".join(f"  - {reason}" for reason in reasons),
            hint="Take the reasons away, or adopt the rest without it.",
            details={"reasons": list(reasons)},
        )


def _refuse_replacement(review: Review) -> None:
    reasons = []
    for change in review.with_action(*_LOSING):
        forcing = [attribute.label for attribute in change.attributes if attribute.forces_replacement]
        what = "replaced" if change.action is Action.REPLACE else "deleted"
        reasons.append(f"{change.address} would be {what}" + (f": {', '.join(forcing)}" if forcing else ""))
    _refuse(review.project, tuple(reasons))
