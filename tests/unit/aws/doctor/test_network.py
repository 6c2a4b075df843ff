"""Judging the network: gateways, ranges, room, the way to the main VPC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.aws.addresses import Claim, Standing
from engine.aws.blocks import BlockPlan
from engine.aws.doctor.network import (
    judge_claims,
    judge_gateway,
    judge_peering,
    judge_ranges,
    judge_room,
)

VPC, MAIN, TABLE = "vpc-shared", "vpc-main", "rtb-projects"


def peering(
    id_: str = "pcx-1", status: str = "active", *, asked_by_us: bool = True, block: str = "10.0.0.0/16"
) -> Any:
    ours = {"VpcId": VPC, "CidrBlock": "10.42.0.0/16"}
    theirs = {"VpcId": MAIN} | ({"CidrBlock": block} if block else {})
    sides = (ours, theirs) if asked_by_us else (theirs, ours)
    return {
        "VpcPeeringConnectionId": id_,
        "Status": {"Code": status},
        "RequesterVpcInfo": sides[0],
        "AccepterVpcInfo": sides[1],
    }


def routes(*through: str, state: str = "active") -> Any:
    local = {"GatewayId": "local", "State": "active"}
    return {
        "RouteTableId": TABLE,
        "Routes": [local, *({"VpcPeeringConnectionId": id_, "State": state} for id_ in through)],
    }


def of_others() -> Any:
    return peering("pcx-0") | {"RequesterVpcInfo": {"VpcId": "vpc-x"}, "AccepterVpcInfo": {"VpcId": "vpc-y"}}


@pytest.mark.parametrize(
    ("peerings", "table", "level", "said"),
    [
        ([peering()], routes("pcx-1"), "ok", "pcx-1 to 10.0.0.0/16"),
        ([peering(asked_by_us=False)], routes("pcx-1"), "ok", "pcx-1 to 10.0.0.0/16"),
        ([peering(block="")], routes("pcx-1"), "ok", "pcx-1 to vpc-main"),
        # What is left of an earlier one does no harm.
        ([peering("pcx-0", "rejected"), peering()], routes("pcx-1"), "ok", "pcx-1"),
        ([], routes(), "warning", "no peering"),
        ([of_others()], routes("pcx-0"), "warning", "no peering"),
        ([peering(status="deleted")], routes(), "warning", "no peering"),
        ([peering(status="pending-acceptance")], routes("pcx-1"), "failed", "pcx-1 is pending-acceptance"),
        ([peering(status="expired")], routes(), "failed", "pcx-1 is expired"),
        ([peering()], routes(), "failed", "no route through it"),
        ([peering()], routes("pcx-2"), "failed", "no route through it"),
        ([peering()], routes("pcx-1", state="blackhole"), "failed", "no route through it"),
    ],
)
def test_the_way_to_the_main_vpc(peerings: Any, table: Any, level: str, said: str) -> None:
    verdict = judge_peering(peerings, table, VPC)

    assert (verdict.level, said in verdict.found) == (level, True), verdict
    assert bool(verdict.hint) is (level != "ok")


def gateway(
    service: str = "s3", *, kind: str = "Gateway", state: str = "available", tables: Any = (TABLE,)
) -> Any:
    return {
        "VpcEndpointId": f"vpce-{service}",
        "VpcEndpointType": kind,
        "ServiceName": f"com.amazonaws.eu-west-3.{service}",
        "State": state,
        "RouteTableIds": list(tables),
    }


@pytest.mark.parametrize(
    ("endpoints", "level", "said"),
    [
        ([gateway()], "ok", "vpce-s3, in rtb-projects"),
        ([gateway(tables=["rtb-other"]), gateway()], "ok", "vpce-s3"),
        ([gateway(state="Available")], "ok", "vpce-s3"),
        ([gateway("dynamodb"), gateway("s3express")], "failed", "is not in the VPC"),
        ([gateway(kind="Interface")], "failed", "is not in the VPC"),
        ([gateway(tables=["rtb-other"])], "failed", "not in the projects' route table rtb-projects"),
        ([gateway(state="pending")], "failed", "is pending"),
    ],
)
def test_gateway_endpoints(endpoints: Any, level: str, said: str) -> None:
    verdict = judge_gateway("s3", endpoints, routes())

    assert (verdict.level, said in verdict.found) == (level, True), verdict


def subnet(block: str, project: str | None = None) -> Any:
    tags = [{"Key": "provisioner:project", "Value": project}] if project else []
    return {"SubnetId": f"subnet-{block}", "CidrBlock": block, "Tags": tags}


@pytest.mark.parametrize(
    ("ranges", "blocks", "subnets", "level", "said"),
    [
        (["10.42.64.0/18"], ["10.42.0.0/16"], [subnet("10.42.0.0/24")], "ok", "10.42.64.0/18, inside"),
        (["10.42.64.0/18"], ["10.42.0.0/16"], [subnet("10.42.64.0/24", "proj-1")], "ok", "inside"),
        (["10.42.64.0/18", "100.64.0.0/16"], ["10.42.0.0/16", "100.64.0.0/16"], [], "ok", "inside"),
        (["10.42.64.0/18", "10.43.0.0/16"], ["10.42.0.0/16"], [], "failed", "10.43.0.0/16 is not inside"),
        (["10.0.0.0/8"], ["10.42.0.0/16"], [], "failed", "10.0.0.0/8 is not inside"),
        (["10.42.64.0/18"], ["10.42.0.0/16"], [subnet("10.42.0.0/17")], "failed", "subnet-10.42.0.0/17"),
    ],
)
def test_address_ranges(ranges: Any, blocks: Any, subnets: Any, level: str, said: str) -> None:
    verdict = judge_ranges(ranges, blocks, subnets)

    assert (verdict.level, said in verdict.found) == (level, True), verdict


@pytest.mark.parametrize(("taken", "level"), [(0, "ok"), (18, "ok"), (19, "warning"), (20, "warning")])
def test_room_for_projects(taken: int, level: str) -> None:
    """A warning below a tenth: of 20 blocks, 2 are enough and 1 is not."""
    plan = BlockPlan(["10.0.0.0/20", "10.1.0.0/22"], 24)
    occupied = [plan.block(number) for number in range(taken)]

    verdict = judge_room(plan, occupied=occupied + occupied)

    assert (verdict.level, verdict.found) == (level, f"{20 - taken} of 20")


OURS = Standing("subnet-1", "10.42.64.0/24", "lab/p-1")


@pytest.mark.parametrize(
    ("claims", "subnets", "said"),
    [
        ({}, [], ""),
        ({"lab/p-1": "10.42.64.0/24", "lab/planned": "10.42.65.0/24"}, [OURS], ""),
        ({}, [OURS], "subnet-1 (10.42.64.0/24) of lab/p-1, which holds no block"),
        ({"lab/p-1": "10.42.65.0/24"}, [OURS], "which holds 10.42.65.0/24"),
        (
            {"lab/p-2": "10.42.64.0/24", "lab/p-1": "10.42.64.0/24"},
            [OURS],
            "held by lab/p-2, touches subnet-1",
        ),
        ({"lab/p-2": "10.42.64.0/24"}, [Standing("subnet-2", "10.42.64.0/28", "")], "of no project"),
    ],
)
def test_claims_are_what_stands_in_the_vpc(claims: Any, subnets: Any, said: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    verdict = judge_claims([Claim(cidr, project, 1, now) for project, cidr in claims.items()], subnets)

    assert (str(verdict.level), said in verdict.found) == ("warning" if said else "ok", True), verdict
