"""Who may reach whom: projects not each other, the Workflow Service head nodes, and nobody anything else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from engine.aws.checks import Check, Level, Probe, Verdict, failed, fine, run_probes, warning
from engine.aws.doctor.network_reading import Network, tag_of
from engine.aws.doctor.rules import ANYWHERE, describe, sources
from engine.model import tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        NetworkAclEntryTypeDef,
        NetworkAclTypeDef,
        SecurityGroupTypeDef,
        SubnetTypeDef,
    )

SUBJECT = "isolation"
# SSH, and slurmrestd: on its default port 6820 sits slurmctld.
WORKFLOW_PORTS = (22, 8082)
_EVERY_PROTOCOL = "-1"


def examine_isolation(network: Network, *, address_ranges: Sequence[str]) -> list[Check]:
    """One Check each, never an error."""
    return run_probes(
        SUBJECT,
        [
            Probe(
                "workflow-access rules",
                lambda: judge_workflow_access(network.group(tags.SHARED_WORKFLOW_ACCESS)),
            ),
            Probe(
                "default security group",
                lambda: judge_default_group(network.default_group()),
                Level.WARNING,
            ),
            Probe(
                "default network ACL",
                lambda: judge_acl(network.default_acl(), network.subnets(), address_ranges),
                Level.WARNING,
            ),
        ],
    )


def judge_workflow_access(group: SecurityGroupTypeDef) -> Verdict:
    """Exactly SSH and the Slurm REST port are open, from somewhere in particular."""
    opened: dict[str, set[str]] = {}
    for permission in group["IpPermissions"]:
        opened.setdefault(describe(permission), set()).update(sources(permission))
    wanted = [f"tcp {port}" for port in WORKFLOW_PORTS]
    if not any(opened.values()):
        return warning(
            f"{group['GroupId']} lets nobody in: the Workflow Service can't reach head nodes",
            f"Let {' and '.join(wanted)} in from where it lives in the main VPC.",
        )
    if beyond := sorted(set(opened) - set(wanted)):
        return failed(
            f"{group['GroupId']} also opens {', '.join(beyond)} on every head node",
            f"Take these rules away: only {' and '.join(wanted)} belong there.",
        )
    if wide := sorted(name for name, who in opened.items() if who & ANYWHERE):
        return failed(
            f"{group['GroupId']} opens {', '.join(wide)} to whoever has a route",
            "Name the blocks or groups of the Workflow Service and the provisioner instead.",
        )
    if lacking := [name for name in wanted if name not in opened]:
        return failed(
            f"{group['GroupId']} does not open {' and '.join(lacking)}",
            f"Let {' and '.join(lacking)} in from where the Workflow Service lives.",
        )
    who = sorted(set().union(*opened.values()))
    return fine(f"{' and '.join(wanted)} from {', '.join(who)}")


def judge_default_group(group: SecurityGroupTypeDef) -> Verdict:
    """Closed: what is made without naming a group gets this one."""
    directions = [
        direction
        for direction, permissions in (
            ("inbound", group["IpPermissions"]),
            ("outbound", group["IpPermissionsEgress"]),
        )
        if permissions
    ]
    if not directions:
        return fine(f"{group['GroupId']} has no rules")
    return warning(
        f"{group['GroupId']} has {' and '.join(directions)} rules: what names no group of its own gets them",
        "Remove every rule of the VPC's default security group.",
    )


def judge_acl(acl: NetworkAclTypeDef, subnets: Iterable[SubnetTypeDef], ranges: Sequence[str]) -> Verdict:
    """The ACL that every new subnet gets lets nothing pass between project ranges, one way or the other.

    Within a subnet no ACL is asked (VPC user guide, "Network ACLs"), so a project is not cut in two.
    """
    id_ = acl["NetworkAclId"]
    if passed := let_through(acl["Entries"], ranges, egress=False):
        # What may not leave need not be refused where it arrives.
        leaving = let_through(acl["Entries"], ranges, egress=True)
        if leaving:
            return warning(
                f"{id_} lets projects reach each other: {', '.join(map(str, passed))} may come in",
                f"Deny all traffic from {' and '.join(ranges)} in it, before the rule that allows.",
            )
    covered = {association.get("SubnetId") for association in acl["Associations"]}
    strays = sorted(
        subnet["SubnetId"]
        for subnet in subnets
        if tag_of(subnet, tags.PROJECT) is not None and subnet["SubnetId"] not in covered
    )
    if strays:
        return warning(
            f"project subnets with another ACL: {', '.join(strays)}",
            f"Give them the VPC's default network ACL {id_} again.",
        )
    return fine(f"{id_} keeps projects apart")


def let_through(
    entries: Iterable[NetworkAclEntryTypeDef], ranges: Sequence[str], *, egress: bool
) -> list[IPv4Network]:
    """Parts of the ranges from (or to) which some traffic passes.

    Rules are asked by number, and the first that fits decides (VPC user guide, "Network ACL rules"); one
    that allows a single port lets something through, one that denies a single port keeps nothing out.
    """
    open_questions = [IPv4Network(text) for text in ranges]
    passed: list[IPv4Network] = []
    for entry in sorted(entries, key=lambda entry: entry["RuleNumber"]):
        if entry["Egress"] is not egress or "CidrBlock" not in entry:
            continue
        block = IPv4Network(entry["CidrBlock"], strict=False)
        if entry["RuleAction"] == "allow":
            passed += [_overlap(part, block) for part in open_questions if part.overlaps(block)]
            open_questions = _without(open_questions, block)
        elif entry["Protocol"] == _EVERY_PROTOCOL:
            open_questions = _without(open_questions, block)
    return passed


def _overlap(one: IPv4Network, other: IPv4Network) -> IPv4Network:
    """Of two blocks that overlap, one holds the other."""
    return one if one.prefixlen >= other.prefixlen else other


def _without(parts: Iterable[IPv4Network], block: IPv4Network) -> list[IPv4Network]:
    left: list[IPv4Network] = []
    for part in parts:
        if not part.overlaps(block):
            left.append(part)
        elif block.subnet_of(part):
            left += part.address_exclude(block)
    return left
