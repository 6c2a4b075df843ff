"""After a run that died: what it made and could not write down is taken into the state, never made twice.

Terraform saves its state every twenty seconds at most, and not while one long thing is being made. A
killed engine therefore leaves things that exist and stand in no state. Before the next apply the plan says
what it would create; each of these is looked for at AWS (aws/existing), and what is there becomes an import
block beside the workspace. The plan that is reviewed is made with those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.aws import logs
from engine.aws.existing.search import Found, Known, Life, Search, Wanted
from engine.aws.existing.table import find_existing
from engine.aws.registry import Phase, ProjectRecord
from engine.errors import ClusterError, RequestError
from engine.model.names import Names
from engine.operations.engine import Engine
from engine.operations.states import Stored, read_state
from engine.operations.waiting import waiting
from engine.terraform.runner import Runner
from engine.terraform.state import Instance, instances
from engine.workspace.imports import IMPORTS_FILE, creations, imports_file, planned_values
from engine.workspace.resources import JOB_RECORDS
from engine.workspace.stack import Presence

_POLL_S = 5.0
_MOVING = (Life.IN_PROGRESS, Life.GOING)
# The last run came to its end: whatever it made is in the state.
_CLEAN = (Phase.READY, Phase.PARKED)


class AdoptionRefused(RequestError):
    """What was named cannot be taken over into the project as it is; nothing was changed."""

    code = "ADOPTION_REFUSED"


@dataclass
class Sweep:
    """The look for what a plan would create and AWS has already.

    runner    in the project's workspace, initialised
    imports   address -> import id, of what was found so far
    replace   addresses of what was found and is of no use: AWS says that it failed, or it is half made
    always    look even though the last run came to its end
    stored    what is stored of the project, where it was looked up just now; None: it is when it is needed
    """

    engine: Engine
    names: Names
    runner: Runner
    imports: dict[str, str] = field(default_factory=dict)
    replace: list[str] = field(default_factory=list)
    always: bool = False
    stored: Stored | None = None

    def take_over(self, imports: Mapping[str, str], *, presence: Presence) -> None:
        """Have the next plan import these, address -> import id, which somebody named; what hangs on them is
        looked for even though the last run came to its end.

        Terraform passes over an address that its state has, whatever the id. So another one there is refused,
        but for what is only given back: that must not fail for a line in a spec that was applied long ago.
        Raises   AdoptionRefused
        """
        state = list(instances(read_state(self.engine, self.names)))
        if presence is Presence.RUNNING:
            self._refuse_others(imports, state)
        missing = imports.keys() - {one.address for one in state}
        self.imports.update({address: imports[address] for address in missing})
        self.always = self.always or bool(missing)
        if missing:
            (self.runner.workdir / IMPORTS_FILE).write_text(imports_file(self.imports), "utf-8")

    def _refuse_others(self, imports: Mapping[str, str], state: Sequence[Instance]) -> None:
        project = self.names.project
        reasons = []
        for address, wanted in imports.items():
            there = [one.id for one in state if one.address == address]
            if there and wanted not in there:
                reasons.append(f"{project} has {there[0]} where its spec names {wanted} ({address})")
        if reasons:
            raise AdoptionRefused(
                f"A project keeps the bucket and the home that it has: {'; '.join(reasons)}. "
                "Nothing was changed.",
                hint="Name under `existing` what the project has, or take the line out where it made that "
                "itself; for another bucket or home make a project of its own.",
                details={"reasons": reasons},
            )

    def finds(self, plan: Mapping[str, Any]) -> bool:
        """Look, and write an import block for what is found; True when the workspace is to be planned again.

        plan     `terraform show -json` of what was planned last
        Waits for what is still being made, or going. Asks AWS nothing for a plan that creates nothing, nor
        for a project whose last run came to its end.
        Raises   OrphanConflict, ClusterError when something is still in progress after an hour, OutOfTime
        """
        wanted = [one for one in _wanted(plan) if one.address not in self.imports]
        if not wanted:
            return False
        stored, self.stored = self.stored, None  # what is taken over changes the state
        state = stored.state if stored else read_state(self.engine, self.names)
        looking = self.always or self.imports
        if not looking and not sweep_is_due(
            self.engine, self.names, state, stored.record if stored else None
        ):
            return False
        self.engine.reporter.step("Looking whether something of this is there already")
        found = self._settled(wanted, state)
        for one, thing in found:
            self.imports[one.address] = thing.import_id
            if thing.life is Life.FAILED:
                self.replace.append(one.address)
            said = f" ({thing.says})" if thing.life is Life.FAILED else ""
            self.engine.reporter.note(f"{one.address} exists already: {thing.import_id} is taken over{said}")
        self._forget_predecessors(found, state)
        if found:
            (self.runner.workdir / IMPORTS_FILE).write_text(imports_file(self.imports), "utf-8")
        return bool(found)

    def _forget_predecessors(self, found: list[tuple[Wanted, Found]], state: Mapping[str, Any]) -> None:
        """Take out of the state what is gone, where its successor was found.

        A replacement that died leaves the old object in the state and the new one at AWS. Terraform passes
        over an import block whose address the state has, and would create the thing once more.
        """
        in_state = {one.address for one in instances(state)}
        for one, _ in found:
            if one.address in in_state:
                self.runner.forget(one.address)

    def _settled(self, wanted: list[Wanted], state: Mapping[str, Any]) -> list[tuple[Wanted, Found]]:
        """What there is, once AWS is at work on none of it."""
        with waiting(self.engine, "what is there already") as too_long:
            return self._wait(wanted, state, too_long)

    def _wait(
        self, wanted: list[Wanted], state: Mapping[str, Any], too_long: Callable[[], bool]
    ) -> list[tuple[Wanted, Found]]:
        told: set[str] = set()
        while True:
            found = list(find_existing(self._search(wanted, state), wanted))
            moving = [(one, thing) for one, thing in found if thing.life in _MOVING]
            if not moving:
                return found
            for one, thing in moving:
                if one.address not in told:
                    told.add(one.address)
                    doing = "being deleted" if thing.life is Life.GOING else "being made"
                    self.engine.reporter.step(f"Waiting for {one.address}, which is still {doing}", "WAITING")
            # Only these are asked about again and again; then everything once more, to see what became of it.
            while self._any_moves(found, state):
                if too_long():
                    raise ClusterError(
                        f"{moving[0][0].address} of {self.names.project} is still {moving[0][1].life} after "
                        "an hour.",
                        hint="Look at it in the AWS console; run the command again when it is done.",
                    )
                self.engine.pause(_POLL_S if self.engine.settings.cloud == "aws" else 0.5)

    def _any_moves(self, found: list[tuple[Wanted, Found]], state: Mapping[str, Any]) -> bool:
        moving = [one for one, thing in found if thing.life in _MOVING]
        search = self._search([one for one, _ in found], state)
        # What they hang on stays known without being asked about.
        search.known += [
            Known(one.address, one.type, thing.id) for one, thing in found if thing.life not in _MOVING
        ]
        return any(thing.life in _MOVING for _, thing in find_existing(search, moving))

    def _search(self, wanted: list[Wanted], state: Mapping[str, Any]) -> Search:
        # What the state has and the plan creates all the same is gone.
        gone = {one.address for one in wanted}
        return Search(
            cloud=self.engine.cloud,
            account_id=self.engine.settings.require_account(),
            vlab_id=self.names.vlab_id,
            project_id=self.names.project_id,
            known=[
                *(
                    Known(one.address, one.type, one.id)
                    for one in instances(state)
                    if one.address not in gone
                ),
                *(Known(address, _type_of(address), found) for address, found in self.imports.items()),
            ],
        )


def _type_of(address: str) -> str:
    return re.sub(r"\[.*?\]$", "", address).rsplit(".", 2)[-2]


def sweep_is_due(
    engine: Engine, names: Names, state: Mapping[str, Any], record: ProjectRecord | None = None
) -> bool:
    """Whether things may exist that the state does not know.

    record   of the project, where it was read just now; None: it is asked for

    The record is in the registry, so the disk of the run that died is not needed. A project without any
    state counts too: the state may have been lost, and so may the record that would have told.
    """
    if not any(instances(state)):
        return True
    record = record or engine.registry.get(names.vlab_id, names.project_id)
    return record is None or record.phase not in _CLEAN


def young_records(engine: Engine, names: Names, plan: Mapping[str, Any]) -> frozenset[str]:
    """The address of the job records, where the plan ends their being kept for ever and none is old enough to
    go by that.

    Making their log group takes two calls. What was cut short between them, or imported and cut short, keeps
    everything for ever, whether a state knows it by now or not.
    plan     `terraform show -json`
    Source   AWS provider, internal/service/logs/group.go: CreateLogGroup, the id, PutRetentionPolicy
    """
    return frozenset(
        entry["address"]
        for entry in plan.get("resource_changes") or ()
        if entry["address"] == JOB_RECORDS
        and (days := _days_after_for_ever(entry["change"]))
        and logs.is_younger(engine.cloud, names.job_log_group, timedelta(days=days))
    )


def _days_after_for_ever(change: Mapping[str, Any]) -> int:
    """For how many days is kept what was kept for ever until now; 0: that does not change."""
    if change["actions"] != ["update"] or change["before"].get("retention_in_days"):
        return 0
    return change["after"].get("retention_in_days") or 0


def _wanted(plan: Mapping[str, Any]) -> Iterator[Wanted]:
    for entry in creations(plan):
        yield Wanted(
            address=entry["address"],
            type=entry["type"],
            module=entry.get("module_address", ""),
            values=planned_values(entry),
        )
