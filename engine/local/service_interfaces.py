"""Network interfaces that a service puts into subnets of the account, for its databases and functions.

They are what keeps a subnet or a security group from being deleted while the thing stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def place_interface(
    ec2: Any, subnet_id: str, group_ids: Iterable[str], *, description: str, kind: str = "interface"
) -> str:
    """One interface in the subnet, carrying the groups, which must exist. Gives its id."""
    interface = ec2.create_network_interface(
        subnet_id, private_ip_address="", group_ids=list(group_ids), description=description
    )
    interface.requester_managed = True
    interface.status = "in-use"
    interface.interface_type = kind
    interface_id: str = interface.id
    return interface_id


def remove_interfaces(ec2: Any, interface_ids: Iterable[str]) -> None:
    for interface_id in interface_ids:
        ec2.enis.pop(interface_id, None)
