"""What security group rules let in."""

from __future__ import annotations

from typing import Any

import pytest

from engine.aws.doctor.rules import count_rules, describe, lets_in, sources

NODES, OTHERS = "sg-nodes", "sg-others"
RANGES = ("10.42.64.0/18", "10.42.128.0/17")


def rule(protocol: str = "tcp", first: int = 443, last: int | None = None, **named: Any) -> Any:
    ports = {} if protocol == "-1" else {"FromPort": first, "ToPort": first if last is None else last}
    return {
        "IpProtocol": protocol,
        **ports,
        "UserIdGroupPairs": [{"GroupId": group} for group in named.get("groups", [])],
        "IpRanges": [{"CidrIp": block} for block in named.get("blocks", [])],
        "Ipv6Ranges": [{"CidrIpv6": block} for block in named.get("blocks6", [])],
        "PrefixListIds": [{"PrefixListId": id_} for id_ in named.get("lists", [])],
    }


@pytest.mark.parametrize(
    ("permission", "open_"),
    [
        (rule(groups=[NODES]), True),
        (rule(groups=[OTHERS, NODES]), True),
        (rule("6", groups=[NODES]), True),
        (rule("-1", groups=[NODES]), True),
        (rule(first=1, last=65535, groups=[NODES]), True),
        (rule(blocks=["10.42.0.0/16"]), True),
        (rule(blocks=[*RANGES]), True),
        (rule(blocks=["0.0.0.0/0"]), True),
        (rule(groups=[OTHERS]), False),
        (rule("udp", groups=[NODES]), False),
        (rule(first=444, last=500, groups=[NODES]), False),
        (rule(first=80, groups=[NODES]), False),
        (rule(blocks=[RANGES[0]]), False),
        (rule(blocks=["10.42.64.0/24", RANGES[1]]), False),
        (rule(), False),
    ],
)
def test_who_is_let_in(permission: Any, open_: bool) -> None:
    group: Any = {"IpPermissions": [rule("udp", 53, groups=[NODES]), permission]}

    assert lets_in(group, 443, source_group=NODES, ranges=RANGES) is open_


def test_without_ranges_only_the_group_counts() -> None:
    group: Any = {"IpPermissions": [rule(blocks=["0.0.0.0/0"])]}

    assert not lets_in(group, 443, source_group=NODES)
    assert not lets_in({"GroupId": "sg-empty"}, 443, source_group=NODES)  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("permission", "text"),
    [
        (rule(), "tcp 443"),
        (rule("6"), "tcp 443"),
        (rule(first=8000, last=8090), "tcp 8000-8090"),
        (rule("-1"), "all traffic"),
        (rule("icmp", -1), "icmp"),
        (rule("udp", 53), "udp 53"),
    ],
)
def test_a_rule_in_words(permission: Any, text: str) -> None:
    assert describe(permission) == text


def test_rules_are_counted_by_source() -> None:
    one = rule(groups=["sg-1"], blocks=["10.0.0.0/8", "10.1.0.0/16"], blocks6=["::/0"], lists=["pl-1"])

    assert list(sources(one)) == ["10.0.0.0/8", "10.1.0.0/16", "::/0", "sg-1", "pl-1"]
    assert count_rules([one, rule(groups=["sg-2"])]) == 6
