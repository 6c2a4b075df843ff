"""VPC peering beyond moto: what AWS refuses, and each account's own view of a connection.

Sources: EC2 API reference, CreateVpcPeeringConnection (overlapping blocks give a connection that has
`failed`) and ModifyVpcPeeringConnectionOptions (active connections only); VPC peering guide, "Update your
security groups to reference peer security groups" and "Tag a VPC peering connection".
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

from engine.local.patches import Patches

GONE = ("deleted", "failed", "rejected", "expired")
"""States in which AWS still shows a connection for some hours, although nothing is there any more."""


def install(patches: Patches) -> None:
    from moto.ec2.models import EC2Backend

    _patch_connections(patches, EC2Backend)
    _patch_group_references(patches, EC2Backend)


def _patch_connections(patches: Patches, backend: Any) -> None:
    from moto.ec2.exceptions import EC2ClientError

    def create_vpc_peering_connection(self: Any, vpc: Any, peer_vpc: Any, tags: Any = None) -> Any:
        connection = original_create(self, vpc, peer_vpc, tags)
        if _overlap(vpc, peer_vpc):
            connection._status.code = "failed"
            connection._status.message = (
                "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
            )
        return connection

    def describe_vpc_peering_connections(self: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [_seen_from(self, connection) for connection in original_describe(self, *args, **kwargs)]

    def modify_vpc_peering_connection_options(self: Any, vpc_pcx_id: str, *args: Any, **kwargs: Any) -> Any:
        if self.get_vpc_peering_connection(vpc_pcx_id)._status.code != "active":
            raise EC2ClientError(
                "OperationNotPermitted",
                f"Peering {vpc_pcx_id} is not active. Peering options can be added only to active peerings.",
            )
        return original_modify(self, vpc_pcx_id, *args, **kwargs)

    original_create = patches.set(backend, "create_vpc_peering_connection", create_vpc_peering_connection)
    original_describe = patches.set(
        backend, "describe_vpc_peering_connections", describe_vpc_peering_connections
    )
    original_modify = patches.set(
        backend, "modify_vpc_peering_connection_options", modify_vpc_peering_connection_options
    )


def _patch_group_references(patches: Patches, backend: Any) -> None:
    """A rule may name a group of another VPC, or of another account, only through an active peering."""
    from moto.ec2.exceptions import InvalidSecurityGroupNotFoundError

    def checked(original: Callable[..., Any]) -> Callable[..., Any]:
        def authorize(self: Any, group_name_or_id: str, *args: Any, **kwargs: Any) -> Any:
            group = self.get_security_group_by_name_or_id(group_name_or_id)
            for pair in kwargs.get("source_groups") or []:
                other = _referenced_group(self, pair)
                if group and (other is None or not _reachable(self, group.vpc_id, other.vpc_id)):
                    raise InvalidSecurityGroupNotFoundError(pair.get("GroupId", ""))
            return original(self, group_name_or_id, *args, **kwargs)

        return authorize

    def add_source_group(self: Any, source_groups: Any, vpc_id: str | None) -> list[dict[str, Any]]:
        """moto looks for every group in the caller's account, and would not find the others."""
        pairs = source_groups or []
        others = [pair for pair in pairs if pair.get("UserId", self.account_id) != self.account_id]
        own: list[dict[str, Any]] = original_add(self, [pair for pair in pairs if pair not in others], vpc_id)
        return [*own, *(pair | {"OwnerId": pair["UserId"]} for pair in others)]

    for name in ("authorize_security_group_ingress", "authorize_security_group_egress"):
        patches.set(backend, name, checked(getattr(backend, name)))
    original_add = patches.set(backend, "_add_source_group", add_source_group)


def _overlap(vpc: Any, peer_vpc: Any) -> bool:
    blocks, peer_blocks = (
        [IPv4Network(one["cidr_block"]) for one in either.get_cidr_block_association_set()]
        for either in (vpc, peer_vpc)
    )
    return any(block.overlaps(other) for block in blocks for other in peer_blocks)


def _seen_from(ec2: Any, connection: Any) -> Any:
    """The connection with the tags of the account that looks at it."""
    if connection.ec2_backend is ec2:
        return connection
    view = copy.copy(connection)
    view.ec2_backend = ec2
    return view


def _referenced_group(ec2: Any, pair: dict[str, Any]) -> Any:
    from moto.ec2.models import ec2_backends

    owner = ec2_backends[pair.get("UserId") or ec2.account_id][ec2.region_name]
    if "GroupId" in pair:
        return owner.get_security_group_from_id(pair["GroupId"])
    return owner.get_security_group_by_name_or_id(pair.get("GroupName", ""))


def _reachable(ec2: Any, vpc_id: str, other_vpc_id: str) -> bool:
    return vpc_id == other_vpc_id or any(
        connection._status.code == "active"
        and {connection.vpc.id, connection.peer_vpc.id} == {vpc_id, other_vpc_id}
        for connection in ec2.vpc_pcxs.values()
    )
