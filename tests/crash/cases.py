"""The operations that are killed, and where: every case is one kill and one simple repetition."""

from __future__ import annotations

import random
from dataclasses import dataclass

from engine.local.calls import Request
from tests.crash.killing import Kill, Moment, arrives, changing_call
from tests.crash.once import Goal, not_as_wished, wrong
from tests.crash.stage import PROJECT, Prepared, Site

# The longest that a kill comes after the request that it goes by.
_LATER_S = 3.0


@dataclass(frozen=True)
class Scenario:
    """One operation on something prepared.

    calls     changing calls of a run that nobody kills, those on locks, records and states among them; as
              many as on a fast machine, since leases are renewed and progress is written by the clock
    command   "apply", "release" or "destroy"
    changed   fields of the spec that the operation changes
    """

    name: str
    storage: str
    prepared: Prepared
    command: str
    goal: Goal
    calls: int
    changed: tuple[tuple[str, object], ...] = ()

    def arguments(self, site: Site) -> tuple[str, ...]:
        match self.command:
            case "apply":
                return "apply", site.spec(**dict(self.changed)), "--yes"
            case "release":
                return "release", PROJECT, "--yes"
            case _:
                return "destroy", PROJECT, "--purge-data", "--now", "--confirm", PROJECT


_MORE_NODES = (("compute", {"max_nodes": 16}),)
_N, _R, _P = Prepared.NOTHING, Prepared.READY, Prepared.PARKED

SCENARIOS = {
    one.name: one
    for one in (
        Scenario("provision-efs", "efs", _N, "apply", Goal.RUNNING, 54),
        Scenario("update-efs", "efs", _R, "apply", Goal.RUNNING, 13, _MORE_NODES),
        Scenario("release-efs", "efs", _R, "release", Goal.PARKED, 44),
        Scenario("again-efs", "efs", _P, "apply", Goal.RUNNING, 38),
        Scenario("destroy-efs", "efs", _R, "destroy", Goal.GONE, 84),
        Scenario("purge-efs", "efs", _P, "destroy", Goal.GONE, 34),
        Scenario("provision-lustre", "lustre", _N, "apply", Goal.RUNNING, 76),
        Scenario("release-lustre", "lustre", _R, "release", Goal.PARKED, 62),
        Scenario("destroy-lustre", "lustre", _R, "destroy", Goal.GONE, 100),
    )
}


@dataclass(frozen=True)
class KilledOnce:
    """The operation is killed at one point, then simply run again.

    number   of the changing call that the kill goes by, from 1
    """

    scenario: str
    number: int
    moment: Moment
    later_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.scenario}-{self.number}-{self.moment}"

    def __call__(self, site: Site) -> None:
        scenario = SCENARIOS[self.scenario]
        arguments = scenario.arguments(site)
        kill = Kill(changing_call(self.number), self.moment, self.later_s)
        ended = site.engine.run_until(kill, *arguments)
        # By chance the run may have ended in the seconds between the call and the kill.
        assert ended.killed or (ended.code == 0 and self.moment is Moment.LATER), (
            f"not killed: it made less than {self.number} changing calls\n{ended.output}"
        )
        if scenario.goal is Goal.GONE and "is gone" in ended.output:
            # It came to its end before the kill, and there is no project to name any more.
            assert "UNKNOWN_PROJECT" in site.engine.run(*arguments).output
            assert wrong(site, scenario.goal, scenario.prepared) == []
            return
        run_again(site, scenario)


def run_again(site: Site, scenario: Scenario, *, look: bool = True) -> None:
    """The next run reaches the wish, nothing was made twice or left over, and there is nothing left to do.

    look   have a plan say so, too
    """
    site.engine.run(*scenario.arguments(site)).ok()
    assert wrong(site, scenario.goal, scenario.prepared) == []
    if look and scenario.command == "apply":
        site.engine.run("plan", site.spec(**dict(scenario.changed)), "--detailed-exitcode").ok()
        # A look changes nothing of what was found.
        assert wrong(site, scenario.goal, scenario.prepared) == []


def points(scenario: Scenario, share: int, seed: int) -> list[KilledOnce]:
    """So many kills, spread evenly over the operation's changing calls, and over the moments."""
    # Text, since a tuple's hash differs from process to process.
    chance = random.Random(f"{seed} {scenario.name}")
    moments = list(Moment)
    turn = chance.randrange(len(moments))
    found = []
    for index in range(share):
        number = 1 + int((index + chance.random()) * scenario.calls / share)
        moment = moments[(index + turn) % len(moments)]
        later_s = round(chance.uniform(0.01, _LATER_S), 2) if moment is Moment.LATER else 0.0
        found.append(KilledOnce(scenario.name, number, moment, later_s))
    return found


@dataclass(frozen=True)
class KilledTwice:
    """An apply that is killed at a changing call, and again at a look at a stack, before it is run again."""

    number: int
    looks: int

    def __call__(self, site: Site) -> None:
        scenario = SCENARIOS["provision-efs"]
        for point in (
            changing_call(self.number),
            arrives("cloudformation", "DescribeStacks", times=self.looks),
        ):
            site.engine.run_until(Kill(point), *scenario.arguments(site))
        # In `make test`: a plan costs as much as a kill does.
        run_again(site, scenario, look=False)


@dataclass(frozen=True)
class KilledAt:
    """An operation that is killed when a certain call arrives."""

    scenario: str
    service: str
    operation: str
    times: int = 1

    def __str__(self) -> str:
        return f"{self.scenario}-{self.operation}-{self.times}"

    def __call__(self, site: Site) -> None:
        scenario = SCENARIOS[self.scenario]
        kill = Kill(arrives(self.service, self.operation, times=self.times))
        assert site.engine.run_until(kill, *scenario.arguments(site)).killed
        run_again(site, scenario)


# In the middle of the cluster's creation: engine and provider ask for its stack before and after CreateStack.
WHILE_THE_CLUSTER_COMES_UP = ("cloudformation", "DescribeStacks", 6)


@dataclass(frozen=True)
class DestroyedWhole:
    """An apply that is killed, and destroyed in place of being run again.

    A workspace without the cluster says nothing of one that no state knows; it goes all the same.
    """

    cluster_fails: bool

    def __call__(self, site: Site) -> None:
        if self.cluster_fails:
            site.cloud.fail("create")
        service, operation, times = WHILE_THE_CLUSTER_COMES_UP
        kill = Kill(arrives(service, operation, times=times))
        assert site.engine.run_until(kill, *SCENARIOS["provision-efs"].arguments(site)).killed
        site.engine.run("destroy", PROJECT, "--purge-data", "--now", "--confirm", PROJECT).ok()
        assert not_as_wished(site, Goal.GONE) == []


@dataclass(frozen=True)
class LustreFails:
    """FSx can't make the file system: it is told, and the next run makes another one in its place."""

    def __call__(self, site: Site) -> None:
        # GIVEN a file system that turns FAILED while it is being made
        site.cloud.fail("create_lustre", cluster=site.names.lustre)
        wish = SCENARIOS["provision-lustre"].arguments(site)
        failed = site.engine.run(*wish)
        assert failed.code != 0
        assert "File system creation failed" in failed.output
        first = site.lustre
        assert first and first in failed.output

        # WHEN it is simply run again
        said = site.engine.run(*wish).ok().output

        # THEN the failed one went, which was told, and the rest was kept
        assert f"could not make the Lustre file system {first}" in said
        assert site.lustre not in (None, first)
        calls = site.cloud.calls()
        assert (calls["fsx:CreateFileSystem"], calls["fsx:DeleteFileSystem"]) == (2, 1)
        once = ("s3:CreateBucket", "efs:CreateFileSystem", "ec2:CreateSubnet", "cloudformation:CreateStack")
        assert {name: calls[name] for name in once} == dict.fromkeys(once, 1)
        assert not_as_wished(site, Goal.RUNNING) == []
        site.engine.run("plan", site.spec(), "--detailed-exitcode").ok()


@dataclass(frozen=True)
class LustreGrows:
    """FSx is at work on a larger file system when the engine dies: the next run waits for that, and asks for
    nothing twice."""

    def __call__(self, site: Site) -> None:
        # Longer than a run takes to come to its plan, also on a busy machine.
        site.cloud.set_durations(fsx_update_s=100.0)
        wish = "apply", site.spec(storage={"kind": "lustre", "capacity_gib": 4800}), "--yes"
        assert site.engine.run_until(
            Kill(arrives("fsx", "UpdateFileSystem"), Moment.LATER, 1.0), *wish
        ).killed
        said = site.engine.run(*wish).ok().output
        assert f"Waiting for {site.lustre}, which FSx is updating" in said
        assert wrong(site, Goal.RUNNING, Prepared.READY) == []
        assert site.cloud.calls()["fsx:UpdateFileSystem"] == 1
        (system,) = site.aws.fsx.describe_file_systems()["FileSystems"]
        assert system["StorageCapacity"] == 4800


@dataclass(frozen=True)
class StuckUpdate:
    """An update that fails, and so does its rollback: what a person can do is said, and giving back works."""

    def __call__(self, site: Site) -> None:
        # GIVEN an update that CloudFormation can neither carry out nor take back
        update = SCENARIOS["update-efs"].arguments(site)
        site.cloud.fail("update", cluster=site.names.cluster)
        failed = site.engine.run(*update)
        assert failed.code == 8, failed.output
        assert "continue-update-rollback" in failed.output

        # WHEN it is run again THEN nothing is changed, and the way out is said
        before = site.cloud.calls()["cloudformation:UpdateStack"]
        refused = site.engine.run(*update)
        assert refused.code == 8 and "continue-update-rollback" in refused.output
        assert site.cloud.calls()["cloudformation:UpdateStack"] == before

        # WHEN the project is released and applied THEN it is as it was wished, with its data
        site.engine.run("release", PROJECT, "--yes").ok()
        assert wrong(site, Goal.PARKED, Prepared.READY) == []
        site.engine.run(*update).ok()
        assert not_as_wished(site, Goal.RUNNING) == []


@dataclass(frozen=True)
class Replaced:
    """The old cluster is still in the state, tainted; the new one is at AWS alone when the engine dies."""

    def __call__(self, site: Site) -> None:
        # GIVEN a cluster that failed
        site.cloud.fail("create")
        wish = SCENARIOS["provision-efs"].arguments(site)
        assert site.engine.run(*wish).code != 0

        # WHEN the run that makes it anew dies while the new one comes up
        looks = -1

        def point(request: Request) -> bool:
            nonlocal looks
            looks = 0 if request.operation == "CreateStack" else looks
            looks += looks >= 0 and request.operation == "DescribeStacks"
            return looks == 2

        assert site.engine.run_until(Kill(point), *wish).killed

        # THEN the next one goes on with it: one stack failed, one stands
        site.engine.run(*wish).ok()
        calls = site.cloud.calls()
        assert calls["cloudformation:CreateStack"] - calls.get("cloudformation:DeleteStack", 0) == 1
        assert calls["cloudformation:CreateStack"] == 2
        site.engine.run("plan", site.spec(), "--detailed-exitcode").ok()
