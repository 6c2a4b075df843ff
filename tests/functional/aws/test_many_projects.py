"""What a registry of many projects costs, in calls and items read: one project's business must not grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from engine.aws.registry import Phase
from engine.aws.session import Cloud
from engine.model.settings import Settings
from engine.operations.engine import Engine
from engine.operations.reporting import Silent
from engine.operations.status import list_page
from tests.bench.filled import LOOKS, LOST, NOON, Asked, asked_of, fill, of_all, of_one
from tests.functional.aws.conftest import ACCOUNT, REGION

FEW, MANY = 60, 90
DRIFT = f"drift by the clock, {LOOKS} looks"
# DynamoDB answers a megabyte at a time, CloudFormation (moto) 50 stacks.
_STACKS_A_PAGE = 50


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Asked]]:
    """For a small and a large account, what each piece of business asked of AWS."""
    folder = tmp_path_factory.mktemp("many")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        return {count: _count(count, folder) for count in (FEW, MANY)}


SETTINGS = Settings(cloud="aws", account_id=ACCOUNT, region=REGION, lab_max_clusters=50)


def _engine(cloud: Cloud, folder: Path) -> Engine:
    return Engine(
        settings=SETTINGS,
        cloud=cloud,
        now=lambda: NOON,
        environ={},
        home=folder,
        workspaces=folder,
        reporter=Silent(),
    )


def _count(count: int, folder: Path) -> dict[str, Asked]:
    with mock_aws():
        cloud = Cloud(region=REGION)
        fill(cloud, SETTINGS, count, standing=True)
        engine = _engine(cloud, folder)
        asked = asked_of(cloud)
        found = {}
        for name, business in {**of_all(engine), **of_one(engine, count - 1)}.items():
            with asked.afresh():
                result: Any = business()
            found[name] = Asked(asked.calls, asked.items)
            if name in ("list", "what plan --all has to plan"):
                assert len(result) == count
            if name == "sweep of lost requests":
                assert len(result) == LOST
            if name == DRIFT:
                assert len(result) == LOOKS
        return found


@pytest.mark.parametrize(
    "business",
    [
        "status of one",
        "one page of the list (20)",
        "address block of one",
        "history of one",
        "limits of one virtual lab",
        "queueing one",
    ],
)
def test_one_projects_business_does_not_grow(counted: dict[int, dict[str, Asked]], business: str) -> None:
    few, many = counted[FEW][business], counted[MANY][business]
    assert many.calls == few.calls
    assert many.items == few.items


@pytest.mark.parametrize("business", ["list", "sweep of lost requests", "what plan --all has to plan", DRIFT])
def test_that_of_all_grows_no_faster_than_they_do(
    counted: dict[int, dict[str, Asked]], business: str
) -> None:
    few, many = counted[FEW][business], counted[MANY][business]
    times = MANY / FEW
    assert many.items <= times * few.items
    for name, calls in many.calls.items():
        assert calls <= max(times * few.calls[name], 1), name


def test_no_call_is_made_for_each_project(counted: dict[int, dict[str, Asked]]) -> None:
    # The sweep reads each operation that may be lost, not each project.
    assert sum(counted[MANY]["sweep of lost requests"].calls.values()) <= 2 * LOST + 3
    assert sum(counted[MANY]["what plan --all has to plan"].calls.values()) == 1
    # The list and the place to go on from, and that place again before each look.
    assert sum(counted[MANY][DRIFT].calls.values()) == 2 + LOOKS
    assert sum(counted[MANY]["list"].calls.values()) == 1 + -(-MANY // _STACKS_A_PAGE)


def test_a_page_asks_for_no_cluster_of_a_parked_project(cloud: Cloud, tmp_path: Path) -> None:
    fill(cloud, SETTINGS, FEW, standing=False)
    for number in range(_STACKS_A_PAGE + 10):
        cloud.cloudformation.create_stack(StackName=f"other-{number}", TemplateBody='{"Resources": {}}')
    engine = _engine(cloud, tmp_path)
    ready, *parked = engine.registry.list()
    for record in parked:
        engine.registry.replace(record, now=NOON, phase=Phase.PARKED)
    asked = asked_of(cloud)

    listed, _ = list_page(engine, limit=FEW, after=None)

    assert [one.record.project for one in listed][:1] == [ready.project]
    # All stacks that fit an answer, and the one cluster that may stand.
    assert asked.calls["DescribeStacks"] == 2


def test_the_count_sees_what_grows(counted: dict[int, dict[str, Asked]]) -> None:
    assert counted[MANY]["list"].items > counted[FEW]["list"].items >= 2 * FEW
