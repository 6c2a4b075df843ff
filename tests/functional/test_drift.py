"""What is changed behind the engine's back is found; what changes by itself is not taken for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.aws.operation_store import OperationStore
from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model import tags
from engine.model.names import names_for
from engine.model.operation import Kind, Wish, requested
from tests.functional.conftest import Provisioner
from tests.policies.permissions import permitted

pytestmark = [pytest.mark.long, pytest.mark.terraform, pytest.mark.timeout(900)]

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
NODES = "module.parallelcluster[0].aws_security_group.this"
SUBNET = "module.subnet[0].aws_subnet.this"
LIFECYCLE = "module.bucket.aws_s3_bucket_lifecycle_configuration.this"
TO_HOME = 'module.efs.aws_vpc_security_group_egress_rule.client["client"]'


def test_drift_is_found_and_noise_is_not(
    provisioner: Provisioner,
    spec: Callable[..., Path],
    cloud: LocalCloud,
    backend: Cloud,
    tmp_path: Path,
) -> None:
    # GIVEN a project that was just made
    provisioner("apply", spec("efs"), "--yes").ok()
    ec2: Any = backend.ec2
    s3: Any = backend.s3
    named = [{"Name": "tag:provisioner:project", "Values": ["proj-1"]}]
    (subnet,) = ec2.describe_subnets(Filters=named)["Subnets"]

    # WHEN AWS changes what it changes by itself: tags of its own, what a file system holds
    backends = cloud.world.backends
    backends.ec2("us-east-1").create_tags([subnet["SubnetId"]], {"aws:cloudformation:stack-id": "x"})
    (home,) = backends.efs("us-east-1").file_systems_by_id.values()
    home._size_value = 123456
    # THEN that is no drift
    with permitted(cloud, "plan"):
        quiet = provisioner("drift", "lab-1/proj-1", "--json").ok().json
    (found,) = quiet["projects"]
    assert (found["standing"], found["drifted"]) == ("clean", [])
    assert found["noise"]
    assert found["last_operation"]["kind"] == "provision"

    # WHEN somebody changes a tag, opens a port, takes a rule away, and turns a lifecycle rule off that now
    # has objects expire
    ec2.create_tags(Resources=[subnet["SubnetId"]], Tags=[{"Key": "provisioner:owner", "Value": "eve"}])
    groups = ec2.describe_security_groups(Filters=named)["SecurityGroups"]
    (group,) = [one["GroupId"] for one in groups if tagged(one, NODES)]
    anywhere = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[anywhere])
    rules_of = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    (to_home,) = [one for one in rules_of["SecurityGroupRules"] if tagged(one, TO_HOME)]
    ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=[to_home["SecurityGroupRuleId"]])
    rules = s3.get_bucket_lifecycle_configuration(Bucket=NAMES.bucket)["Rules"]
    rules[0] |= {"Status": "Disabled", "Expiration": {"Days": 30}}
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
    assert any("expiration" in one["path"] for one in drifted[LIFECYCLE]["attributes"])

    # WHEN an operation is under way, or the project is parked, THEN it is skipped, and said so
    registry = Registry(backend, "provisioner-registry")
    record = registry.get("lab-1", "proj-1")
    assert record is not None
    registry.replace(record, now=datetime.now(UTC), phase=Phase.PARKED)
    assert skipped(provisioner) == "it is parked"
    wish = Wish(Kind.RELEASE)
    asked = requested(
        vlab_id="lab-1", project_id="proj-1", wish=wish, requested_by="ada", now=datetime.now(UTC)
    )
    OperationStore(backend, "provisioner-registry").submit(asked)
    assert skipped(provisioner) == f"operation {asked.id} is under way"


def tagged(thing: dict[str, Any], address: str) -> bool:
    return {"Key": tags.ADDRESS, "Value": tags.address_tag(address)} in thing["Tags"]


def skipped(provisioner: Provisioner) -> str:
    (found,) = provisioner("drift", "--all", "--json").ok().json["projects"]
    assert found["standing"] == "skipped"
    return str(found["because"])
