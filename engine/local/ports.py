"""Whether security groups let a TCP port through: what FSx and ParallelCluster ask before they build."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any


def port_open(
    ec2: Any, group_ids: Iterable[str], port: int, *, egress: bool, peers: Iterable[str], cidr: str
) -> bool:
    """True when one of the groups has a TCP rule for the port with one of the peer groups or with all
    of the peers' address block.

    ec2      moto's EC2 backend
    egress   True for outbound rules, False for inbound
    peers    security group ids of the other side
    cidr     addresses of the other side, e.g. its subnet's block
    """
    wanted = set(peers)
    for group_id in group_ids:
        group = ec2.get_security_group_from_id(group_id)
        if group is None:
            continue
        for rule in group.egress_rules if egress else group.ingress_rules:
            if _covers_port(rule, port) and _covers_peer(rule, wanted, cidr):
                return True
    return False


def _covers_port(rule: Any, port: int) -> bool:
    if str(rule.ip_protocol) == "-1":
        return True
    return str(rule.ip_protocol) == "tcp" and int(rule.from_port) <= port <= int(rule.to_port)


def _covers_peer(rule: Any, groups: set[str], cidr: str) -> bool:
    if (rule.source_group or {}).get("GroupId") in groups:
        return True
    block = rule.cidr_ipv4
    return bool(block) and ip_network(cidr).subnet_of(ip_network(block, strict=False))  # type: ignore[arg-type]
