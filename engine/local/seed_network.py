"""What surrounds projects in the seeded VPC: rules that keep them apart, and the way to the main VPC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine.local.shared_names import SharedNames

_EVERY_PROTOCOL = "-1"
_ALLOW_RULE = 100


def keep_apart(ec2: Any, vpc_id: str, names: SharedNames, infrastructure: Iterable[str]) -> None:
    """The default ACL, which every new subnet gets, denies projects each other; the infrastructure's own
    lets all of them in. The default security group has no rules.

    infrastructure   ids of the subnets of endpoints and database
    """
    acls = ec2.describe_network_acls(Filters=_in(vpc_id))["NetworkAcls"]
    for egress in (False, True):
        for number, block in enumerate(names.project_cidrs, start=1):
            _add_rule(ec2, acls[0]["NetworkAclId"], number, block, egress, "deny")
    own = ec2.create_network_acl(VpcId=vpc_id, TagSpecifications=_named("network-acl", "infrastructure"))
    for egress in (False, True):
        _add_rule(ec2, own["NetworkAcl"]["NetworkAclId"], _ALLOW_RULE, "0.0.0.0/0", egress, "allow")
    associations = {
        association["SubnetId"]: association["NetworkAclAssociationId"]
        for acl in ec2.describe_network_acls(Filters=_in(vpc_id))["NetworkAcls"]
        for association in acl["Associations"]
    }
    for subnet_id in infrastructure:
        ec2.replace_network_acl_association(
            AssociationId=associations[subnet_id], NetworkAclId=own["NetworkAcl"]["NetworkAclId"]
        )
    _close_default_group(ec2, vpc_id)


def peer_with_main_vpc(ec2: Any, vpc_id: str, route_table: str, names: SharedNames) -> None:
    """A main VPC, as the Workflow Service has one, peered with the shared one and with routes both ways."""
    main = ec2.create_vpc(CidrBlock=names.main_vpc_cidr, TagSpecifications=_named("vpc", "main"))["Vpc"]
    peering = ec2.create_vpc_peering_connection(VpcId=vpc_id, PeerVpcId=main["VpcId"])
    peering_id = peering["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.create_tags(Resources=[peering_id], Tags=[{"Key": "Name", "Value": "provisioner-main"}])
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering_id)
    back = ec2.describe_route_tables(Filters=_in(main["VpcId"]))["RouteTables"][0]["RouteTableId"]
    for table, block in ((route_table, names.main_vpc_cidr), (back, names.vpc_cidr)):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=block, VpcPeeringConnectionId=peering_id)


def _add_rule(ec2: Any, acl: str, number: int, block: str, egress: bool, action: str) -> None:
    ec2.create_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=number,
        Protocol=_EVERY_PROTOCOL,
        RuleAction=action,
        Egress=egress,
        CidrBlock=block,
    )


def _close_default_group(ec2: Any, vpc_id: str) -> None:
    filters = [*_in(vpc_id), {"Name": "group-name", "Values": ["default"]}]
    group = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]
    if group["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    if group["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])


def _in(vpc_id: str) -> Sequence[Any]:
    return [{"Name": "vpc-id", "Values": [vpc_id]}]


def _named(resource_type: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": resource_type, "Tags": [{"Key": "Name", "Value": name}]}]
