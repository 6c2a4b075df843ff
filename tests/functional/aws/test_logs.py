"""Log groups of one cluster, and of no other whose name begins alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.aws.logs import delete_cluster_log_groups, list_cluster_log_groups
from engine.aws.session import Cloud
from engine.errors import OutOfTime

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

    assert [group.name for group in list_cluster_log_groups(cloud, "pc-a-b-xxx")] == OURS
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == OURS
    assert names(cloud) == sorted(OTHERS)
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == []


def test_those_of_clean_up_functions_are_known_by_their_tags(cloud: Cloud, monkeypatch: Any) -> None:
    def make(number: int, **found: str) -> str:
        name = f"/aws/lambda/pcluster-CleanupResources-5f3b1c2e-0000-11f1-8905-{number:012}"
        client(cloud).create_log_group(logGroupName=name, tags=found)
        return name

    # GIVEN those of two clusters that the project had, of another project, and of a person's own function
    ours = [make(number, **{"parallelcluster:cluster-name": "pc-a-b-xxx"}) for number in (7, 8)]
    others = [make(1, **{"parallelcluster:cluster-name": "pc-a-b-xxxy"}), make(2)]
    assert [group.name for group in list_cluster_log_groups(cloud, "pc-a-b-xxx")] == ours
    # AND those of before the project are asked nothing, and whoever has no time left may give up in between
    asked: list[str] = []
    late = datetime.now(UTC) + timedelta(minutes=1)
    assert list_cluster_log_groups(cloud, "pc-a-b-xxx", since=late, check=lambda: asked.append("")) == []
    assert asked == []

    def no_time() -> None:
        raise OutOfTime("the time of this run is up")

    with pytest.raises(OutOfTime):
        delete_cluster_log_groups(cloud, "pc-a-b-xxx", check=no_time)
    # WHEN one goes while they are looked at THEN that is no error
    real = client(cloud).list_tags_for_resource

    def too_late(resourceArn: str) -> Any:
        if resourceArn.endswith(ours[0]):
            client(cloud).delete_log_group(logGroupName=ours[0])
        return real(resourceArn=resourceArn)

    monkeypatch.setattr(cloud.logs, "list_tags_for_resource", too_late)
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == ours[1:]
    assert names(cloud) == sorted(others)


def test_all_pages_are_followed(cloud: Cloud) -> None:
    for minute in range(60):
        client(cloud).create_log_group(logGroupName=f"/aws/parallelcluster/pc-1-2026112310{minute:02}")

    found = list_cluster_log_groups(cloud, "pc-1")

    assert len(found) == 60
    assert all(group.created_at.tzinfo is not None for group in found)


def test_a_group_that_goes_meanwhile_is_no_error(cloud: Cloud, monkeypatch: Any) -> None:
    client(cloud).create_log_group(logGroupName=OURS[0])
    real = client(cloud).delete_log_group

    def twice(**arguments: Any) -> None:
        real(**arguments)
        real(**arguments)

    monkeypatch.setattr(cloud.logs, "delete_log_group", twice)
    assert delete_cluster_log_groups(cloud, "pc-a-b-xxx") == []
    assert names(cloud) == []
