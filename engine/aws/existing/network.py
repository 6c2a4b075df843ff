"""Subnets, security groups with their rules, and what joins a subnet to its routes."""

from __future__ import annotations

from typing import Any

from engine.aws.existing.search import Found, Life, Search, Tags, Wanted, tag_map
from engine.aws.failures import aws_errors
from engine.model import tags


def find_subnet(search: Search, wanted: Wanted) -> Found | None:
    subnets = _tagged(search, "subnets", "describe_subnets", "Subnets", "SubnetId")
    found = search.by_address(wanted, "subnets", subnets)
    return Found(found, found) if found else None


def find_security_group(search: Search, wanted: Wanted) -> Found | None:
    """EC2 gives every new group a rule that lets everything out; the provider takes it away by a second call.

    A group that still has it was left half made, and nothing uses it yet.
    """
    groups = _tagged(search, "security groups", "describe_security_groups", "SecurityGroups", "GroupId")
    found = search.by_address(wanted, "security groups", groups)
    if found is None:
        return None
    rules = _tagged_or_not(search, found)
    if any(_lets_everything_out(rule) for rule in rules):
        return Found(found, found, Life.FAILED, "made half: EC2's own rule lets everything out")
    return Found(found, found)


def find_security_group_rule(search: Search, wanted: Wanted) -> Found | None:
    rules = _tagged(
        search,
        "security group rules",
        "describe_security_group_rules",
        "SecurityGroupRules",
        "SecurityGroupRuleId",
    )
    found = search.by_address(wanted, "security group rules", rules)
    return Found(found, found) if found else None


def find_route_table_association(search: Search, wanted: Wanted) -> Found | None:
    subnet = wanted.values.get("subnet_id") or search.parent(wanted, "aws_subnet")
    if not subnet:
        return None
    with aws_errors(f"looking for the routes of the subnet {subnet}"):
        tables = search.cloud.ec2.describe_route_tables(
            Filters=[{"Name": "association.subnet-id", "Values": [subnet]}]
        )["RouteTables"]
    for table in tables:
        for association in table["Associations"]:
            if association.get("SubnetId") == subnet:
                return Found(f"{subnet}/{table['RouteTableId']}", association["RouteTableAssociationId"])
    return None


def _tagged(search: Search, what: str, operation: str, listed: str, id_: str) -> list[tuple[str, Tags]]:
    """Everything of a kind that carries the project's tags."""
    filters = [
        {"Name": f"tag:{tags.VLAB}", "Values": [search.vlab_id]},
        {"Name": f"tag:{tags.PROJECT}", "Values": [search.project_id]},
    ]

    def ask() -> list[tuple[str, Tags]]:
        ec2: Any = search.cloud.ec2
        with aws_errors(f"looking for the {what} of {search.project}"):
            pages = ec2.get_paginator(operation).paginate(Filters=filters)
            return [(one[id_], tag_map(one.get("Tags"))) for page in pages for one in page[listed]]

    return search.once(what, ask)


def _tagged_or_not(search: Search, group_id: str) -> list[Any]:
    with aws_errors(f"looking at the rules of the security group {group_id}"):
        pages = search.cloud.ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [group_id]}]
        )
        return [rule for page in pages for rule in page["SecurityGroupRules"]]


def _lets_everything_out(rule: Any) -> bool:
    """No module makes such a rule."""
    return bool(
        rule.get("IsEgress") and rule.get("IpProtocol") == "-1" and rule.get("CidrIpv4") == "0.0.0.0/0"
    )
