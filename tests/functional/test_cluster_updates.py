"""Changing a running cluster: what AWS or its nodes would not take is refused before anything is changed."""

from __future__ import annotations

import pytest

from engine.model.names import names_for

pytestmark = [pytest.mark.long, pytest.mark.terraform, pytest.mark.timeout(600)]

CLUSTER = names_for("lab-1", "proj-1", account_id="123456789012").cluster


def test_fewer_nodes_wait_for_a_stopped_fleet(cloud, provisioner, backend, spec) -> None:
    # GIVEN a project that runs
    provisioner("apply", spec("efs"), "--yes").ok()
    running = cloud.inventory()

    # WHEN it is to have fewer nodes THEN that is refused, by the field, and nothing has changed
    smaller = spec("efs", compute={"max_nodes": 1})
    provisioner("apply", smaller, "--yes").refused(
        3, "CLUSTER_UPDATE_REFUSED", "compute.max_nodes", f"--cluster-name {CLUSTER}", "STOP_REQUESTED"
    )
    assert cloud.inventory() == running

    # WHEN the fleet is stopped, as the hint says THEN the smaller one goes through
    backend.dynamodb.update_item(
        TableName=f"parallelcluster-{CLUSTER}",
        Key={"Id": {"S": "COMPUTE_FLEET"}},
        UpdateExpression="SET #d.#s = :s",
        ExpressionAttributeNames={"#d": "Data", "#s": "status"},
        ExpressionAttributeValues={":s": {"S": "STOP_REQUESTED"}},
    )
    smaller = spec("efs", compute={"max_nodes": 1})
    assert "is ready" in provisioner("apply", smaller, "--yes").ok().out


def test_another_kind_of_storage_waits_for_a_new_cluster(cloud, provisioner, backend, spec) -> None:
    # GIVEN a project that runs
    provisioner("apply", spec("efs"), "--yes").ok()
    running = cloud.inventory()

    # WHEN it is to have storage that its nodes can't prepare THEN that is refused, and nothing has changed
    provisioner("apply", spec("lustre"), "--yes").refused(
        3, "CLUSTER_UPDATE_REFUSED", "storage.kind", "release the project and apply again"
    )
    assert cloud.inventory() == running

    # WHEN it is released, as the hint says THEN the next cluster has it
    provisioner("release", "lab-1/proj-1", "--yes").ok()
    assert "is ready" in provisioner("apply", spec("lustre"), "--yes").ok().out
