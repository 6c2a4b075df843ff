"""EC2 refuses to delete what something else still uses; moto would let it go.

Source: EC2 API reference, error code DependencyViolation.
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

    original_subnet = patches.set(EC2Backend, "delete_subnet", delete_subnet)
    original_group = patches.set(EC2Backend, "delete_security_group", delete_security_group)


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
