"""What `status` says of a cluster's release, and of its compute fleet."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws import clusters
from engine.errors import AccessDenied
from engine.operations import status as operations_status
from engine.operations.status import ProjectStatus


def status(version: str | None, version_for_new: str) -> ProjectStatus:
    cluster: Any = SimpleNamespace(version=version)
    nothing: Any = None
    return ProjectStatus(nothing, nothing, cluster, None, None, "", "", "sim", "", None, version_for_new)


@pytest.mark.parametrize(
    ("cluster", "settings", "newer"),
    [
        ("3.16.1", "3.16.3", "3.16.3"),
        ("3.9.3", "3.16.1", "3.16.1"),
        ("3.16.1", "3.16.1", None),
        ("3.16.3", "3.16.1", None),
        (None, "3.16.1", None),
    ],
)
def test_a_newer_release_is_named(cluster: str | None, settings: str, newer: str | None) -> None:
    assert status(cluster, settings).newer_version == newer


@pytest.mark.parametrize(("fleet", "told"), [("PROTECTED", True), ("RUNNING", False), (None, False)])
def test_a_queue_whose_nodes_keep_failing_to_start_is_told(fleet: str | None, told: bool) -> None:
    # GIVEN a cluster that AWS calls complete
    cluster: Any = SimpleNamespace(cluster_name="pc-1", failure_reasons=())
    found = replace(status(None, "3.16.1"), cluster=cluster, fleet=fleet, region="eu-west-3")
    # THEN the reason says where to read on, and what starts its queues again
    assert bool(found.failure_reasons) is told
    for part in ("….cloud-init-output", "/aws/parallelcluster/pc-1-<date>", "node.sh", "--region eu-west-3`"):
        assert all(part in reason for reason in found.failure_reasons)
    for reason in found.failure_reasons:
        assert "`pcluster update-compute-fleet --cluster-name pc-1 --status START_REQUESTED" in reason


def test_all_else_is_told_where_the_fleet_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(cloud: Any, cluster_name: str) -> str:
        asked.append((cloud, cluster_name))
        raise AccessDenied("AWS refused it.")

    asked: list[tuple[Any, str]] = []
    monkeypatch.setattr(clusters, "fleet_status", refuse)
    place: Any = SimpleNamespace(cloud=SimpleNamespace(impatient=lambda: "in a hurry"))
    for ready in (False, True):
        cluster: Any = SimpleNamespace(ready=ready, cluster_name="pc-1")
        assert operations_status._fleet(place, cluster) is None
    # AND only a complete cluster's is asked for, and not for long
    assert asked == [("in a hurry", "pc-1")]
