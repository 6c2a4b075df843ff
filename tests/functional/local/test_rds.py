"""RDS in the local cloud: what moto lets pass and AWS does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.local.server import LocalCloud
from tests.functional.local.conftest import Ground

NAME = "accounting"
FAMILY = "mariadb11.4"


@pytest.fixture
def rds(cloud: LocalCloud) -> Any:
    return cloud.client("rds")


@pytest.fixture
def place(ground: Ground, rds: Any) -> dict[str, Any]:
    """A subnet group over two zones and a security group, as arguments of create_db_instance."""
    subnets = [
        ground.ec2.create_subnet(
            VpcId=ground.vpc, CidrBlock=f"10.42.9{index}.0/24", AvailabilityZone=f"us-east-1{zone}"
        )["Subnet"]["SubnetId"]
        for index, zone in enumerate("ab")
    ]
    rds.create_db_subnet_group(DBSubnetGroupName=NAME, DBSubnetGroupDescription=NAME, SubnetIds=subnets)
    return {"DBSubnetGroupName": NAME, "VpcSecurityGroupIds": [ground.group("database")]}


def create(rds: Any, place: dict[str, Any], **changes: Any) -> dict[str, Any]:
    request = {
        "DBInstanceIdentifier": NAME,
        "DBInstanceClass": "db.t4g.large",
        "Engine": "mariadb",
        "EngineVersion": "11.4",
        "AllocatedStorage": 20,
        "MasterUsername": "provisioner",
        "ManageMasterUserPassword": True,
    }
    return rds.create_db_instance(**request | place | changes)["DBInstance"]


def look(rds: Any) -> dict[str, Any]:
    return rds.describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"][0]


def refused(code: str) -> Any:
    """The call inside must be refused with this code."""
    return pytest.raises(ClientError, check=lambda error: error.response["Error"]["Code"] == code)


@pytest.fixture
def available(cloud: LocalCloud, rds: Any, place: dict[str, Any]) -> dict[str, Any]:
    create(rds, place)
    cloud.advance(cloud.world.durations.rds_create_s)
    return look(rds)


def test_instance_has_no_address_until_it_is_available(
    cloud: LocalCloud, rds: Any, place: dict[str, Any]
) -> None:
    assert create(rds, place)["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in look(rds)
    with refused("InvalidDBInstanceState"):
        rds.modify_db_instance(DBInstanceIdentifier=NAME, BackupRetentionPeriod=3)
    cloud.advance(cloud.world.durations.rds_create_s)
    made = look(rds)
    assert made["DBInstanceStatus"] == "available"
    assert made["Endpoint"]["Port"] == 3306
    assert made["EngineVersion"].startswith("11.4.")
    assert made["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"


def test_master_secret_is_a_real_one(cloud: LocalCloud, rds: Any, available: dict[str, Any]) -> None:
    secrets = cloud.client("secretsmanager")
    arn = available["MasterUserSecret"]["SecretArn"]
    login = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
    assert login["username"] == "provisioner"
    assert len(login["password"]) >= 24
    assert secrets.describe_secret(SecretId=arn)["Name"].startswith("rds!db-")
    rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
    cloud.advance(cloud.world.durations.rds_delete_s)
    with refused("ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=arn)


def test_modifying_takes_a_while_and_interruptions_wait(
    cloud: LocalCloud, rds: Any, available: dict[str, Any]
) -> None:
    rds.modify_db_instance(DBInstanceIdentifier=NAME, DBInstanceClass="db.m7g.large", BackupRetentionPeriod=7)
    changing = look(rds)
    assert changing["DBInstanceStatus"] == "modifying"
    assert changing["BackupRetentionPeriod"] == 7
    assert changing["DBInstanceClass"] == "db.t4g.large"
    assert changing["PendingModifiedValues"] == {"DBInstanceClass": "db.m7g.large"}
    cloud.advance(cloud.world.durations.rds_modify_s)
    assert look(rds)["DBInstanceStatus"] == "available"
    rds.modify_db_instance(DBInstanceIdentifier=NAME, ApplyImmediately=True, AllocatedStorage=40)
    changed = look(rds)
    assert (changed["DBInstanceClass"], changed["AllocatedStorage"]) == ("db.m7g.large", 40)
    assert not changed.get("PendingModifiedValues")


def test_protected_instance_is_not_deleted(cloud: LocalCloud, rds: Any, place: dict[str, Any]) -> None:
    create(rds, place, DeletionProtection=True)
    cloud.advance(cloud.world.durations.rds_create_s)
    with refused("InvalidParameterCombination"):
        rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
    assert look(rds)["DBInstanceStatus"] == "available"
    rds.modify_db_instance(DBInstanceIdentifier=NAME, DeletionProtection=False)
    rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
    assert look(rds)["DBInstanceStatus"] == "deleting"


def test_deletion_leaves_the_last_snapshot(cloud: LocalCloud, rds: Any, available: dict[str, Any]) -> None:
    with refused("InvalidParameterCombination"):
        rds.delete_db_instance(DBInstanceIdentifier=NAME)
    rds.delete_db_instance(DBInstanceIdentifier=NAME, FinalDBSnapshotIdentifier="the-last")
    assert look(rds)["DBInstanceStatus"] == "deleting"
    with refused("InvalidDBInstanceState"):
        rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
    cloud.advance(cloud.world.durations.rds_delete_s)
    with refused("DBInstanceNotFound"):
        look(rds)
    assert "rds db-snapshot the-last" in cloud.left_over()
    assert "rds db-instance accounting" not in cloud.left_over()


def test_subnet_and_groups_are_held_while_it_stands(
    cloud: LocalCloud, ground: Ground, rds: Any, place: dict[str, Any]
) -> None:
    rds.create_db_parameter_group(DBParameterGroupName=NAME, DBParameterGroupFamily=FAMILY, Description=NAME)
    create(rds, place, DBParameterGroupName=NAME, MultiAZ=True)
    subnets = rds.describe_db_subnet_groups(DBSubnetGroupName=NAME)["DBSubnetGroups"][0]["Subnets"]
    for subnet in subnets:
        with refused("DependencyViolation"):
            ground.ec2.delete_subnet(SubnetId=subnet["SubnetIdentifier"])
    with refused("DependencyViolation"):
        ground.ec2.delete_security_group(GroupId=place["VpcSecurityGroupIds"][0])
    with refused("InvalidDBSubnetGroupStateFault"):
        rds.delete_db_subnet_group(DBSubnetGroupName=NAME)
    with refused("InvalidDBParameterGroupState"):
        rds.delete_db_parameter_group(DBParameterGroupName=NAME)

    rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
    cloud.advance(cloud.world.durations.rds_delete_s)
    rds.delete_db_parameter_group(DBParameterGroupName=NAME)
    rds.delete_db_subnet_group(DBSubnetGroupName=NAME)
    ground.ec2.delete_security_group(GroupId=place["VpcSecurityGroupIds"][0])
    for subnet in subnets:
        ground.ec2.delete_subnet(SubnetId=subnet["SubnetIdentifier"])


def test_interfaces_follow_the_security_groups(
    cloud: LocalCloud, ground: Ground, rds: Any, available: dict[str, Any]
) -> None:
    other = ground.group("other")
    rds.modify_db_instance(DBInstanceIdentifier=NAME, VpcSecurityGroupIds=[other])
    with refused("DependencyViolation"):
        ground.ec2.delete_security_group(GroupId=other)
    ground.ec2.delete_security_group(GroupId=available["VpcSecurityGroups"][0]["VpcSecurityGroupId"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"EngineVersion": "11.5"}, "InvalidParameterCombination"),
        ({"MasterUserPassword": "secret-password"}, "InvalidParameterCombination"),
        ({"VpcSecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidParameterValue"),
        ({"DBParameterGroupName": "old"}, "InvalidParameterCombination"),
    ],
)
def test_creation_is_refused(rds: Any, place: dict[str, Any], changes: dict[str, Any], code: str) -> None:
    rds.create_db_parameter_group(
        DBParameterGroupName="old", DBParameterGroupFamily="mariadb10.11", Description="old"
    )
    with refused(code):
        create(rds, place, **changes)


def test_subnet_group_needs_two_zones(ground: Ground, rds: Any) -> None:
    with refused("DBSubnetGroupDoesNotCoverEnoughAZs"):
        rds.create_db_subnet_group(
            DBSubnetGroupName=NAME, DBSubnetGroupDescription=NAME, SubnetIds=[ground.subnet()]
        )


def test_subnet_group_is_changed_in_place(ground: Ground, rds: Any, place: dict[str, Any]) -> None:
    third = ground.ec2.create_subnet(
        VpcId=ground.vpc, CidrBlock="10.42.92.0/24", AvailabilityZone="us-east-1c"
    )["Subnet"]["SubnetId"]
    group = rds.describe_db_subnet_groups(DBSubnetGroupName=NAME)["DBSubnetGroups"][0]
    subnets = [subnet["SubnetIdentifier"] for subnet in group["Subnets"]]
    rds.modify_db_subnet_group(DBSubnetGroupName=NAME, SubnetIds=[*subnets, third])
    group = rds.describe_db_subnet_groups(DBSubnetGroupName=NAME)["DBSubnetGroups"][0]
    assert len(group["Subnets"]) == 3
    create(rds, place)
    with refused("SubnetAlreadyInUse"):
        rds.modify_db_subnet_group(DBSubnetGroupName=NAME, SubnetIds=[*subnets[1:], third])


@pytest.mark.parametrize(
    ("parameter", "method", "code"),
    [
        ("innodb_log_file_size", "immediate", "InvalidParameterCombination"),
        ("port", "pending-reboot", "InvalidParameterValue"),
        ("inodb_log_file_size", "pending-reboot", "InvalidParameterValue"),
    ],
)
def test_parameter_is_refused(rds: Any, parameter: str, method: str, code: str) -> None:
    rds.create_db_parameter_group(DBParameterGroupName=NAME, DBParameterGroupFamily=FAMILY, Description=NAME)
    change = {"ParameterName": parameter, "ParameterValue": "1", "ApplyMethod": method}
    with refused(code):
        rds.modify_db_parameter_group(DBParameterGroupName=NAME, Parameters=[change])
    assert rds.describe_db_parameters(DBParameterGroupName=NAME)["Parameters"] == []


def test_parameters_are_set_and_reset(rds: Any) -> None:
    rds.create_db_parameter_group(DBParameterGroupName=NAME, DBParameterGroupFamily=FAMILY, Description=NAME)
    size = {"ParameterName": "innodb_log_file_size", "ParameterValue": "1073741824"}
    change = size | {"ApplyMethod": "pending-reboot"}
    rds.modify_db_parameter_group(DBParameterGroupName=NAME, Parameters=[change])
    (found,) = rds.describe_db_parameters(DBParameterGroupName=NAME)["Parameters"]
    assert found == change | {"Source": "user", "ApplyType": "static", "IsModifiable": True}
    rds.reset_db_parameter_group(DBParameterGroupName=NAME, Parameters=[change])
    assert rds.describe_db_parameters(DBParameterGroupName=NAME)["Parameters"] == []


def test_family_must_be_known(rds: Any) -> None:
    with refused("InvalidParameterValue"):
        rds.create_db_parameter_group(
            DBParameterGroupName=NAME, DBParameterGroupFamily="mariadb12.9", Description=NAME
        )


def test_seeded_database_is_available_at_once(cloud: LocalCloud, rds: Any) -> None:
    (seeded,) = rds.describe_db_instances()["DBInstances"]
    assert seeded["DBInstanceStatus"] == "available"
