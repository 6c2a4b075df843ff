"""What is changed behind the engine's back is found; what changes by itself is not taken for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.names import names_for
from tests.functional.conftest import Provisioner
from tests.policies.permissions import permitted

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
NODES = "module.parallelcluster[0].aws_security_group.this"
SUBNET = "module.subnet[0].aws_subnet.this"
LIFECYCLE = "module.bucket.aws_s3_bucket_lifecycle_configuration.this"
TO_HOME = "module.efs.aws_vpc_security_group_egress_rule.client[0]"


def test_drift_is_found_and_noise_is_not(
    provisioner: Provisioner,
    spec: Callable[..., Path],
    cloud: LocalCloud,
    backend: Cloud,
    tmp_path: Path,
) -> None:
    # GIVEN a project that was just made, one that is only planned, and one that is parked
    provisioner("apply", spec("efs"), "--yes").ok()
    ec2: Any = backend.ec2
    s3: Any = backend.s3

    # WHEN AWS changes what it changes by itself: its own tags, what a file system holds
    (subnet,) = ec2.describe_subnets(Filters=[{"Name": "tag:provisioner:project", "Values": ["proj-1"]}])[
        "Subnets"
    ]
    with cloud.world.lock if hasattr(cloud.world, "lock") else _nothing():
        backends = cloud.world.backends
        backends.ec2("us-east-1").create_tags([subnet["SubnetId"]], {"aws:cloudformation:stack-id": "x"})
        (home,) = backends.efs("us-east-1").file_systems_by_id.values()
        home.size_in_bytes = {"Value": 123456, "ValueInIA": 0, "ValueInStandard": 123456}
    # THEN that is no drift
    with permitted(cloud, "plan"):
        quiet = provisioner("drift", "lab-1/proj-1", "--json").ok().json
    (found,) = quiet["projects"]
    assert (found["standing"], found["drifted"]) == ("clean", [])
    assert found["noise"]
    assert found["last_operation"]["kind"] == "provision"

    # WHEN somebody changes a tag, opens a port, takes a rule away, and turns a lifecycle rule off
    ec2.create_tags(Resources=[subnet["SubnetId"]], Tags=[{"Key": "provisioner:owner", "Value": "eve"}])
    (group,) = ec2.describe_security_groups(
        Filters=[
            {
                "Name": "tag:provisioner:address",
                "Values": ["module.parallelcluster.0.aws_security_group.this"],
            }
        ]
    )["SecurityGroups"]
    anywhere = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[anywhere])
    to_home = ec2.describe_security_group_rules(
        Filters=[
            {
                "Name": "tag:provisioner:address",
                "Values": ["module.efs.aws_vpc_security_group_egress_rule.client.0"],
            }
        ]
    )["SecurityGroupRules"]
    ec2.revoke_security_group_egress(
        GroupId=group["GroupId"], SecurityGroupRuleIds=[to_home[0]["SecurityGroupRuleId"]]
    )
    rules = s3.get_bucket_lifecycle_configuration(Bucket=NAMES.bucket)["Rules"]
    rules[0]["Status"] = "Disabled"
    s3.put_bucket_lifecycle_configuration(Bucket=NAMES.bucket, LifecycleConfiguration={"Rules": rules})

    # THEN each is told, with who may have done it, in every format
    html, markdown = tmp_path / "drift.html", tmp_path / "drift.md"
    ended = provisioner("drift", "--all", "--html", html, "--markdown", markdown)
    assert ended.code == 2, ended.err
    report = provisioner("drift", "lab-1/proj-1", "--json")
    assert report.code == 2
    (found,) = report.json["projects"]
    drifted = {one["address"]: one for one in found["drifted"]}
    assert set(drifted) == {NODES, SUBNET, LIFECYCLE, TO_HOME}
    assert drifted[TO_HOME]["action"] == "delete"
    assert [one["after"] for one in drifted[NODES]["attributes"]] == ["tcp 22 from 0.0.0.0/0"]
    assert [one["after"] for one in drifted[SUBNET]["attributes"]] == ["eve"]
    assert f"ResourceName={subnet['SubnetId']}" in drifted[SUBNET]["cloudtrail"]
    for text in (ended.out, html.read_text(), markdown.read_text().replace("\\", "")):
        for word in ("tcp 22 from 0.0.0.0/0", "eve", "Disabled", "cloudtrailv2"):
            assert word in text
    assert NAMES.bucket in json.dumps(drifted[LIFECYCLE])

    # WHEN an operation is under way, THEN the project is skipped, and said so
    operations = f"OPERATION#{found['project']}"
    assert operations
    provisioner("release", "lab-1/proj-1", "--yes").ok()
    skipped = provisioner("drift", "--all", "--json").ok().json["projects"][0]
    assert (skipped["standing"], skipped["because"]) == ("skipped", "it is parked")


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()
