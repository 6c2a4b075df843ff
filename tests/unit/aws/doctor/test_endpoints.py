"""Judging interface endpoints; what is wrong with one is a failure only where nodes need the service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.aws.doctor.endpoints import NEEDED, USEFUL, Surroundings, judge_endpoint, missing_services

SERVER: Any = {
    "GroupId": "sg-server",
    "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": "sg-access"}]}
    ],
}
AROUND = Surroundings(
    region="eu-west-3",
    zone="eu-west-3a",
    ranges=("10.42.64.0/18",),
    zones={"subnet-a": "eu-west-3a", "subnet-b": "eu-west-3b"},
    groups={"sg-server": SERVER, "sg-closed": {"GroupId": "sg-closed", "IpPermissions": []}},
    access_group="sg-access",
)


def endpoint(service: str = "ec2", *, group: str = "sg-server", **changes: Any) -> Any:
    return {
        "VpcEndpointId": f"vpce-{service}",
        "VpcEndpointType": "Interface",
        "ServiceName": f"com.amazonaws.eu-west-3.{service}",
        "State": "available",
        "PrivateDnsEnabled": True,
        "Groups": [{"GroupId": group}],
        "SubnetIds": ["subnet-a", "subnet-b"],
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, "ok", "vpce-ec2 in eu-west-3a, eu-west-3b"),
        ({"State": "Available"}, "ok", "vpce-ec2"),
        ({"ServiceName": "cn.com.amazonaws.eu-west-3.ec2"}, "ok", "vpce-ec2"),
        ({"ServiceName": "com.amazonaws.eu-west-1.ec2"}, "failed", "is not in the VPC"),
        ({"VpcEndpointType": "Gateway"}, "failed", "is not in the VPC"),
        ({"State": "pendingAcceptance"}, "failed", "is pendingAcceptance"),
        ({"PrivateDnsEnabled": False}, "failed", "private DNS off"),
        ({"group": "sg-closed"}, "failed", "(sg-closed) lets endpoint-access in on 443"),
        ({"group": "sg-of-another-vpc"}, "failed", "lets endpoint-access in on 443"),
        ({"SubnetIds": ["subnet-b"]}, "warning", "is in eu-west-3b, projects live in eu-west-3a"),
    ],
)
def test_an_endpoint(changes: dict[str, Any], level: str, said: str) -> None:
    verdict = judge_endpoint("ec2", [endpoint(**changes)], AROUND)

    assert (verdict.level, said in verdict.found) == (level, True), verdict
    assert bool(verdict.hint) is (level != "ok")


@pytest.mark.parametrize(
    ("service", "level"), [*((one, "failed") for one in NEEDED), *((one, "warning") for one in USEFUL)]
)
def test_only_needed_services_fail(service: str, level: str) -> None:
    missing = judge_endpoint(service, [], AROUND)
    bad = judge_endpoint(service, [endpoint(service, PrivateDnsEnabled=False)], AROUND)

    assert (missing.level, bad.level) == (level, level)


def test_of_two_endpoints_the_better_one_counts() -> None:
    both = [endpoint(PrivateDnsEnabled=False), endpoint(VpcEndpointId="vpce-good")]

    assert judge_endpoint("ec2", both, AROUND).found.startswith("vpce-good")


def test_without_the_access_group_rules_are_not_judged() -> None:
    around = replace(AROUND, access_group=None)

    assert judge_endpoint("ec2", [endpoint(group="sg-closed")], around).level == "ok"


def test_missing_services() -> None:
    here = [endpoint(service) for service in (*NEEDED, *USEFUL) if service not in ("sts", "logs")]

    assert missing_services(here, "eu-west-3") == ["logs", "sts"]
