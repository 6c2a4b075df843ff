"""The cluster of a release is gone when AWS says so: what Terraform has forgotten counts for nothing.

And what is parked at the end is what was reviewed at the beginning, or less.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.clusters import ClusterStatus
from engine.errors import ClusterError, DataAtRisk
from engine.operations import lustre, release
from engine.operations.reporting import Silent
from engine.review import Review, build_review
from engine.terraform.failures import ClusterBusy
from engine.workspace import resources
from tests.unit.operations.stacks import NAMES, standing
from tests.unit.review.plans import entry, plan_of

WHOLE, GONE = standing("UPDATE_COMPLETE", "UPDATE_COMPLETE"), standing(None, None)
SUBNET, POLICY = "module.subnet[0].aws_subnet.this", "module.bucket.aws_s3_bucket_policy.this"
REVIEWED = {SUBNET: "delete", POLICY: "update"}


def plan_that_does(actions: dict[str, str]) -> Review:
    entries = [entry(address, action, before={}, after={}) for address, action in actions.items()]
    return build_review(plan_of(*entries), project=NAMES.project)


@pytest.fixture
def parked(mocker) -> Any:
    """`parked(before, after, in_state=…, rest=…)` parks a project whose cluster AWS sees so before and after
    Terraform has been at work on it, and whose second plan does `rest`; gives what was carried out."""
    done: list[str] = []
    runner = SimpleNamespace(
        plan=lambda *_, **more: done.append(f"plan {more['targets'][0]}"),
        apply=lambda _: done.append("apply"),
    )
    planned: Any = SimpleNamespace(
        names=NAMES,
        spec=None,
        folder=None,
        runner=runner,
        plan_file=Path("p"),
        review=plan_that_does(REVIEWED),
    )
    settings = SimpleNamespace(region="eu-west-1")
    engine: Any = SimpleNamespace(reporter=Silent(), check=lambda: None, settings=settings)
    mocker.patch.object(release, "read_state")
    mocker.patch.object(lustre, "give_up", side_effect=lambda *_, **__: done.append("lustre"))

    def park(
        before: ClusterStatus,
        after: ClusterStatus,
        *,
        in_state: bool = True,
        rest: dict[str, str] = REVIEWED,
    ) -> list[str]:
        again = SimpleNamespace(review=plan_that_does(rest), runner=runner, plan_file=Path("rest"))
        mocker.patch.object(release, "plan_again", return_value=again)
        addresses = [resources.LUSTRE, *([resources.CLUSTER_STACK] if in_state else [])]
        known = [SimpleNamespace(address=one, id="fs-1") for one in addresses]
        mocker.patch.object(release, "instances", return_value=known)
        mocker.patch.object(release.repair, "settled_cluster", return_value=before)
        mocker.patch.object(release.repair, "look_at_cluster", return_value=after)
        release._park(engine, planned, None)
        return done

    park.done = done  # type: ignore[attr-defined]
    return park


def test_lustre_follows_the_cluster(parked) -> None:
    assert parked(WHOLE, GONE) == [f"plan {resources.CLUSTER_STACK}", "apply", "lustre", "apply"]


def test_nothing_is_asked_of_terraform_for_a_cluster_that_is_not_in_the_state(parked) -> None:
    assert parked(GONE, GONE, in_state=False) == ["lustre", "apply"]


@pytest.mark.parametrize(
    ("after", "in_state", "error", "told"),
    [
        # An update began between our look and the deletion, which CloudFormation refused.
        (standing("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"), True, ClusterBusy, "UPDATE_IN_PROGRESS"),
        # A run before this one was killed when Terraform had forgotten the stack.
        (WHOLE, False, ClusterBusy, "UPDATE_COMPLETE"),
        (standing(None, "CREATE_COMPLETE"), False, ClusterError, "without the stack"),
        (standing(None, "DELETE_FAILED"), True, ClusterError, "DELETE_FAILED"),
        (standing("CREATE_COMPLETE", "CREATE_COMPLETE", protected=True), True, ClusterError, "protection"),
    ],
)
def test_a_cluster_that_stands_keeps_lustre(
    parked, after: ClusterStatus, in_state: bool, error: type[ClusterError], told: str
) -> None:
    with pytest.raises(error, match=told) as refused:
        parked(WHOLE, after, in_state=in_state)
    assert type(refused.value) is error and "lab-1/proj-1" in refused.value.message
    assert "lustre" not in parked.done


def test_a_protected_cluster_is_not_asked_to_go(parked) -> None:
    with pytest.raises(ClusterError, match="termination protection"):
        parked(standing("CREATE_COMPLETE", "CREATE_COMPLETE", protected=True), GONE)
    assert parked.done == []


def test_the_second_plan_may_do_less_than_was_reviewed(parked) -> None:
    assert parked(WHOLE, GONE, rest={POLICY: "update"})[-2:] == ["lustre", "apply"]


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ({**REVIEWED, "aws_vpc.this": "delete"}, r"not reviewed: delete aws_vpc\.this$"),
        ({POLICY: "delete"}, r"not reviewed: delete module\.bucket\.aws_s3_bucket_policy\.this$"),
    ],
    ids=["one more", "another action"],
)
def test_what_was_not_reviewed_is_not_applied(parked, rest: dict[str, str], told: str) -> None:
    with pytest.raises(DataAtRisk, match=told):
        parked(WHOLE, GONE, rest=rest)
    assert parked.done[-1] == "lustre"
