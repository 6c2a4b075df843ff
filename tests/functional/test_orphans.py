"""What belongs to nobody is shown, and deleted only when that is asked for and confirmed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model import tags
from engine.model.names import Names, names_for
from engine.model.spec import dump_spec, load_spec, spec_digest
from tests.functional.conftest import Provisioner

ACCOUNT = "123456789012"
STATES = f"provisioner-state-{ACCOUNT}-us-east-1"


def marks(names: Names, address: str = "", **more: str) -> dict[str, str]:
    return {
        tags.VLAB: names.vlab_id,
        tags.PROJECT: names.project_id,
        tags.MANAGED_BY: tags.ENGINE,
        **({tags.ADDRESS: address} if address else {}),
        **more,
    }


def pairs(found: dict[str, str]) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in found.items()]


def make_things(aws: Cloud, names: Names) -> dict[str, str]:
    """One of most kinds, as an apply that died leaves them; kind -> id."""
    ec2: Any = aws.ec2
    vpc = ec2.describe_vpcs(Filters=[{"Name": f"tag:{tags.SHARED}", "Values": ["vpc"]}])["Vpcs"][0]["VpcId"]

    def tagged(kind: str, address: str) -> list[Any]:
        return [{"ResourceType": kind, "Tags": pairs(marks(names, address, Name=names.cluster))}]

    subnet = ec2.create_subnet(
        VpcId=vpc,
        CidrBlock="10.42.200.0/24",
        TagSpecifications=tagged("subnet", "module.subnet.0.aws_subnet.this"),
    )["Subnet"]["SubnetId"]
    group = ec2.create_security_group(
        GroupName=f"{names.cluster}-nodes",
        Description="nodes",
        VpcId=vpc,
        TagSpecifications=tagged("security-group", "module.parallelcluster.0.aws_security_group.this"),
    )["GroupId"]
    rule = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "UserIdGroupPairs": [{"GroupId": group}]}
        ],
        TagSpecifications=tagged("security-group-rule", "module.fsx.0.aws_vpc_security_group_ingress_rule.x"),
    )["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    home = aws.efs.create_file_system(CreationToken=names.efs, Tags=pairs(marks(names, "module.efs.x")))
    aws.efs.create_mount_target(FileSystemId=home["FileSystemId"], SubnetId=subnet)
    aws.s3.create_bucket(Bucket=names.bucket)
    aws.s3.put_bucket_tagging(Bucket=names.bucket, Tagging={"TagSet": pairs(marks(names))})
    aws.s3.put_object(Bucket=names.bucket, Key="result.txt", Body=b"42")
    secret = aws.secretsmanager.create_secret(
        Name=names.accounting_secret, SecretString="x", Tags=pairs(marks(names))
    )
    logs: Any = aws.logs
    logs.create_log_group(logGroupName=names.job_log_group, tags=marks(names))
    return {
        "aws_subnet": subnet,
        "aws_security_group": group,
        "aws_vpc_security_group_ingress_rule": rule,
        "aws_efs_file_system": home["FileSystemId"],
        "aws_s3_bucket": names.bucket,
        "aws_secretsmanager_secret": secret["ARN"],
        "aws_cloudwatch_log_group": names.job_log_group,
    }


def register(aws: Cloud, names: Names, phase: Phase) -> None:
    document = {"vlab_id": names.vlab_id, "project_id": names.project_id, "storage": {"kind": "efs"}}
    spec = load_spec(json.dumps(document), source="test")
    Registry(aws, "provisioner-registry").put_new(
        vlab_id=names.vlab_id,
        project_id=names.project_id,
        spec_json=dump_spec(spec),
        spec_digest=spec_digest(spec),
        phase=phase,
        cluster=names.cluster,
        now=datetime.now(UTC),
    )


def write_state(aws: Cloud, names: Names, things: dict[str, str]) -> None:
    resources = [
        {"mode": "managed", "type": kind, "name": "this", "instances": [{"attributes": {"id": id_}}]}
        for kind, id_ in things.items()
    ]
    aws.s3.put_object(Bucket=STATES, Key=names.state_key, Body=json.dumps({"resources": resources}).encode())


@pytest.fixture
def names() -> Names:
    return names_for("lab-1", "proj-1", account_id=ACCOUNT)


def found(provisioner: Provisioner, code: int, *options: str) -> dict[str, dict[str, Any]]:
    """kind -> orphan"""
    ended = provisioner("orphans", "--json", *options)
    assert ended.code == code, ended.err
    return {one["kind"]: one for one in ended.json["orphans"]}


def test_an_account_without_projects_has_no_orphans(backend: Cloud, provisioner: Provisioner) -> None:
    assert found(provisioner, 0) == {}
    assert "Nothing" in provisioner("orphans").ok().out


def test_what_no_registered_project_has_is_shown(
    backend: Cloud, provisioner: Provisioner, names: Names, cloud: LocalCloud
) -> None:
    things = make_things(backend, names)
    before = cloud.inventory()
    orphans = found(provisioner, 2)
    assert {kind: one["id"] for kind, one in orphans.items()} == things
    assert {one["why"] for one in orphans.values()} == {"no-project"}
    assert orphans["aws_efs_file_system"]["age_s"] >= 0
    assert orphans["aws_subnet"]["age_s"] is None
    assert {kind for kind, one in orphans.items() if one["holds_data"]} == {
        "aws_efs_file_system",
        "aws_s3_bucket",
        "aws_cloudwatch_log_group",
    }
    assert cloud.inventory() == before


def test_what_a_state_knows_is_nobody_s_only_without_a_record(
    backend: Cloud, provisioner: Provisioner, names: Names
) -> None:
    # GIVEN everything but the subnet in the state
    things = make_things(backend, names)
    write_state(backend, names, {kind: id_ for kind, id_ in things.items() if kind != "aws_subnet"})
    assert found(provisioner, 2)["aws_s3_bucket"]["why"] == "unregistered"

    # WHEN the project is registered, THEN only the subnet is left, and why depends on the project's phase
    register(backend, names, Phase.READY)
    (subnet,) = found(provisioner, 2).values()
    assert (subnet["kind"], subnet["why"], subnet["under_way"]) == ("aws_subnet", "no-state", False)


def test_deleting_needs_the_account_typed_and_keeps_data(
    backend: Cloud, provisioner: Provisioner, names: Names, cloud: LocalCloud
) -> None:
    make_things(backend, names)
    before = cloud.inventory()
    provisioner("orphans", "--delete").refused(3, "needs the project's name typed")
    provisioner("orphans", "--delete", "--confirm", "123").refused(3, "is not '123456789012'")
    assert cloud.inventory() == before

    ended = provisioner("orphans", "--delete", "--confirm", ACCOUNT)
    assert ended.code == 2, ended.err
    assert "it holds data; --purge-data deletes it" in ended.err
    # The subnet stays as long as the home has its mount target in it.
    left = found(provisioner, 2)
    assert set(left) == {
        "aws_efs_file_system",
        "aws_s3_bucket",
        "aws_cloudwatch_log_group",
        "aws_subnet",
    }

    provisioner("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT).ok()
    assert [line for line in cloud.left_over() if names.cluster in line or names.bucket in line] == []


def test_nothing_is_deleted_of_a_project_that_is_at_work_or_in_a_state(
    backend: Cloud, provisioner: Provisioner, names: Names, cloud: LocalCloud
) -> None:
    other = names_for("lab-1", "proj-2", account_id=ACCOUNT)
    register(backend, names, Phase.APPLYING)
    make_things(backend, names)
    backend.s3.create_bucket(Bucket=other.bucket)
    backend.s3.put_bucket_tagging(Bucket=other.bucket, Tagging={"TagSet": pairs(marks(other))})
    write_state(backend, other, {"aws_s3_bucket": other.bucket})
    before = cloud.inventory()
    ended = provisioner("orphans", "--delete", "--purge-data", "--confirm", ACCOUNT)
    assert ended.code == 2
    assert "an operation is at work on its project" in ended.err
    assert "a state knows it" in ended.err
    assert cloud.inventory() == before


@pytest.mark.parametrize("options", [("--adopt", "--delete"), ("--purge-data",)])
def test_options_that_do_not_go_together(provisioner: Provisioner, options: tuple[str, ...]) -> None:
    provisioner("orphans", *options).refused(3)
