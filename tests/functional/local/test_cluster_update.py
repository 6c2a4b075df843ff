"""Updating a cluster: what changes live, what is refused, and how a failure ends."""

from __future__ import annotations

import copy

import pytest
from botocore.exceptions import ClientError

from tests.functional.local.conftest import CLUSTER, STACK


@pytest.fixture
def config(ground):
    config = ground.config(ground.subnet())
    ground.running(config)
    return copy.deepcopy(config)


def resource(config):
    return config["Scheduling"]["SlurmQueues"][0]["ComputeResources"][0]


def settle(cloud):
    cloud.advance(cloud.world.durations.cluster_update_s)


def test_a_larger_queue_is_updated_in_place(cloud, ground, config):
    head = ground.head_node()["InstanceId"]
    resource(config)["MaxCount"] = 16
    ground.update(config)
    assert ground.status() == ground.status(CLUSTER) == "UPDATE_IN_PROGRESS"
    settle(cloud)
    assert ground.status() == ground.status(CLUSTER) == "UPDATE_COMPLETE"
    assert ground.outputs() == {"Answer": "UPDATE_COMPLETE"}
    assert ground.head_node()["InstanceId"] == head


def test_the_same_template_is_no_update(ground, config):
    with pytest.raises(ClientError, match="No updates are to be performed"):
        ground.update(config)


def test_a_number_and_its_text_are_the_same(ground, config):
    """Both reach the provider as text, so the cluster isn't asked at all."""
    resource(config)["MaxCount"] = "4"
    ground.update(config)
    assert ground.status() == "UPDATE_COMPLETE"
    assert ground.status(CLUSTER) == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["HeadNode"].update(InstanceType="t3.large"), "InstanceType"),
        (lambda c: c["Image"].update(Os="rhel9"), "Os"),
        (lambda c: c["Scheduling"].update(SlurmSettings={"Dns": {"DisableManagedDns": True}}), "Dns"),
        (lambda c: resource(c).update(MaxCount=1), "MaxCount"),
        (lambda c: resource(c).update(InstanceType="c5.xlarge"), "must be stopped"),
        (lambda c: c["Scheduling"]["SlurmQueues"][0].update(CapacityType="SPOT"), "QueueUpdateStrategy"),
        (lambda c: c["Scheduling"]["SlurmQueues"][0].update(Name="renamed"), "must be stopped"),
        (lambda c: c["HeadNode"].update(Colour="red"), "Unknown field"),
    ],
)
def test_a_refused_update_leaves_the_cluster_alone(cloud, ground, config, change, said):
    original = copy.deepcopy(config)
    change(config)
    ground.update(config)
    assert ground.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert said in ground.reasons()
    assert ground.status(CLUSTER) == "CREATE_COMPLETE"
    assert ground.outputs() == {"Answer": "CREATE_COMPLETE"}
    # AND the stack is back on its old template, and can still be updated
    with pytest.raises(ClientError, match="No updates"):
        ground.update(original)
    resource(original)["MaxCount"] = 8
    ground.update(original)
    settle(cloud)
    assert ground.status() == "UPDATE_COMPLETE"


def test_a_queue_may_come_but_not_go(cloud, ground, config):
    queue = copy.deepcopy(config["Scheduling"]["SlurmQueues"][0]) | {"Name": "second"}
    config["Scheduling"]["SlurmQueues"].append(queue)
    ground.update(config)
    settle(cloud)
    assert ground.status() == "UPDATE_COMPLETE"
    config["Scheduling"]["SlurmQueues"].pop()
    ground.update(config)
    assert ground.status() == "UPDATE_ROLLBACK_COMPLETE"


def test_a_stopped_fleet_allows_more(cloud, ground, config):
    # GIVEN the fleet asked to stop, as `pcluster update-compute-fleet` does
    cloud.client("dynamodb").update_item(
        TableName=f"parallelcluster-{CLUSTER}",
        Key={"Id": {"S": "COMPUTE_FLEET"}},
        UpdateExpression="SET #d.#s = :s",
        ExpressionAttributeNames={"#d": "Data", "#s": "status"},
        ExpressionAttributeValues={":s": {"S": "STOP_REQUESTED"}},
    )
    item = cloud.client("dynamodb").get_item(
        TableName=f"parallelcluster-{CLUSTER}", Key={"Id": {"S": "COMPUTE_FLEET"}}
    )["Item"]
    assert item["Data"]["M"]["status"]["S"] == "STOPPED"
    # THEN what needs it goes through
    resource(config)["InstanceType"] = "c5.xlarge"
    ground.update(config)
    settle(cloud)
    assert ground.status() == "UPDATE_COMPLETE"


def test_name_and_token_never_change(ground, config):
    for properties, said in (
        ({"ClusterName": "other"}, "ClusterName"),
        ({"ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:x"}, "service token"),
    ):
        ground.update(config, **properties)
        assert ground.status() == "UPDATE_ROLLBACK_COMPLETE"
        assert said in ground.reasons()


def test_an_update_that_fails_on_the_way_gets_stuck(cloud, ground, config):
    """The rollback's update finds nothing to do and polls a failed cluster: the parent can't recover."""
    cloud.fail("update")
    resource(config)["MaxCount"] = 16
    ground.update(config)
    settle(cloud)
    assert ground.status() == "UPDATE_ROLLBACK_FAILED"
    # Of a failed update ParallelCluster tells no code.
    assert f"{CLUSTER}:  (LogGroup: /aws/lambda/pcluster-cfn-" in ground.reasons()
    assert ground.status(CLUSTER) == "UPDATE_ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="can not be updated"):
        ground.update(config)
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    assert ground.head_node() is None


def test_one_operation_at_a_time(cloud, ground, config):
    resource(config)["MaxCount"] = 16
    ground.update(config)
    resource(config)["MaxCount"] = 20
    with pytest.raises(ClientError, match="UPDATE_IN_PROGRESS"):
        ground.update(config)
    with pytest.raises(ClientError, match="cannot be deleted"):
        ground.cfn.delete_stack(StackName=STACK)
    settle(cloud)
    assert ground.status() == "UPDATE_COMPLETE"


def test_only_an_output_changes(ground, config):
    template = ground.template(config, attribute="clusterName")
    ground.cfn.update_stack(StackName=STACK, TemplateBody=template)
    assert ground.status() == "UPDATE_COMPLETE"
    assert ground.outputs() == {"Answer": CLUSTER}
    assert ground.status(CLUSTER) == "CREATE_COMPLETE"
