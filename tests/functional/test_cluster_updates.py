"""Changing a running cluster: what AWS or its nodes would not take is refused before anything is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.model.cluster_updates import cluster_changes, is_seeming
from engine.model.names import names_for

pytestmark = [pytest.mark.long, pytest.mark.terraform, pytest.mark.timeout(600)]

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
CLUSTER = NAMES.cluster
NODES_BUCKET = "provisioner-nodes-123456789012-us-east-1"


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


def _configuration(aws: Cloud) -> dict[str, Any]:
    """The cluster's, as CloudFormation has it."""
    body = aws.cloudformation.get_template(StackName=NAMES.stack)["TemplateBody"]
    template = json.loads(body) if isinstance(body, str) else body
    (cluster,) = [one for one in template["Resources"].values() if one["Type"] == "Custom::PclusterCluster"]
    return dict(cluster["Properties"]["ClusterConfiguration"])


def _told_at(aws: Cloud, action: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The step of a custom action, and the node configuration that it is given."""
    step, url = action["Args"]
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return step, json.loads(aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def test_the_head_node_hears_of_other_settings_at_once(provisioner, backend, spec, monkeypatch) -> None:
    # GIVEN a project that runs, with a REST API
    backend.s3.put_object(Bucket=NODES_BUCKET, Key="jwks.json", Body=b'{"keys": []}')
    monkeypatch.setenv("PROVISIONER_JWKS_URL", "https://127.0.0.1:9/certs")
    monkeypatch.setenv("PROVISIONER_JWT_ISSUER", "https://sso.example.org/realms/science")
    monkeypatch.setenv("PROVISIONER_JWT_AUDIENCE", "slurm-rest")
    provisioner("apply", spec("efs"), "--yes").ok()
    before = _configuration(backend)
    assert _told_at(backend, before["HeadNode"]["CustomActions"]["OnNodeUpdated"])[0] == "head-updated"

    # WHEN tokens of another audience are to count from now on
    monkeypatch.setenv("PROVISIONER_JWT_AUDIENCE", "slurm-rest-2")
    provisioner("apply", spec("efs"), "--yes").ok()

    # THEN AWS was told of one change, which it makes while jobs run
    after = _configuration(backend)
    changes = [one for one in cluster_changes(before, after) if not is_seeming(one, before, after)]
    assert {str(one) for one in changes} == {"HeadNode.CustomActions.OnNodeUpdated.Args"}
    # AND all nodes are told of it: this one now, others when they start, at the address that stays
    for event, step in (("OnNodeUpdated", "head-updated"), ("OnNodeStart", "head-start")):
        told = _told_at(backend, after["HeadNode"]["CustomActions"][event])
        assert (told[0], told[1]["rest"]["audience"]) == (step, "slurm-rest-2")
    # AND that is all
    assert provisioner("plan", spec("efs"), "--detailed-exitcode").code == 0


def test_tags_of_the_installation_reach_a_running_cluster_and_replace_nothing(
    cloud, provisioner, backend, spec, monkeypatch
) -> None:
    # GIVEN a project that runs, in an installation that demands a tag from now on
    provisioner("apply", spec("efs"), "--yes").ok()
    running, before = {_identity(item) for item in cloud.inventory()}, _configuration(backend)
    monkeypatch.setenv("PROVISIONER_REQUIRED_TAGS", "acme:project")
    provisioner("apply", spec("efs"), "--yes").refused(3, "RULE_BROKEN", "acme:project")

    # WHEN it gives that tag to every project THEN that is no drift, and the same spec goes through
    monkeypatch.setenv("PROVISIONER_PROJECT_TAGS", "acme:project={vlab_id}/{project_id}")
    provisioner("drift", "lab-1/proj-1").ok()
    provisioner("apply", spec("efs"), "--yes").ok()

    # THEN AWS was told of one change, which it makes while jobs run, and everything is what it was
    after = _configuration(backend)
    changes = [one for one in cluster_changes(before, after) if not is_seeming(one, before, after)]
    assert {str(one).split(".")[0].split("[")[0] for one in changes} == {"Tags"}
    assert running <= {_identity(item) for item in cloud.inventory()}
    # AND bucket and cluster have it, and nothing is left to do
    tags = backend.s3.get_bucket_tagging(Bucket=NAMES.bucket)["TagSet"]
    assert {"Key": "acme:project", "Value": "lab-1/proj-1"} in tags
    (stack,) = backend.cloudformation.describe_stacks(StackName=NAMES.stack)["Stacks"]
    assert {"Key": "acme:project", "Value": "lab-1/proj-1"} in stack["Tags"]
    assert provisioner("plan", spec("efs"), "--detailed-exitcode").code == 0


def _identity(item: dict[str, Any]) -> tuple[str, str]:
    """What an entry of the inventory is, whatever its tags."""
    return item["type"], item["id"]
