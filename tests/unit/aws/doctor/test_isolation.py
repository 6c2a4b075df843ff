"""Judging who may reach whom."""

from __future__ import annotations

from typing import Any

import pytest

from engine.aws.doctor.isolation import judge_acl, judge_default_group, judge_workflow_access, let_through

RANGES = ["10.42.64.0/18", "10.42.128.0/17"]
ALLOW_ALL = (100, "allow", "0.0.0.0/0")
DENY_RANGES = [(1, "deny", RANGES[0]), (2, "deny", RANGES[1])]


def entries(*rules: tuple[Any, ...], egress: bool = False) -> list[Any]:
    """Rules as (number, action, block[, protocol]), and the one that closes every ACL."""
    return [
        {
            "RuleNumber": number,
            "RuleAction": action,
            "CidrBlock": block,
            "Protocol": protocol[0] if protocol else "-1",
            "Egress": egress,
        }
        for number, action, block, *protocol in [*rules, (32767, "deny", "0.0.0.0/0")]
    ]


@pytest.mark.parametrize(
    ("rules", "passed"),
    [
        ([], []),
        ([ALLOW_ALL], RANGES),
        ([*DENY_RANGES, ALLOW_ALL], []),
        ([(1, "deny", "10.42.0.0/16"), ALLOW_ALL], []),
        # The number decides, not the place in the list.
        ([ALLOW_ALL, *DENY_RANGES], []),
        ([(200, "deny", "10.42.0.0/16"), ALLOW_ALL], RANGES),
        ([DENY_RANGES[0], ALLOW_ALL], [RANGES[1]]),
        # Half of a range denied leaves the other half.
        ([(1, "deny", "10.42.64.0/19"), DENY_RANGES[1], ALLOW_ALL], ["10.42.96.0/19"]),
        # One port denied keeps nothing out; one protocol allowed lets something in.
        ([(1, "deny", "10.42.0.0/16", "6"), ALLOW_ALL], RANGES),
        ([(1, "allow", "10.42.70.0/24", "6"), *DENY_RANGES, ALLOW_ALL], ["10.42.70.0/24"]),
    ],
)
@pytest.mark.parametrize("egress", [False, True])
def test_what_an_acl_lets_through(rules: list[Any], passed: list[str], egress: bool) -> None:
    found = let_through(
        [*entries(*rules, egress=egress), *entries(ALLOW_ALL, egress=not egress)], RANGES, egress=egress
    )

    assert [str(block) for block in found] == passed


def test_rules_of_ipv6_are_passed_over() -> None:
    rule = {
        "RuleNumber": 1,
        "RuleAction": "allow",
        "Ipv6CidrBlock": "::/0",
        "Protocol": "-1",
        "Egress": False,
    }

    assert let_through([rule], RANGES, egress=False) == []


def acl(inbound: list[Any], outbound: list[Any], subnets: Any = ()) -> Any:
    return {
        "NetworkAclId": "acl-1",
        "Entries": [*entries(*inbound), *entries(*outbound, egress=True)],
        "Associations": [{"SubnetId": id_} for id_ in subnets],
    }


@pytest.mark.parametrize(
    ("inbound", "outbound", "level"),
    [
        ([*DENY_RANGES, ALLOW_ALL], [*DENY_RANGES, ALLOW_ALL], "ok"),
        ([*DENY_RANGES, ALLOW_ALL], [ALLOW_ALL], "ok"),
        ([ALLOW_ALL], [*DENY_RANGES, ALLOW_ALL], "ok"),
        ([ALLOW_ALL], [ALLOW_ALL], "warning"),
    ],
)
def test_one_direction_is_enough(inbound: list[Any], outbound: list[Any], level: str) -> None:
    assert judge_acl(acl(inbound, outbound), [], RANGES).level == level


def test_every_project_subnet_has_the_acl() -> None:
    project = {"Tags": [{"Key": "provisioner:project", "Value": "proj-1"}]}
    subnets: Any = [{"SubnetId": "subnet-1", **project}, {"SubnetId": "subnet-2", "Tags": []}]
    rules = [*DENY_RANGES, ALLOW_ALL]

    assert judge_acl(acl(rules, rules, ["subnet-1"]), subnets, RANGES).level == "ok"
    assert "subnet-1" in judge_acl(acl(rules, rules, ["subnet-2"]), subnets, RANGES).found


def rule(first: int, last: int | None = None, *blocks: str, protocol: str = "tcp") -> Any:
    return {
        "IpProtocol": protocol,
        "FromPort": first,
        "ToPort": last or first,
        "IpRanges": [{"CidrIp": block} for block in blocks or ("10.0.16.0/20",)],
    }


@pytest.mark.parametrize(
    ("rules", "level", "said"),
    [
        ([rule(22), rule(8082)], "ok", "tcp 22 and tcp 8082 from 10.0.16.0/20"),
        ([rule(22), rule(22, None, "10.9.0.0/16"), rule(8082)], "ok", "from 10.0.16.0/20, 10.9.0.0/16"),
        ([], "warning", "lets nobody in"),
        ([rule(22)], "failed", "does not open tcp 8082"),
        ([rule(8082)], "failed", "does not open tcp 22"),
        ([rule(22), rule(8082), rule(443)], "failed", "also opens tcp 443"),
        ([rule(22, 8082)], "failed", "also opens tcp 22-8082"),
        ([rule(22), rule(8082), rule(22, protocol="udp")], "failed", "also opens udp 22"),
        ([rule(22), rule(8082), {"IpProtocol": "-1"}], "failed", "also opens all traffic"),
        ([rule(22, None, "0.0.0.0/0"), rule(8082)], "failed", "opens tcp 22 to whoever has a route"),
    ],
)
def test_who_may_reach_head_nodes(rules: list[Any], level: str, said: str) -> None:
    verdict = judge_workflow_access({"GroupId": "sg-1", "IpPermissions": rules})  # type: ignore[typeddict-item]

    assert (verdict.level, said in verdict.found) == (level, True), verdict


@pytest.mark.parametrize(
    ("inbound", "outbound", "level", "said"),
    [
        ([], [], "ok", "no rules"),
        ([rule(22)], [], "warning", "inbound rules"),
        ([rule(22)], [rule(22)], "warning", "inbound and outbound rules"),
    ],
)
def test_the_default_group(inbound: Any, outbound: Any, level: str, said: str) -> None:
    group: Any = {"GroupId": "sg-1", "IpPermissions": inbound, "IpPermissionsEgress": outbound}
    verdict = judge_default_group(group)

    assert (verdict.level, said in verdict.found) == (level, True), verdict
