"""Log groups of one cluster, and of no other whose name begins alike."""

from __future__ import annotations

from typing import Any

import pytest

from engine.aws.logs import delete_cluster_log_groups, list_cluster_log_groups
from engine.aws.session import Cloud
from engine.errors import OutOfTime

CLUSTER_TAG = "parallelcluster:cluster-name"
OURS = ["/aws/parallelcluster/pc-a-b-xxx-202611230959", "/aws/parallelcluster/pc-a-b-xxx-202611231001"]
OTHERS = [
    "/aws/parallelcluster/pc-a-b-xxxy-202611231001",
    "/aws/parallelcluster/pc-a-b-xxx-y-202611231001",
    "/aws/parallelcluster/pc-a-b-xxx-20261123100",
    "/aws/parallelcluster/pc-a-b-xxx-202611231001-jobs",
    "/aws/parallelcluster/pc-a-b-xxx-jobs",
    "/aws/parallelcluster/pc-a-b-xx-202611231001",
    "/aws/lambda/pc-a-b-xxx-202611231001",
]


def client(cloud: Cloud) -> Any:
    return cloud.logs


def names(cloud: Cloud) -> list[str]:
    pages = client(cloud).get_paginator("describe_log_groups").paginate()
    return sorted(group["logGroupName"] for page in pages for group in page["logGroups"])


def test_only_the_clusters_own_groups_go(cloud: Cloud) -> None:
    for name in [*reversed(OURS), *OTHERS]:
        client(cloud).create_log_group(logGroupName=name)

    assert list_cluster_log_groups(cloud, "pc-a-b-xxx") == OURS
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == OURS
    assert names(cloud) == sorted(OTHERS)
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == []


def clean_up_group(cloud: Cloud, number: int, **found: str) -> str:
    name = f"/aws/lambda/pcluster-CleanupResources-5f3b1c2e-0000-11f1-8905-{number:012}"
    client(cloud).create_log_group(logGroupName=name, tags=found)
    return name


def test_those_of_clean_up_functions_are_known_by_their_tags(cloud: Cloud) -> None:
    # GIVEN those of two clusters that the project had, of another project, and of a person's own function
    mine, other = {CLUSTER_TAG: "pc-a-b-xxx"}, {CLUSTER_TAG: "pc-a-b-xxxy"}
    ours = [clean_up_group(cloud, number, **mine) for number in (7, 8)]
    others = [clean_up_group(cloud, 1, **other), clean_up_group(cloud, 2)]
    # AND a group of somebody's that carries the cluster's tag and is no clean-up function's
    client(cloud).create_log_group(logGroupName="/research/notes", tags=mine)
    assert list_cluster_log_groups(cloud, "pc-a-b-xxx") == ours
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == ours
    assert names(cloud) == sorted([*others, "/research/notes"])


def test_clusters_of_others_cost_no_time(cloud: Cloud) -> None:
    """CloudWatch Logs answers few questions a second, and the region may have had thousands of clusters."""
    for number in range(150):
        clean_up_group(cloud, number, **{CLUSTER_TAG: f"pc-other-{number}"})
    ours = [clean_up_group(cloud, 1000 + number, **{CLUSTER_TAG: "pc-a-b-xxx"}) for number in range(120)]
    asked: list[str] = []
    client(cloud).meta.events.register("before-call.logs", lambda model, **_: asked.append(model.name))

    assert list_cluster_log_groups(cloud, "pc-a-b-xxx") == ours
    assert asked == ["DescribeLogGroups"]


def test_what_is_deleted_stays_deleted_when_the_time_is_up(cloud: Cloud) -> None:
    for name in OURS:
        client(cloud).create_log_group(logGroupName=name)
    left = [None]

    def check() -> None:
        if not left:
            raise OutOfTime("the time of this run is up")
        left.pop()

    with pytest.raises(OutOfTime):
        delete_cluster_log_groups(cloud, "pc-a-b-xxx", check=check)
    assert names(cloud) == OURS[1:]
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == OURS[1:]


def test_all_pages_are_followed(cloud: Cloud) -> None:
    for minute in range(60):
        client(cloud).create_log_group(logGroupName=f"/aws/parallelcluster/pc-1-2026112310{minute:02}")

    assert len(list_cluster_log_groups(cloud, "pc-1")) == 60


def test_a_group_that_goes_meanwhile_is_no_error(cloud: Cloud, monkeypatch: Any) -> None:
    client(cloud).create_log_group(logGroupName=OURS[0])
    real = client(cloud).delete_log_group

    def twice(**arguments: Any) -> None:
        real(**arguments)
        real(**arguments)

    monkeypatch.setattr(cloud.logs, "delete_log_group", twice)
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == []
    assert names(cloud) == []
