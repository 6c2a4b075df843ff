"""ParallelCluster's provider stack from AWS's template, and the clusters that depend on it."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from engine.local.provider_stack import template_url
from tests.functional.local.conftest import CLUSTER, STACK

NAME = "parallelcluster-provider-3-16-3"
BOTH = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def create(ground, version="3.16.3", capabilities=BOTH, role=None, **more):
    parameters = {"CustomLambdaRole": role} if role else {}
    return ground.cfn.create_stack(
        StackName=NAME,
        TemplateURL=template_url(version, "us-east-1"),
        Capabilities=capabilities,
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        **more,
    )


def lambda_role(cloud, service="lambda.amazonaws.com"):
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]
    }
    made = cloud.client("iam").create_role(RoleName="provider", AssumeRolePolicyDocument=json.dumps(trust))
    return made["Role"]["Arn"]


def test_it_comes_up_in_its_time_and_leaves_its_log_group(cloud, ground):
    # WHEN the stack is created from AWS's address
    role = lambda_role(cloud)
    create(ground, role=role)
    assert ground.status(NAME) == "CREATE_IN_PROGRESS"
    assert "Outputs" not in ground.stack(NAME)
    # THEN after a while it gives out what AWS's template gives out
    cloud.advance(cloud.world.durations.provider_create_s)
    stack = ground.stack(NAME)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Capabilities"] == BOTH
    assert {"ParameterKey": "CustomLambdaRole", "ParameterValue": role} in stack["Parameters"]
    outputs = ground.outputs(NAME)
    assert set(outputs) == {"ServiceToken", "LogGroupArn", "LambdaLayerArn"}
    assert ":function:pcluster-cfn-" in outputs["ServiceToken"]
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/pcluster-cfn-")
    assert [group["retentionInDays"] for group in groups["logGroups"]] == [90, 90]  # the seed's, and this
    # AND when it is deleted, its log group alone is left
    ground.cfn.delete_stack(StackName=NAME)
    assert [line.split()[1] for line in cloud.left_over()] == ["role", "log-group"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"version": "3.16.9"}, "ValidationError", "S3 error: Access Denied"),
        ({"capabilities": []}, "InsufficientCapabilitiesException", "CAPABILITY_NAMED_IAM"),
        ({"capabilities": BOTH[:1]}, "InsufficientCapabilitiesException", "CAPABILITY_AUTO_EXPAND"),
    ],
)
def test_what_cloudformation_refuses(cloud, ground, change, code, said):
    with pytest.raises(ClientError) as refused:
        create(ground, **change)
    assert refused.value.response["Error"]["Code"] == code
    assert said in refused.value.response["Error"]["Message"]
    assert cloud.left_over() == []


@pytest.mark.parametrize("service", [None, "ec2.amazonaws.com"])
def test_a_role_that_lambda_may_not_take_fails_it(cloud, ground, service):
    role = lambda_role(cloud, service) if service else "arn:aws:iam::123456789012:role/nobody"
    create(ground, role=role, OnFailure="DELETE")
    cloud.advance(60)
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack(NAME)
    create(ground, role=role)
    cloud.advance(60)
    assert ground.status(NAME) == "ROLLBACK_COMPLETE"
    events = ground.cfn.describe_stack_events(StackName=NAME)["StackEvents"]
    assert any("cannot be assumed" in event.get("ResourceStatusReason", "") for event in events)


def test_releases_side_by_side_and_a_provider_that_is_gone(cloud, ground):
    # GIVEN a cluster of the newer provider beside the seeded one
    create(ground)
    cloud.advance(60)
    newer, older = ground.outputs(NAME)["ServiceToken"], ground.service_token()
    config = ground.config(ground.subnet())
    ground.create(config, properties={"ServiceToken": newer, "attribute": "version"})
    cloud.advance(60)
    # THEN it is of that release, and says so where the engine looks
    assert ground.outputs()["Answer"] == "3.16.3"
    assert {"Key": "parallelcluster:version", "Value": "3.16.3"} in ground.stack(CLUSTER)["Tags"]
    # AND it can't be handed over to the other provider
    ground.update(config, ServiceToken=older, attribute="version")
    cloud.advance(60)
    assert "Modifying service token is not allowed" in ground.reasons()
    assert ground.status() == "UPDATE_ROLLBACK_COMPLETE"
    # WHEN its provider is deleted THEN nobody is left to delete the cluster
    ground.cfn.delete_stack(StackName=NAME)
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    assert ground.status() == "DELETE_FAILED"
    assert "function not found" in ground.reasons()
    assert ground.status(CLUSTER) == "CREATE_COMPLETE"


def test_a_cluster_is_updated_by_its_own_release_only(cloud, ground):
    # GIVEN a cluster whose provider stack was updated to another release: the token stays the same
    create(ground, version="3.16.1")
    cloud.advance(60)
    token = ground.outputs(NAME)["ServiceToken"]
    config = ground.config(ground.subnet())
    ground.create(config, properties={"ServiceToken": token})
    cloud.advance(60)
    ground.cfn.update_stack(
        StackName=NAME, TemplateURL=template_url("3.16.3", "us-east-1"), Capabilities=list(BOTH)
    )
    cloud.advance(60)
    assert ground.outputs(NAME)["ServiceToken"] == token
    # WHEN it is changed THEN it stays as it was
    config["Scheduling"]["SlurmQueues"][0]["ComputeResources"][0]["MaxCount"] = 8
    ground.update(config, ServiceToken=token)
    cloud.advance(60)
    assert "only with the same ParallelCluster version (3.16.1)" in ground.reasons()
    assert (ground.status(), ground.status(CLUSTER)) == ("UPDATE_ROLLBACK_COMPLETE", "CREATE_COMPLETE")
    # AND it can be deleted all the same
    ground.cfn.delete_stack(StackName=STACK)
    cloud.advance(60)
    with pytest.raises(ClientError, match="does not exist"):
        ground.stack(CLUSTER)
