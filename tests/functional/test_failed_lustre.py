"""A Lustre file system that AWS calls FAILED: what FSx could not make goes; what broke later stays."""

from __future__ import annotations

from typing import Any

import pytest

from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.operations import lustre
from engine.operations.engine import Engine

pytestmark = [pytest.mark.parametrize("cloud", [{"durations": INSTANT}], indirect=True)]
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")


def made(cloud: LocalCloud) -> str:
    """The project's file system, as its module asks for it; gives its id."""
    ec2, fsx = cloud.client("ec2"), cloud.client("fsx")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:provisioner:shared", "Values": ["vpc"]}])["Vpcs"][0][
        "VpcId"
    ]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.200.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="lustre", Description="lustre", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "UserIdGroupPairs": [{"GroupId": group}]}
        ],
    )
    answer: Any = fsx.create_file_system(
        FileSystemType="LUSTRE",
        FileSystemTypeVersion="2.15",
        StorageCapacity=1200,
        SubnetIds=[subnet],
        SecurityGroupIds=[group],
        LustreConfiguration={"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 125},
        Tags=[{"Key": "Name", "Value": NAMES.lustre}],
    )
    found: str = answer["FileSystem"]["FileSystemId"]
    return found


def test_one_that_never_came_up_goes(cloud: LocalCloud, engine: Engine) -> None:
    cloud.fail("create_lustre", cluster=NAMES.lustre)
    file_system = made(cloud)
    failed = lustre.never_came_up(engine, NAMES)
    assert failed is not None and failed.id == file_system
    assert "creation failed" in failed.failure
    lustre.remove_failed(engine, NAMES, failed)
    assert cloud.client("fsx").describe_file_systems()["FileSystems"] == []


def test_a_healthy_one_stays(cloud: LocalCloud, engine: Engine) -> None:
    made(cloud)
    assert lustre.never_came_up(engine, NAMES) is None


def test_one_that_broke_when_it_was_in_use_stays(cloud: LocalCloud, engine: Engine) -> None:
    # GIVEN one that was linked to a bucket, as each is before its cluster is made, and breaks after that
    file_system = made(cloud)
    cloud.client("s3").create_bucket(Bucket=NAMES.bucket)
    cloud.client("fsx").create_data_repository_association(
        FileSystemId=file_system,
        FileSystemPath="/project",
        DataRepositoryPath=f"s3://{NAMES.bucket}/private/",
    )
    cloud._inventory._fsx.store("us-east-1").file_system(file_system).lifecycle = "FAILED"
    # THEN nothing is given up by the engine
    assert lustre.never_came_up(engine, NAMES) is None
