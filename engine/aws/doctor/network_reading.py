"""The network of the shared ground as EC2 describes it, read once for all checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from engine.aws.checks import NotLookedFor
from engine.aws.doctor.asking import Answer, asking, pages
from engine.aws.session import Cloud
from engine.errors import EngineError
from engine.model import tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        InternetGatewayTypeDef,
        NatGatewayTypeDef,
        NetworkAclTypeDef,
        RouteTableTypeDef,
        SecurityGroupTypeDef,
        SubnetTypeDef,
        VpcEndpointTypeDef,
        VpcPeeringConnectionTypeDef,
        VpcTypeDef,
    )

T = TypeVar("T")


@dataclass(frozen=True)
class Network:
    """The shared VPC and what is in it."""

    vpc: VpcTypeDef
    subnets: Answer[list[SubnetTypeDef]]
    route_tables: Answer[list[RouteTableTypeDef]]
    security_groups: Answer[list[SecurityGroupTypeDef]]
    endpoints: Answer[list[VpcEndpointTypeDef]]
    internet_gateways: Answer[list[InternetGatewayTypeDef]]
    nat_gateways: Answer[list[NatGatewayTypeDef]]
    acls: Answer[list[NetworkAclTypeDef]]
    peerings: Answer[list[VpcPeeringConnectionTypeDef]]

    @property
    def vpc_id(self) -> str:
        return self.vpc["VpcId"]

    def project_route_table(self) -> RouteTableTypeDef:
        return _only(self.route_tables(), tags.SHARED_ROUTE_TABLE)

    def group(self, role: str) -> SecurityGroupTypeDef:
        """The security group with that value of the tag SHARED.

        Raises   NotLookedFor when there is not exactly one: "shared ground" says so
        """
        return _only(self.security_groups(), role)

    def default_group(self) -> SecurityGroupTypeDef:
        return _first(group for group in self.security_groups() if group["GroupName"] == "default")

    def default_acl(self) -> NetworkAclTypeDef:
        return _first(acl for acl in self.acls() if acl["IsDefault"])


def read_network(cloud: Cloud) -> Network | None:
    """Ask for all of it at once; None when there is not exactly one shared VPC to ask about."""
    ec2 = cloud.ec2
    filters = [{"Name": f"tag:{tags.SHARED}", "Values": [tags.SHARED_VPC]}]
    try:
        found = pages(ec2, "describe_vpcs", "Vpcs", Filters=filters)()
    except EngineError:
        return None
    if len(found) != 1:
        return None
    vpc_id = found[0]["VpcId"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc_id]}]
    attached = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
    # A deleted gateway stays listed for an hour.
    alive = [*of_vpc, {"Name": "state", "Values": ["pending", "available"]}]
    with asking() as ask:
        return Network(
            vpc=found[0],
            subnets=ask(pages(ec2, "describe_subnets", "Subnets", Filters=of_vpc)),
            route_tables=ask(pages(ec2, "describe_route_tables", "RouteTables", Filters=of_vpc)),
            security_groups=ask(pages(ec2, "describe_security_groups", "SecurityGroups", Filters=of_vpc)),
            endpoints=ask(pages(ec2, "describe_vpc_endpoints", "VpcEndpoints", Filters=of_vpc)),
            internet_gateways=ask(
                pages(ec2, "describe_internet_gateways", "InternetGateways", Filters=attached)
            ),
            nat_gateways=ask(pages(ec2, "describe_nat_gateways", "NatGateways", Filter=alive)),
            acls=ask(pages(ec2, "describe_network_acls", "NetworkAcls", Filters=of_vpc)),
            # Either side may have asked for the peering, and a filter knows one side only.
            peerings=ask(pages(ec2, "describe_vpc_peering_connections", "VpcPeeringConnections")),
        )


def tag_of(resource: Any, key: str) -> str | None:
    """The value of a tag; None without it."""
    return next((tag["Value"] for tag in resource.get("Tags", []) if tag["Key"] == key), None)


def _only(resources: Iterable[T], role: str) -> T:
    found = [resource for resource in resources if tag_of(resource, tags.SHARED) == role]
    if len(found) != 1:
        raise NotLookedFor(f"There is not exactly one resource tagged {tags.SHARED} = {role}.")
    return found[0]


def _first(resources: Iterable[T]) -> T:
    for resource in resources:
        return resource
    raise NotLookedFor("The VPC has no default of its own, which AWS does not let anybody delete.")
