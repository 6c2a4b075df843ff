"""The shared ground: found once each, fit for use, or named with what to do."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from moto.awslambda.models import lambda_backends
from moto.cloudformation.models import cloudformation_backends
from moto.rds.models import rds_backends

from engine.aws.session import Cloud
from engine.aws.shared_ground import examine_shared_ground, find_shared_ground
from engine.errors import SharedGroundBusy, SharedGroundMissing

NAMES = {
    "accounting_database": "accounting",
    "accounting_function": "provisioner-accounting",
    "pcluster_version": "3.16.1",
    "pcluster_provider_stack": "parallelcluster-provider-3-16-1",
    "public_bucket": "public-bucket",
    "nodes_bucket": "nodes-bucket",
}
TOKEN = "arn:aws:lambda:eu-west-3:123456789012:function:pcluster-cfn-abc"

Ground = dict[str, str]


def tag(cloud: Cloud, resource: str, value: str) -> None:
    cloud.ec2.create_tags(Resources=[resource], Tags=[{"Key": "provisioner:shared", "Value": value}])


def make_function(cloud: Cloud) -> None:
    iam = boto3.client("iam", region_name="us-east-1")
    role = iam.create_role(RoleName="accounting", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("x.py", "")
    cloud.lambdas.create_function(
        FunctionName=NAMES["accounting_function"],
        Role=role,
        Code={"ZipFile": content.getvalue()},
        Runtime="python3.12",
        Handler="engine.accounting.handler.handle",
    )


def function_is(state: str) -> Callable[[Cloud, Ground], Any]:
    def change(cloud: Cloud, _: Ground) -> None:
        backend = lambda_backends["123456789012"][cloud.region]
        backend.get_function(NAMES["accounting_function"]).state = state

    return change


def database_is(status: str) -> Callable[[Cloud, Ground], Any]:
    def change(cloud: Cloud, _: Ground) -> None:
        database = rds_backends["123456789012"][cloud.region].describe_db_instances("accounting")[0]
        database.status = status

    return change


def stack_is(status: str) -> Callable[[Cloud, Ground], Any]:
    def change(cloud: Cloud, _: Ground) -> None:
        stacks = cloudformation_backends["123456789012"][cloud.region].stacks
        next(iter(stacks.values())).status = status

    return change


@pytest.fixture
def ground(cloud: Cloud) -> Ground:
    """Everything a project needs, as the local cloud or an operator sets it up; gives the ids."""
    ec2 = cloud.ec2
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    groups = {
        name: ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        for name in ("endpoint-access", "accounting-access", "workflow-access")
    }
    for resource, value in ((vpc, "vpc"), (table, "project-route-table")):
        tag(cloud, resource, value)
    for name, group in groups.items():
        tag(cloud, group, name)
    cloud.rds.create_db_instance(
        DBInstanceIdentifier=NAMES["accounting_database"],
        DBInstanceClass="db.t4g.small",
        Engine="mariadb",
        EngineVersion="11.4.4",
        AllocatedStorage=20,
        MasterUsername="provisioner",
        ManageMasterUserPassword=True,
    )
    make_function(cloud)
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"ServiceToken": {"Value": TOKEN}},
    }
    cloud.cloudformation.create_stack(
        StackName=NAMES["pcluster_provider_stack"], TemplateBody=json.dumps(template)
    )
    for bucket in (NAMES["public_bucket"], NAMES["nodes_bucket"]):
        cloud.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    return {"vpc": vpc, "table": table, **groups}


def test_everything_is_found(cloud: Cloud, ground: Ground) -> None:
    found = find_shared_ground(cloud, **NAMES)

    assert (found.vpc_id, found.vpc_cidr) == (ground["vpc"], "10.42.0.0/16")
    assert found.route_table_id == ground["table"]
    assert found.endpoint_security_group_id == ground["endpoint-access"]
    assert found.accounting_security_group_id == ground["accounting-access"]
    assert found.workflow_security_group_id == ground["workflow-access"]
    assert found.accounting_host.startswith("accounting.")
    assert found.accounting_port == 3306
    assert found.accounting_function == "provisioner-accounting"
    assert found.service_token == TOKEN
    assert (found.public_bucket, found.nodes_bucket) == ("public-bucket", "nodes-bucket")
    assert all(check.ok for check in examine_shared_ground(cloud, **NAMES))


def test_no_secret_is_asked_for(cloud: Cloud, ground: Ground) -> None:
    asked: list[str] = []
    cloud.secretsmanager.meta.events.register(
        "provide-client-params.secrets-manager", lambda model, **_: asked.append(model.name)
    )
    find_shared_ground(cloud, **NAMES)
    assert asked == []


def test_a_function_that_sleeps_is_there(cloud: Cloud, ground: Ground) -> None:
    function_is("Inactive")(cloud, ground)
    find_shared_ground(cloud, **NAMES)
    assert all(check.ok for check in examine_shared_ground(cloud, **NAMES))


def second_vpc(cloud: Cloud, ground: Ground) -> None:
    tag(cloud, cloud.ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"], "vpc")


def group_in_other_vpc(cloud: Cloud, ground: Ground) -> None:
    cloud.ec2.delete_security_group(GroupId=ground["endpoint-access"])
    vpc = cloud.ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"]
    group = cloud.ec2.create_security_group(GroupName="x", Description="x", VpcId=vpc)["GroupId"]
    tag(cloud, group, "endpoint-access")


def no_token(cloud: Cloud, ground: Ground) -> None:
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloud.cloudformation.update_stack(
        StackName=NAMES["pcluster_provider_stack"], TemplateBody=json.dumps(template)
    )


def bucket_elsewhere(cloud: Cloud, ground: Ground) -> None:
    cloud.s3.delete_bucket(Bucket=NAMES["public_bucket"])
    Cloud(region="us-east-1").s3.create_bucket(Bucket=NAMES["public_bucket"])


Break = Callable[[Cloud, Ground], Any]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (
            lambda cloud, ground: cloud.ec2.delete_tags(
                Resources=[ground["vpc"]], Tags=[{"Key": "provisioner:shared"}]
            ),
            "no VPC with the tag provisioner:shared = vpc",
        ),
        (second_vpc, "more than one VPC"),
        (
            lambda cloud, ground: cloud.ec2.modify_vpc_attribute(
                VpcId=ground["vpc"], EnableDnsHostnames={"Value": False}
            ),
            "DNS hostnames switched off",
        ),
        (
            lambda cloud, ground: cloud.ec2.delete_route_table(RouteTableId=ground["table"]),
            "no route table with the tag",
        ),
        (group_in_other_vpc, "no security group with the tag provisioner:shared = endpoint-access"),
        (
            lambda cloud, ground: tag(cloud, ground["endpoint-access"], "accounting-access"),
            "more than one security group",
        ),
        (
            lambda cloud, _: cloud.rds.delete_db_instance(
                DBInstanceIdentifier="accounting", SkipFinalSnapshot=True
            ),
            "no accounting database accounting",
        ),
        (
            lambda cloud, _: cloud.rds.stop_db_instance(DBInstanceIdentifier="accounting"),
            "accounting database accounting is stopped",
        ),
        (database_is("storage-full"), "accounting is storage-full, and does not come out of that by itself"),
        (stack_is("ROLLBACK_IN_PROGRESS"), "is ROLLBACK_IN_PROGRESS"),
        (
            lambda cloud, _: cloud.lambdas.delete_function(FunctionName=NAMES["accounting_function"]),
            "no accounting function provisioner-accounting",
        ),
        (function_is("Failed"), "accounting function provisioner-accounting is Failed"),
        (
            lambda cloud, _: cloud.cloudformation.delete_stack(StackName=NAMES["pcluster_provider_stack"]),
            "no ParallelCluster provider stack",
        ),
        (no_token, "no output ServiceToken"),
        (lambda cloud, _: cloud.s3.delete_bucket(Bucket="public-bucket"), "no bucket public-bucket"),
        (
            lambda cloud, ground: cloud.s3.delete_bucket(Bucket=NAMES["nodes_bucket"]),
            "no bucket nodes-bucket with what nodes fetch",
        ),
        (bucket_elsewhere, "stands in us-east-1, not in eu-west-3"),
    ],
)
def test_what_is_missing_or_doubtful_is_named(
    cloud: Cloud, ground: Ground, break_it: Break, said: str
) -> None:
    # GIVEN ground on which one thing is wrong
    break_it(cloud, ground)
    # WHEN it is looked for
    with pytest.raises(SharedGroundMissing) as missing:
        find_shared_ground(cloud, **NAMES)
    # THEN it is named, with what to do
    assert said in missing.value.message
    assert all(problem["hint"] for problem in missing.value.details["missing"])
    assert any(not check.ok and said in check.found for check in examine_shared_ground(cloud, **NAMES))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *(
            (database_is(status), f"accounting database accounting is {status}")
            for status in (
                "maintenance",
                "modifying",
                "upgrading",
                "rebooting",
                "resetting-master-credentials",
                "storage-config-upgrade",
                "starting",
                "creating",
            )
        ),
        (function_is("Pending"), "accounting function provisioner-accounting is Pending"),
        (stack_is("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), "is UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
    ],
)
def test_what_passes_by_itself_is_told_apart(cloud: Cloud, ground: Ground, change: Break, said: str) -> None:
    # GIVEN ground on which AWS is at work, unasked
    change(cloud, ground)
    # THEN a later try may go through, and doctor warns of it
    with pytest.raises(SharedGroundBusy, match=said) as busy:
        find_shared_ground(cloud, **NAMES)
    assert busy.value.retryable
    (check,) = [check for check in examine_shared_ground(cloud, **NAMES) if check.level != "ok"]
    assert (check.level, check.error) == ("warning", "SHARED_GROUND_BUSY") and said in check.found

    # WHEN something is missing as well THEN waiting is of no use
    cloud.s3.delete_bucket(Bucket=NAMES["nodes_bucket"])
    with pytest.raises(SharedGroundMissing, match=said) as missing:
        find_shared_ground(cloud, **NAMES)
    assert "no bucket nodes-bucket" in missing.value.message


@pytest.mark.parametrize("status", ["backing-up", "storage-optimization", "storage-initialization"])
def test_a_database_that_is_busy_and_serves_is_as_good(cloud: Cloud, ground: Ground, status: str) -> None:
    database_is(status)(cloud, ground)
    find_shared_ground(cloud, **NAMES)


def test_a_missing_provider_leads_to_our_own_module(cloud: Cloud, ground: Ground) -> None:
    names = NAMES | {
        "pcluster_version": "3.16.3",
        "pcluster_provider_stack": "parallelcluster-provider-3-16-3",
    }
    with pytest.raises(SharedGroundMissing, match=r"Add 3\.16\.3 to `pcluster_versions` of"):
        find_shared_ground(cloud, **names)


def test_on_empty_ground_everything_is_listed_and_followers_are_not(cloud: Cloud) -> None:
    with pytest.raises(SharedGroundMissing) as missing:
        find_shared_ground(cloud, **NAMES)

    names = [problem["name"] for problem in missing.value.details["missing"]]
    assert names == [
        "shared VPC",
        "accounting database accounting",
        "accounting function provisioner-accounting",
        "provider stack parallelcluster-provider-3-16-1",
        "public bucket public-bucket",
        "nodes bucket nodes-bucket",
    ]
    assert missing.value.exit_code == 7
    # Doctor lists the same: one cause, one finding.
    checks = examine_shared_ground(cloud, **NAMES)
    assert [check.name for check in checks] == names
    assert {(check.subject, check.level, check.ok) for check in checks} == {
        ("shared ground", "failed", False)
    }
