"""Interface endpoints beyond moto: they take a while to come and to go, and stand in their subnets with
network interfaces that carry their security groups. A gateway endpoint is gone once it is deleted.

Sources: AWS PrivateLink guide, "Access an AWS service using an interface VPC endpoint" (states, one
subnet a zone, DNS attributes of the VPC, one endpoint with private DNS for each service).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from engine.local.patches import Patches
from engine.local.world import World


def install(world: World, patches: Patches) -> None:
    from moto.ec2.models import EC2Backend

    def create_vpc_endpoint(self: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["endpoint_type"] = kwargs.get("endpoint_type") or "Gateway"
        if kwargs["endpoint_type"] != "Interface":
            return original_create(self, *args, **kwargs)
        subnet_ids = list(kwargs.pop("subnet_ids", None) or [])
        _check_zones(self, subnet_ids)
        if kwargs.get("private_dns_enabled"):
            _check_private_dns(self, kwargs["vpc_id"], kwargs["service_name"])
        endpoint = original_create(self, *args, subnet_ids=[], **kwargs)
        _enter(self, endpoint, subnet_ids)
        endpoint.state = "pending"

        def available(_: float) -> None:
            if endpoint.state == "pending":
                endpoint.state = "available"

        world.after(world.durations.endpoint_create_s, available)
        return endpoint

    def modify_vpc_endpoint(self: Any, vpc_id: str, *args: Any, **kwargs: Any) -> None:
        original_modify(self, vpc_id, *args, **kwargs)
        endpoint = self.vpc_end_points[vpc_id]
        if endpoint.vpc_endpoint_type == "Interface":
            _leave(self, endpoint, kwargs.get("remove_subnets") or [])
            _enter(self, endpoint, kwargs.get("add_subnets") or [])
            for interface_id in endpoint.network_interface_ids:
                self.enis[interface_id]._group_set = _groups(self, endpoint)

    def delete_vpc_endpoints(self: Any, vpce_ids: list[str] | None = None) -> None:
        known = [self.vpc_end_points[one] for one in vpce_ids or [] if one in self.vpc_end_points]
        original_delete(self, [one.id for one in known if one.vpc_endpoint_type != "Interface"])
        for endpoint in known:
            if endpoint.vpc_endpoint_type != "Interface":
                del self.vpc_end_points[endpoint.id]
            elif endpoint.state != "deleting":
                endpoint.state = "deleting"
                world.after(world.durations.endpoint_delete_s, partial(_forget, self, endpoint))

    original_create = patches.set(EC2Backend, "create_vpc_endpoint", create_vpc_endpoint)
    original_modify = patches.set(EC2Backend, "modify_vpc_endpoint", modify_vpc_endpoint)
    original_delete = patches.set(EC2Backend, "delete_vpc_endpoints", delete_vpc_endpoints)


def _check_zones(ec2: Any, subnet_ids: Sequence[str]) -> None:
    from moto.ec2.exceptions import EC2ClientError

    zones = [ec2.get_subnet(subnet_id).availability_zone for subnet_id in subnet_ids]
    if len(set(zones)) < len(zones):
        raise EC2ClientError("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in that zone.")


def _check_private_dns(ec2: Any, vpc_id: str, service_name: str) -> None:
    from moto.ec2.exceptions import EC2ClientError

    vpc = ec2.get_vpc(vpc_id)
    if not (_on(vpc.enable_dns_support) and _on(vpc.enable_dns_hostnames)):
        raise EC2ClientError(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes "
            f"set to true for {vpc_id}",
        )
    if any(
        (other.vpc_id, other.service_name, other.private_dns_enabled) == (vpc_id, service_name, True)
        and other.vpc_endpoint_type == "Interface"
        for other in ec2.vpc_end_points.values()
    ):
        raise EC2ClientError(
            "InvalidParameter",
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
            f"{service_name} in the VPC {vpc_id}",
        )


def _on(value: Any) -> bool:
    """moto keeps these attributes as what the request held: a boolean or a text."""
    return str(value).lower() == "true"


def _enter(ec2: Any, endpoint: Any, subnet_ids: Sequence[str]) -> None:
    for subnet_id in subnet_ids:
        interface = ec2.create_network_interface(
            subnet_id, "", description=f"VPC Endpoint Interface {endpoint.id}"
        )
        interface._group_set = _groups(ec2, endpoint)
        interface.interface_type, interface.requester_managed = "vpc_endpoint", True
        interface.status = "in-use"
        endpoint.network_interface_ids.append(interface.id)
    endpoint.subnet_ids = [*dict.fromkeys([*endpoint.subnet_ids, *subnet_ids])]


def _leave(ec2: Any, endpoint: Any, subnet_ids: Sequence[str]) -> None:
    for interface_id in list(endpoint.network_interface_ids):
        if ec2.enis[interface_id].subnet.id in subnet_ids:
            del ec2.enis[interface_id]
            endpoint.network_interface_ids.remove(interface_id)


def _groups(ec2: Any, endpoint: Any) -> list[Any]:
    return [ec2.get_security_group_from_id(group_id) for group_id in endpoint.security_group_ids]


def _forget(ec2: Any, endpoint: Any, _: float) -> None:
    _leave(ec2, endpoint, endpoint.subnet_ids)
    ec2.vpc_end_points.pop(endpoint.id, None)
