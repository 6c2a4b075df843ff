"""The network of the shared ground: private, with its gateway endpoints, room for projects, a way in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from engine.aws.addresses import Claim, Standing, standing_subnet
from engine.aws.blocks import BlockPlan
from engine.aws.checks import Check, Level, NotLookedFor, Probe, Verdict, failed, fine, run_probes, warning
from engine.aws.doctor.asking import Answer
from engine.aws.doctor.network_reading import Network, tag_of
from engine.errors import NotBootstrapped
from engine.model import tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        InternetGatewayTypeDef,
        NatGatewayTypeDef,
        RouteTableTypeDef,
        SubnetTypeDef,
        VpcEndpointTypeDef,
        VpcPeeringConnectionTypeDef,
        VpcTypeDef,
    )

SUBJECT = "network"
GATEWAYS = {
    "s3": "nodes fetch ParallelCluster's artifacts, scripts and the project's data through it",
    "dynamodb": "ParallelCluster keeps the list of nodes in a table",
}
_SCARCE = 0.1
# VPC peering guide, "VPC peering connection lifecycle": what is left of these is only a record.
_GONE = frozenset({"deleting", "deleted"})


def examine_network(
    network: Network, *, address_ranges: Sequence[str], prefix_length: int, claims: Answer[list[Claim]]
) -> list[Check]:
    """One Check each, never an error.

    address_ranges, prefix_length   as in the settings
    claims                          of blocks by projects, as the registry says
    """
    return run_probes(
        SUBJECT,
        [
            Probe(
                "private VPC",
                lambda: judge_privacy(network.internet_gateways(), network.nat_gateways(), network.subnets()),
            ),
            *(_gateway_probe(network, service) for service in GATEWAYS),
            Probe(
                "address ranges",
                lambda: judge_ranges(address_ranges, _vpc_blocks(network.vpc), network.subnets()),
            ),
            Probe(
                "project subnets left",
                lambda: judge_room(
                    BlockPlan(address_ranges, prefix_length),
                    occupied=[
                        *(claim.cidr for claim in _claims(claims)),
                        *(subnet["CidrBlock"] for subnet in network.subnets()),
                    ],
                ),
                Level.WARNING,
            ),
            Probe(
                "claims of subnets",
                lambda: judge_claims(_claims(claims), list(map(standing_subnet, network.subnets()))),
                Level.WARNING,
            ),
            Probe(
                "route to the main VPC",
                lambda: judge_peering(network.peerings(), network.project_route_table(), network.vpc_id),
            ),
        ],
    )


def judge_privacy(
    internet_gateways: Sequence[InternetGatewayTypeDef],
    nat_gateways: Sequence[NatGatewayTypeDef],
    subnets: Sequence[SubnetTypeDef],
) -> Verdict:
    """The VPC has no way to the internet, and gives no public address."""
    gateways = [
        *(gateway["InternetGatewayId"] for gateway in internet_gateways),
        *(gateway["NatGatewayId"] for gateway in nat_gateways),
    ]
    if gateways:
        return failed(
            f"the shared VPC has a way to the internet: {', '.join(sorted(gateways))}",
            "Detach the Internet Gateway and delete NAT gateways: projects reach AWS through endpoints.",
        )
    public = sorted(subnet["SubnetId"] for subnet in subnets if subnet["MapPublicIpOnLaunch"])
    if public:
        return failed(
            f"gives out public addresses in {', '.join(public)}",
            "Switch off auto-assigned public IPv4 addresses of these subnets: ParallelCluster refuses them.",
        )
    return fine("no Internet Gateway, no NAT, no public addresses")


def judge_gateway(
    service: str, endpoints: Iterable[VpcEndpointTypeDef], route_table: RouteTableTypeDef
) -> Verdict:
    """A gateway endpoint serves the subnets of those route tables that it is associated with."""
    found = [
        endpoint
        for endpoint in endpoints
        if endpoint["VpcEndpointType"] == "Gateway" and endpoint["ServiceName"].endswith(f".{service}")
    ]
    if not found:
        return failed("is not in the VPC", f"Create the gateway endpoint {service}: {GATEWAYS[service]}.")
    table_id = route_table["RouteTableId"]
    ids = ", ".join(endpoint["VpcEndpointId"] for endpoint in found)
    serving = [endpoint for endpoint in found if table_id in endpoint["RouteTableIds"]]
    if not serving:
        return failed(
            f"{ids} is not in the projects' route table {table_id}",
            f"Associate it with that route table: {GATEWAYS[service]}.",
        )
    if not any(is_available(endpoint) for endpoint in serving):
        return failed(f"{ids} is {serving[0]['State']}", "Wait until it is available, or create it anew.")
    return fine(f"{serving[0]['VpcEndpointId']}, in {table_id}")


def is_available(endpoint: VpcEndpointTypeDef) -> bool:
    # EC2's API reference writes "Available", its answers "available".
    return endpoint["State"].lower() == "available"


def judge_ranges(
    ranges: Sequence[str], vpc_blocks: Sequence[str], subnets: Iterable[SubnetTypeDef]
) -> Verdict:
    """The ranges of the settings lie in the VPC, and nothing but projects lives in them."""
    networks = [IPv4Network(text) for text in ranges]
    blocks = [IPv4Network(text) for text in vpc_blocks]
    outside = [str(one) for one in networks if not any(one.subnet_of(block) for block in blocks)]
    if outside:
        return failed(
            f"{', '.join(outside)} is not inside the VPC ({', '.join(vpc_blocks)})",
            "Correct address_ranges in the settings, or add the block to the VPC.",
        )
    strangers = [
        f"{subnet['SubnetId']} ({subnet['CidrBlock']})"
        for subnet in subnets
        if tag_of(subnet, tags.PROJECT) is None
        and any(one.overlaps(IPv4Network(subnet["CidrBlock"])) for one in networks)
    ]
    if strangers:
        return failed(
            f"overlap subnets that belong to no project: {', '.join(sorted(strangers))}",
            "Correct address_ranges in the settings, or move these subnets out of them.",
        )
    return fine(f"{' and '.join(ranges)}, inside the VPC")


def judge_room(plan: BlockPlan, *, occupied: Sequence[str]) -> Verdict:
    """How many more projects find a subnet."""
    free = sum(1 for _ in plan.free_blocks(0, occupied=occupied))
    found = f"{free} of {plan.count}"
    if free < plan.count * _SCARCE:
        return warning(
            found, "Release projects that are no longer used, or widen address_ranges in the settings."
        )
    return fine(found)


def judge_claims(claims: Sequence[Claim], subnets: Sequence[Standing]) -> Verdict:
    """What the registry says of blocks is what stands in the VPC. A claim without a subnet is a project
    that was only planned, or is on its way."""
    held = {claim.project: claim.cidr for claim in claims}
    wrong = [
        f"{subnet.id} ({subnet.cidr}) of {subnet.project}, which holds {held.get(subnet.project, 'no block')}"
        for subnet in subnets
        if subnet.project and held.get(subnet.project) != subnet.cidr
    ]
    wrong += [
        f"{claim.cidr}, held by {claim.project}, touches {subnet.id} ({subnet.cidr})"
        f" of {subnet.project or 'no project'}"
        for claim in claims
        for subnet in subnets
        if subnet.project != claim.project and subnet.touches(claim.cidr)
    ]
    if wrong:
        return warning(
            "; ".join(sorted(wrong)),
            "Apply these projects: a claim is mended when it is next needed. "
            "`provisioner orphans` shows subnets that belong to nobody.",
        )
    return fine(f"{len(claims)}, as in the VPC")


def judge_peering(
    peerings: Iterable[VpcPeeringConnectionTypeDef], route_table: RouteTableTypeDef, vpc_id: str
) -> Verdict:
    """An active peering connection, and a route through it for projects."""
    here = [one for one in peerings if _peer(one, vpc_id) is not None and _status(one) not in _GONE]
    if not here:
        return warning(
            "no peering: the Workflow Service can't reach head nodes",
            "Peer the shared VPC with the main VPC, with routes on both sides.",
        )
    active = [one for one in here if _status(one) == "active"]
    if not active:
        named = ", ".join(f"{one['VpcPeeringConnectionId']} is {_status(one)}" for one in here)
        return failed(named, "Accept the peering in the account of the main VPC, or make it anew.")
    through = {
        route.get("VpcPeeringConnectionId")
        for route in route_table["Routes"]
        if route.get("State") == "active"
    }
    routed = [one for one in active if one["VpcPeeringConnectionId"] in through]
    if not routed:
        ids = ", ".join(one["VpcPeeringConnectionId"] for one in active)
        return failed(
            f"{ids} is active, but the projects' route table {route_table['RouteTableId']} has no route "
            "through it",
            f"Add a route to {_peer(active[0], vpc_id)} through it; the main VPC needs the one back.",
        )
    return fine(
        ", ".join(f"{one['VpcPeeringConnectionId']} to {_peer(one, vpc_id)}, routed" for one in routed)
    )


def _gateway_probe(network: Network, service: str) -> Probe:
    return Probe(
        f"gateway endpoint {service}",
        lambda: judge_gateway(service, network.endpoints(), network.project_route_table()),
    )


def _vpc_blocks(vpc: VpcTypeDef) -> list[str]:
    associated = [
        block["CidrBlock"]
        for block in vpc.get("CidrBlockAssociationSet", [])
        if block.get("CidrBlockState", {}).get("State") == "associated"
    ]
    return associated or [vpc["CidrBlock"]]


def _claims(claims: Answer[list[Claim]]) -> list[Claim]:
    try:
        return claims()
    except NotBootstrapped as error:
        raise NotLookedFor("Without the registry nobody knows which blocks are held.") from error


def _status(peering: VpcPeeringConnectionTypeDef) -> str:
    return peering.get("Status", {}).get("Code", "")


def _peer(peering: VpcPeeringConnectionTypeDef, vpc_id: str) -> str | None:
    """The other side's block, or its id where EC2 does not say the block; None: not our VPC's peering."""
    sides = [peering.get("RequesterVpcInfo", {}), peering.get("AccepterVpcInfo", {})]
    ids = [side.get("VpcId") for side in sides]
    if vpc_id not in ids:
        return None
    other = sides[1 - ids.index(vpc_id)]
    return other.get("CidrBlock") or other.get("VpcId") or "another VPC"
