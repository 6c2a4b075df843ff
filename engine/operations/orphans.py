"""What carries a project's tags and belongs to nobody: found, adopted or deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from engine.aws import addresses, belongings
from engine.aws.belongings import CLUSTER, KEY_PAIR, Belonging
from engine.aws.registry import Phase, ProjectRecord
from engine.aws.state_store import StateCorrupt
from engine.errors import (
    EngineError,
    ItemUnreadable,
    OperationInProgress,
    TerraformInterrupted,
    UnknownProject,
)
from engine.model.names import Names
from engine.model.operation import Kind, Wish
from engine.operations import records, recovery
from engine.operations.carry import carrying_out
from engine.operations.engine import Engine
from engine.operations.holding import WorkspaceBusy, holding_workspace
from engine.operations.planning import on_its_release
from engine.operations.states import read_state
from engine.terraform.state import instances

# AWS bills nothing for these.
_FREE = (
    "aws_key_pair",
    "aws_security_group",
    "aws_subnet",
    "aws_vpc_security_group_egress_rule",
    "aws_vpc_security_group_ingress_rule",
)
# Kept with the operation: the project's phase when it began.
_PHASE_NOTE = "phase"


class Why(StrEnum):
    """Why something belongs to nobody."""

    NO_PROJECT = "no-project"
    """Its project is not in the registry, and no state of that name knows the thing."""
    NO_STATE = "no-state"
    """Its project is in the registry, and the project's state does not know it."""
    UNREGISTERED = "unregistered"
    """A state knows it, but its project is not in the registry: nothing may be deleted by that alone."""


@dataclass(frozen=True)
class Orphan:
    """One thing that belongs to nobody.

    under_way            an operation is at work on its project, or died at it: nobody's for now, perhaps
    taken_over           it stood there before its project took it over (`existing` in the spec)
    cost_usd_per_hour    None where it is not known
    """

    thing: Belonging
    why: Why
    under_way: bool
    cost_usd_per_hour: float | None = None
    taken_over: bool = False

    def age_s(self, now: datetime) -> float | None:
        made_at = self.thing.made_at
        return (now - made_at).total_seconds() if made_at else None

    def to_dict(self, now: datetime) -> dict[str, Any]:
        """JSON-ready; times in ISO 8601, age in seconds."""
        thing, age = self.thing, self.age_s(now)
        return {
            "project": thing.project,
            "kind": thing.kind,
            "id": thing.id,
            "name": thing.name,
            "address": thing.address,
            "why": str(self.why),
            "under_way": self.under_way,
            "taken_over": self.taken_over,
            "holds_data": thing.holds_data,
            "made_at": thing.made_at.isoformat() if thing.made_at else None,
            "age_s": None if age is None else int(age),
            "cost_usd_per_hour": self.cost_usd_per_hour,
        }


@dataclass(frozen=True)
class Deleted:
    """gone: what was deleted; kept: what was not, and why, each as one line."""

    gone: tuple[Orphan, ...]
    kept: tuple[tuple[Orphan, str], ...]


def find_orphans(engine: Engine, *, unread: list[EngineError] | None = None) -> list[Orphan]:
    """Compare what is tagged in the account with the registry and the states; changes nothing.

    A project whose record or state cannot be read is told and passed over: what of it belongs to nobody is
    not known.
    unread   gets the error of each such project
    Raises   NotBootstrapped, AccessDenied, Unreachable, BackendError
    """
    by_project: dict[tuple[str, str], list[Belonging]] = {}
    for one in belongings.list_belongings(engine.cloud, account_id=engine.settings.require_account()):
        by_project.setdefault((one.vlab_id, one.project_id), []).append(one)
    unread = [] if unread is None else unread
    newer: list[ItemUnreadable] = []
    records_there = engine.registry.list(passed_over=newer.append)
    registered = {(record.vlab_id, record.project_id): record for record in records_there}
    for unreadable in newer:
        engine.reporter.note(f"{unreadable.project} is passed over: its record cannot be read")
    unread += newer
    # There is a record, whatever it says: nothing of such a project is without one.
    unknown = {error.project for error in newer}
    found: list[Orphan] = []
    for ids, things in sorted(by_project.items()):
        if "/".join(ids) in unknown:
            continue
        try:
            found += _of_project(engine, engine.names(*ids), things, registered.get(ids))
        except StateCorrupt as error:
            engine.reporter.note(f"{'/'.join(ids)} is passed over: its state cannot be read")
            unread.append(error)
    return found


def _of_project(
    engine: Engine, names: Names, things: list[Belonging], record: ProjectRecord | None
) -> Iterable[Orphan]:
    known = {one.id for one in instances(read_state(engine, names))}
    has_parent = any(one.kind == "aws_cloudformation_stack" and one.name == names.stack for one in things)
    clusters = {one.cluster for one in things if one.kind == CLUSTER}
    for one in things:
        if one.kind == CLUSTER and has_parent:
            continue  # it comes and goes with the stack around it
        if one.kind != CLUSTER and one.cluster in clusters:
            continue  # its security groups: they come and go with it
        # An imported stack has its name for an id, one that Terraform made has its ARN.
        in_state = one.id in known or (one.kind == "aws_cloudformation_stack" and one.name in known)
        # Keys are the engine's own, and in no state; whoever has a project has its keys.
        of_engine = one.kind == KEY_PAIR or one.name in (names.key_secret, names.user_key_secret)
        if record is not None and (in_state or of_engine):
            continue
        why = Why.UNREGISTERED if in_state else Why.NO_PROJECT if record is None else Why.NO_STATE
        under_way = record is not None and record.phase in records.AT_WORK
        yield Orphan(one, why, under_way, _usd_per_hour(engine, one), _is_taken_over(one, names))


def _is_taken_over(thing: Belonging, names: Names) -> bool:
    """What the engine makes itself has the project's names, for good."""
    if thing.kind == "aws_s3_bucket":
        return thing.id != names.bucket
    return thing.kind == "aws_efs_file_system" and thing.token != names.efs


def _usd_per_hour(engine: Engine, thing: Belonging) -> float | None:
    """What it costs by being there; None where that is not known, such as a cluster's nodes."""
    if thing.kind in _FREE:
        return 0.0
    price = engine.prices.find(thing.price, engine.settings.region)
    return float(price.usd_per_hour) * thing.quantity if price else None


def adopt(
    engine: Engine, orphans: Iterable[Orphan], *, refused: list[EngineError] | None = None
) -> tuple[str, ...]:
    """Import into the states of their projects what fits these; gives the addresses that were taken in.

    Nothing else of the projects is changed. Projects that are not in the registry are passed over, and so are
    those that another operation is under way for: it takes them in itself. What fails stops no other project.
    refused   gets the error of each project that could not be taken in
    Raises    TerraformInterrupted
    """
    projects = sorted(
        {(one.thing.vlab_id, one.thing.project_id) for one in orphans if one.why is Why.NO_STATE}
    )
    taken: list[str] = []
    for ids in projects:
        try:
            found = adopt_project(engine, *ids)
        except (OperationInProgress, UnknownProject, WorkspaceBusy) as error:
            engine.reporter.note(f"{'/'.join(ids)} is passed over: {error.message}")
            continue
        except TerraformInterrupted:
            raise
        except EngineError as error:
            engine.reporter.note(f"{'/'.join(ids)} is passed over: {error.code}: {error.message}")
            if refused is not None:
                refused.append(error)
            continue
        taken += [f"{'/'.join(ids)}: {address}" for address in found]
    return tuple(taken)


def adopt_project(engine: Engine, vlab_id: str, project_id: str) -> tuple[str, ...]:
    """Import into the project's state what stands at AWS and in no state; gives the addresses. Data that is
    to go stays marked.

    Should this die, the record says that work was under way, and the next run looks for the rest.
    Raises   UnknownProject; OperationInProgress while another operation is unfinished; WorkspaceBusy;
             OrphanConflict; what planning raises
    """
    records.record_of(engine, vlab_id, project_id)  # of what nobody knows there is no operation
    names = engine.names(vlab_id, project_id)
    engine = on_its_release(engine, names)
    with (
        holding_workspace(engine, names),
        carrying_out(engine, vlab_id, project_id, Wish(Kind.ADOPT), supersede=False) as engine,
    ):
        # What was at work until now has changed it.
        record = records.record_of(engine, vlab_id, project_id)
        spec = records.spec_of(record)
        before = Phase(engine.noted(_PHASE_NOTE) or record.phase)
        engine.note(_PHASE_NOTE, before)
        # Some work was given up half-way: what it wished is not reached by this either.
        done = Phase.FAILED if before in records.AT_WORK else before
        phase = Phase.APPLYING
        if before is Phase.DESTROYING:
            done = phase = before  # what is taken in goes with the rest
        with records.working(engine, spec, phase, done=done):
            engine.state_store.drop_lost_digest(names.state_key)
            with _block_given_back(engine, names, parked=before is Phase.PARKED):
                return recovery.take_in(engine, spec, always=True)


@contextmanager
def _block_given_back(engine: Engine, names: Names, *, parked: bool) -> Iterator[None]:
    """Looking for what a project may have plans all of it, which claims an address block. A parked one has
    none, and no release to come that would give it back."""
    table = engine.settings.registry_table
    claimed = addresses.get_claim(engine.cloud, table, project=names.project) is not None
    try:
        yield
    finally:
        if parked and not claimed and not addresses.standing_subnets(engine.cloud, project=names.project):
            engine.check_owned()  # who has taken the project over meanwhile may go on with the block
            addresses.release_project(engine.cloud, table, project=names.project)


def delete(engine: Engine, orphans: Iterable[Orphan], *, purge_data: bool) -> Deleted:
    """Delete orphans, with all they hold; the caller has had that confirmed.

    Somebody may have taken them in since they were shown: each project is looked at again, and what became
    another's stays. Its lease is held meanwhile, so that nobody takes anything in while it is deleted.
    What holds data stays unless purge_data; what stood there before its project took it over stays always.
    What AWS refuses stays, and the rest goes on.
    """
    gone: list[Orphan] = []
    kept: list[tuple[Orphan, str]] = []
    by_project: dict[tuple[str, str], dict[str, Orphan]] = {}
    for orphan in orphans:
        if reason := _reason_to_keep(orphan, purge_data=purge_data):
            kept.append((orphan, reason))
        else:
            ids = (orphan.thing.vlab_id, orphan.thing.project_id)
            by_project.setdefault(ids, {})[orphan.thing.id] = orphan
    for ids, left in sorted(by_project.items()):
        try:
            with carrying_out(engine, *ids, Wish(Kind.CLEAN), supersede=False) as at_work:
                for thing_id, reason in _delete_of(at_work, ids, dict(left), purge_data=purge_data):
                    orphan = left.pop(thing_id)
                    if reason:
                        kept.append((orphan, reason))
                    else:
                        gone.append(orphan)
        except EngineError as error:
            kept += [(orphan, f"{error.code}: {error.message}") for orphan in left.values()]
    return Deleted(tuple(gone), tuple(kept))


def _delete_of(
    engine: Engine, ids: tuple[str, str], confirmed: Mapping[str, Orphan], *, purge_data: bool
) -> Iterator[tuple[str, str]]:
    """Delete what was confirmed of one project, by id; gives each id and why it stays, "" once it is gone."""
    account_id = engine.settings.require_account()
    things = [
        one
        for one in belongings.list_belongings(engine.cloud, account_id=account_id, named=confirmed)
        if (one.vlab_id, one.project_id) == ids
    ]
    record = engine.registry.get(*ids)
    still = {one.thing.id: one for one in _of_project(engine, engine.names(*ids), things, record)}
    standing = {one.id for one in things}
    for thing in belongings.deletion_order(one.thing for one in confirmed.values()):
        if thing.id not in standing:
            yield thing.id, ""  # somebody else deleted it
            continue
        orphan = still.get(thing.id)
        if orphan is None:
            yield thing.id, "it belongs to its project by now"
        elif orphan.why is not confirmed[thing.id].why:
            yield thing.id, f"it was {confirmed[thing.id].why} when it was shown, and is {orphan.why} by now"
        elif reason := _reason_to_keep(orphan, purge_data=purge_data):
            yield thing.id, reason
        else:
            yield thing.id, _refusal(engine, thing, account_id)


def _refusal(engine: Engine, thing: Belonging, account_id: str) -> str:
    """Delete one thing; gives why AWS did not, "" once it is gone. Raises as `Engine.check`."""
    engine.check()
    engine.reporter.step(f"Deleting {thing.kind} {thing.name or thing.id} of {thing.project}", "DELETING")
    try:
        belongings.delete(engine.cloud, thing, account_id=account_id)
    except EngineError as error:
        return f"{error.code}: {error.message}"
    return ""


def _reason_to_keep(orphan: Orphan, *, purge_data: bool) -> str:
    if orphan.why is Why.UNREGISTERED:
        return "a state knows it: apply its project's spec to register it, then destroy the project"
    if orphan.under_way:
        return "an operation is at work on its project, or died at it: run that again first"
    if orphan.taken_over:
        return f"it stood there before its project took it over: {_way_out_of_taken_over(orphan)}"
    if orphan.thing.holds_data and not purge_data:
        return "it holds data; --purge-data deletes it"
    return ""


def _way_out_of_taken_over(orphan: Orphan) -> str:
    if orphan.why is Why.NO_STATE:
        return "its project has it still; `--adopt`, or an apply of its project's spec, takes it in"
    way = "take its tags away, or delete it by hand"
    if orphan.thing.kind != "aws_efs_file_system":
        return way
    # They carry no tags, and EC2 deletes neither while their network interfaces are there.
    return (
        f"{way}; its mount targets keep the project's subnet and security group from going: delete them first"
    )
