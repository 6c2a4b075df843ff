"""A bucket and a home that stood there before become a project's, with what they hold, or are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.terraform.state import instances
from engine.workspace.resources import BUCKET, HOME
from tests.functional.conftest import Provisioner
from tests.policies.permissions import permitted

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
STATES = "provisioner-state-123456789012-us-east-1"


def make_old_things(aws: Cloud) -> str:
    """A bucket with a file in it, and an encrypted home of another name; gives the home's id."""
    s3: Any = aws.s3
    s3.create_bucket(Bucket="pc-123456789012-genomics")
    s3.put_bucket_versioning(
        Bucket="pc-123456789012-genomics", VersioningConfiguration={"Status": "Suspended"}
    )
    s3.put_object(Bucket="pc-123456789012-genomics", Key="private/result.txt", Body=b"42")
    efs: Any = aws.efs
    home = efs.create_file_system(CreationToken="old-home", Encrypted=True)
    return str(home["FileSystemId"])


def test_what_cannot_be_taken_over_is_refused_with_every_reason(
    provisioner: Provisioner, spec: Callable[..., Path], backend: Cloud
) -> None:
    efs: Any = backend.efs
    s3: Any = backend.s3
    ec2: Any = backend.ec2
    plain = efs.create_file_system(CreationToken="plain", Encrypted=False)["FileSystemId"]
    modes = {"Encrypted": True, "PerformanceMode": "maxIO", "AvailabilityZoneName": "us-east-1b"}
    odd = efs.create_file_system(CreationToken="odd", **modes)["FileSystemId"]
    other = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.99.1.0/24")["Subnet"]["SubnetId"]
    efs.create_mount_target(FileSystemId=plain, SubnetId=subnet)
    s3.create_bucket(Bucket="theirs")
    marks = [{"Key": "provisioner:vlab", "Value": "lab-9"}, {"Key": "provisioner:project", "Value": "x"}]
    s3.put_bucket_tagging(Bucket="theirs", Tagging={"TagSet": marks})
    stack = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    backend.cloudformation.create_stack(StackName="old-cluster", TemplateBody=json.dumps(stack))
    wanted = spec("efs")

    refused = provisioner(
        "adopt", wanted, "--bucket", "theirs", "--file-system", plain, "--cluster", "old-cluster", "--yes"
    ).refused(3, "ADOPTION_REFUSED")
    for reason in (
        "theirs is tagged for lab-9/x",
        f"{plain} is not encrypted, and encrypted = true would make another",
        "is mounted in another VPC",
        "old-cluster was made by itself",
    ):
        assert reason in refused.err
    provisioner("adopt", wanted, "--file-system", odd, "--yes").refused(
        3,
        "ADOPTION_REFUSED",
        f"{odd} has the performance mode Max I/O",
        f"{odd} is a One Zone file system in",
    )
    s3.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    provisioner("adopt", wanted, "--bucket", "far", "--yes").refused(
        3, "ADOPTION_REFUSED", "far is in eu-west-3"
    )
    missing = ("--bucket", "nobody-s", "--file-system", "fs-01234567", "--cluster", "none")
    refused = provisioner("adopt", wanted, *missing, "--yes").refused(3, "ADOPTION_REFUSED")
    for reason in ("no bucket nobody-s", "no file system fs-01234567", "no cluster none"):
        assert reason in refused.err
    fsx: Any = backend.fsx
    in_vpc = [{"Name": "vpc-id", "Values": [other]}]
    group = ec2.describe_security_groups(Filters=in_vpc)["SecurityGroups"][0]["GroupId"]
    lnet = {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 1023, "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[lnet])
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[lnet])
    lustre = fsx.create_file_system(
        FileSystemType="LUSTRE",
        StorageCapacity=1200,
        SubnetIds=[subnet],
        FileSystemTypeVersion="2.15",
        LustreConfiguration={"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 250},
    )["FileSystem"]["FileSystemId"]
    provisioner("adopt", wanted, "--file-system", lustre, "--yes").refused(
        3, "ADOPTION_REFUSED", "subnet_ids and security_group_ids would make another one"
    )
    # Nothing was planned, recorded or reserved.
    assert provisioner("list", "--json").ok().json["projects"] == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_bucket_and_a_home_are_taken_over_and_kept(
    provisioner: Provisioner, spec: Callable[..., Path], cloud: LocalCloud, backend: Cloud
) -> None:
    home = make_old_things(backend)
    wanted = spec("efs")

    # WHEN they are adopted, THEN they are imported, not made, and keep what they hold
    with permitted(cloud, "apply"):
        done = provisioner(
            "adopt", wanted, "--bucket", "pc-123456789012-genomics", "--file-system", home, "--yes"
        ).ok()
    assert "bucket: pc-123456789012-genomics" in done.err
    s3: Any = backend.s3
    state = json.loads(s3.get_object(Bucket=STATES, Key=NAMES.state_key)["Body"].read())
    ids = {one.address: one.id for one in instances(state)}
    assert (ids[BUCKET], ids[HOME]) == ("pc-123456789012-genomics", home)
    held = s3.get_object(Bucket="pc-123456789012-genomics", Key="private/result.txt")["Body"].read()
    assert held == b"42"
    assert s3.get_bucket_versioning(Bucket="pc-123456789012-genomics")["Status"] == "Enabled"
    efs: Any = backend.efs
    assert [one["FileSystemId"] for one in efs.describe_file_systems()["FileSystems"]] == [home]
    assert [one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"] == NAMES.bucket] == []

    # AND the spec that names them has nothing left to do, and the one that does not would lose data
    named = spec("efs", existing={"bucket": "pc-123456789012-genomics", "home": home})
    again = provisioner("plan", named, "--json").ok().json
    assert again["nothing_to_do"], again["summary"]
    assert provisioner("status", "lab-1/proj-1", "--json").ok().json["bucket"] == "pc-123456789012-genomics"

    # AND no other one takes the place of the home that it has by now, nor is it silently left out
    other = efs.create_file_system(CreationToken="another-home", Encrypted=True)["FileSystemId"]
    moved = spec("efs", existing={"bucket": "pc-123456789012-genomics", "home": other})
    for command in (("plan", moved), ("apply", moved, "--yes")):
        provisioner(*command).refused(3, "ADOPTION_REFUSED", home, other)
    forgetful = provisioner("apply", spec("efs"), "--yes")
    assert forgetful.code != 0
    assert s3.get_object(Bucket="pc-123456789012-genomics", Key="private/result.txt")
