"""The private VPC and its peering, made by real Terraform in an empty account, and given back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.cli.invocation import base_folder
from engine.local.durations import Durations
from engine.local.server import LocalCloud
from engine.terraform.toolchain import prepare

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]
MODULES = Path(__file__).parents[3] / "modules"
QUICK = Durations(endpoint_create_s=1, endpoint_delete_s=0.5)
PUBLIC = ("internet_gateway", "nat_gateway", "aws_eip", "vpn_gateway", "transit_gateway", "carrier_gateway")
Run = subprocess.CompletedProcess[str]


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(durations=QUICK, seeded=False) as cloud:
        yield cloud


@pytest.fixture
def example(cloud: LocalCloud, tmp_path: Path) -> Callable[..., Run]:
    """`example("network", "apply", ...)` runs Terraform in the example of a module."""
    tools = prepare(base_folder() / ".provisioner", explicit=None, environ=os.environ)
    shutil.copytree(MODULES, tmp_path / "modules")
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TF_INPUT": "0",
        "TF_CLI_CONFIG_FILE": str(tools.cli_config),
        **cloud.environment(),
    }

    def call(module: str, command: str, *arguments: str, code: int = 0) -> Run:
        done = subprocess.run(
            [str(tools.binary), command, *arguments, "-no-color"],
            cwd=tmp_path / "modules" / module / "examples" / "complete",
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"terraform {command}\n{done.stdout}\n{done.stderr}"
        return done

    return call


def test_network_with_its_peering(cloud: LocalCloud, example: Callable[..., Run]) -> None:
    empty = cloud.inventory()
    example("network", "init")

    # The plan holds no way to the Internet.
    example("network", "plan", "-out=plan", "-parallelism=30")
    planned = json.loads(example("network", "show", "-json", "plan").stdout)
    made = [change["change"]["after"] | {"type": change["type"]} for change in planned["resource_changes"]]
    assert not [one["type"] for one in made if any(name in one["type"] for name in PUBLIC)]
    assert {one["map_public_ip_on_launch"] for one in made if one["type"] == "aws_subnet"} == {False}
    assert not [one for one in made if one.get("assign_generated_ipv6_cidr_block")]

    example("network", "apply", "-parallelism=30", "plan")
    example("network", "plan", "-detailed-exitcode", "-parallelism=30")

    ec2 = cloud.client("ec2")
    vpc_id = shared(ec2.describe_vpcs, "vpc")["Vpcs"][0]["VpcId"]
    endpoints_serve(ec2, vpc_id)
    new_subnets_are_kept_apart(ec2, vpc_id)
    only_clients_come_in(ec2)
    what_is_in_use_stays(ec2, vpc_id)

    example("network", "destroy", "-auto-approve", "-parallelism=30")
    assert [item for item in cloud.inventory() if item not in empty] == []


def test_peering_with_another_account(cloud: LocalCloud, example: Callable[..., Run]) -> None:
    role = "-var=main_role_arn=arn:aws:iam::222222222222:role/peering"
    empty = cloud.inventory()
    example("peering", "init")
    example("peering", "apply", "-auto-approve", role)
    example("peering", "plan", "-detailed-exitcode", role)
    peering = cloud.client("ec2").describe_vpc_peering_connections()["VpcPeeringConnections"][0]
    assert peering["Status"]["Code"] == "active"
    assert peering["AccepterVpcInfo"]["OwnerId"] == "222222222222"
    example("peering", "destroy", "-auto-approve", role)
    assert [item for item in cloud.inventory() if item not in empty] == []


def shared(describe: Callable[..., Any], role: str) -> Any:
    return describe(Filters=[{"Name": "tag:provisioner:shared", "Values": [role]}])


def endpoints_serve(ec2: Any, vpc_id: str) -> None:
    endpoints = [one for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["VpcId"] == vpc_id]
    assert {one["State"] for one in endpoints} == {"available"}
    interfaces = [one for one in endpoints if one["VpcEndpointType"] == "Interface"]
    assert all(one["PrivateDnsEnabled"] for one in interfaces)
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Subnets"]
    zones = {one["SubnetId"]: one["AvailabilityZone"] for one in subnets}
    assert {tuple(sorted(zones[subnet] for subnet in one["SubnetIds"])) for one in interfaces} == {
        ("us-east-1a", "us-east-1b")
    }
    table = shared(ec2.describe_route_tables, "project-route-table")["RouteTables"][0]
    targets = sorted(route.get("DestinationCidrBlock") or "prefix list" for route in table["Routes"])
    assert targets == ["10.0.16.0/20", "10.42.0.0/16", "prefix list", "prefix list"]


def new_subnets_are_kept_apart(ec2: Any, vpc_id: str) -> None:
    """A subnet made by nobody's Terraform has the projects' ACL from the first moment on."""
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.42.64.0/24", AvailabilityZone="us-east-1a")
    subnet_id = subnet["Subnet"]["SubnetId"]
    acl = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet_id]}])
    for egress in (True, False):
        first = min(
            (one for one in acl["NetworkAcls"][0]["Entries"] if one["Egress"] is egress),
            key=lambda one: one["RuleNumber"],
        )
        assert (first["RuleAction"], first["Protocol"], first["CidrBlock"]) == ("deny", "-1", "10.42.64.0/18")
    ec2.delete_subnet(SubnetId=subnet_id)


def only_clients_come_in(ec2: Any) -> None:
    group = shared(ec2.describe_security_groups, "workflow-access")["SecurityGroups"][0]
    opened = {
        (rule["FromPort"], rule["ToPort"], bool(rule["IpRanges"]), bool(rule["UserIdGroupPairs"]))
        for rule in group["IpPermissions"]
    }
    assert opened == {(22, 22, True, True), (8082, 8082, True, True)}
    assert group["IpPermissionsEgress"] == []


def what_is_in_use_stays(ec2: Any, vpc_id: str) -> None:
    endpoint = next(
        one for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["VpcEndpointType"] == "Interface"
    )
    access = shared(ec2.describe_security_groups, "endpoint-access")["SecurityGroups"][0]["GroupId"]
    for refused in (
        lambda: ec2.delete_subnet(SubnetId=endpoint["SubnetIds"][0]),
        lambda: ec2.delete_security_group(GroupId=endpoint["Groups"][0]["GroupId"]),
        lambda: ec2.delete_security_group(GroupId=access),
        lambda: ec2.delete_vpc(VpcId=vpc_id),
    ):
        with pytest.raises(ClientError, match="DependencyViolation"):
            refused()
