"""EC2 refuses to delete what something else still uses; moto would let it go.

Sources: EC2 API reference, error code DependencyViolation and DeleteVpc (its default security group,
route table and network ACL go with a VPC, everything else must have gone before).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    from moto.ec2.exceptions import DependencyViolationError
    from moto.ec2.models import EC2Backend

    def delete_subnet(self: Any, subnet_id: str) -> Any:
        if any(interface.subnet.id == subnet_id for interface in interfaces_in_use(self)):
            raise DependencyViolationError(
                f"The subnet '{subnet_id}' has dependencies and cannot be deleted."
            )
        return original_subnet(self, subnet_id)

    def delete_security_group(self: Any, name: str | None = None, group_id: str | None = None) -> Any:
        group = self.get_security_group_from_id(group_id) if group_id else None
        if group and group_in_use(self, group):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        return original_group(self, name=name, group_id=group_id)

    def delete_vpc(self: Any, vpc_id: str) -> Any:
        if any(True for _ in contents(self, vpc_id)):
            raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
        vpc = original_vpc(self, vpc_id)
        for acl in [acl for acl in self.network_acls.values() if acl.vpc_id == vpc_id]:
            del self.network_acls[acl.id]
        return vpc

    original_subnet = patches.set(EC2Backend, "delete_subnet", delete_subnet)
    original_group = patches.set(EC2Backend, "delete_security_group", delete_security_group)
    original_vpc = patches.set(EC2Backend, "delete_vpc", delete_vpc)


def interfaces_in_use(ec2: Any) -> Iterator[Any]:
    """Network interfaces that are not left over from a terminated instance."""
    for interface in list(ec2.enis.values()):
        if interface.instance is None or interface.instance.state != "terminated":
            yield interface


def group_in_use(ec2: Any, group: Any) -> bool:
    """An interface carries the group, or a rule of another group names it."""
    if any(group.id in {one.id for one in interface.group_set} for interface in interfaces_in_use(ec2)):
        return True
    for by_id in ec2.groups.values():
        for other in by_id.values():
            if other.id != group.id and any(
                (rule.source_group or {}).get("GroupId") == group.id
                for rule in [*other.ingress_rules, *other.egress_rules]
            ):
                return True
    return False


def contents(ec2: Any, vpc_id: str) -> Iterator[Any]:
    """What keeps a VPC, beside the subnets and route tables that moto looks at itself."""
    yield from (group for group in ec2.groups.get(vpc_id, {}).values() if not group.is_default)
    yield from (acl for acl in ec2.network_acls.values() if acl.vpc_id == vpc_id and not acl.default)
    yield from (endpoint for endpoint in ec2.vpc_end_points.values() if endpoint.vpc_id == vpc_id)
    yield from (one for one in ec2.internet_gateways.values() if one.vpc and one.vpc.id == vpc_id)
