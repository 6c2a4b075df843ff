"""What the network of workspaces/shared must come to, as EC2 says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def shared(describe: Callable[..., Any], role: str) -> Any:
    return describe(Filters=[{"Name": "tag:provisioner:shared", "Values": [role]}])


def require_network(ec2: Any) -> None:
    """Endpoints serve, projects are kept apart, only the clients come in, and what is in use stays."""
    vpc_id = shared(ec2.describe_vpcs, "vpc")["Vpcs"][0]["VpcId"]
    endpoints_serve(ec2, vpc_id)
    new_subnets_are_kept_apart(ec2, vpc_id)
    only_clients_come_in(ec2)
    what_is_in_use_stays(ec2, vpc_id)


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
        (rule["FromPort"], rule["ToPort"], source["CidrIp"])
        for rule in group["IpPermissions"]
        for source in rule["IpRanges"]
    }
    assert opened == {(22, 22, "10.0.16.0/20"), (8082, 8082, "10.0.16.0/20")}
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
