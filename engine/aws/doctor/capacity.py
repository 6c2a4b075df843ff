"""Quotas that will bite: what is used of each, and whether one more project fits.

A quota never fails a check, since projects that are there run on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from engine.aws import quotas
from engine.aws.checks import Check, Level, Probe, Verdict, fine, run_probes
from engine.aws.doctor.asking import Answer, asking, pages
from engine.aws.doctor.endpoints import missing_services
from engine.aws.doctor.network_reading import Network
from engine.aws.doctor.rules import count_rules
from engine.aws.failures import aws_errors
from engine.aws.quotas import IamSummary, Quota
from engine.aws.session import Cloud
from engine.errors import EngineError
from engine.model.spec import LustreStorage
from engine.model.tiers import Tier

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        InstanceTypeDef,
        NetworkAclTypeDef,
        SecurityGroupTypeDef,
        VpcEndpointTypeDef,
    )
    from mypy_boto3_fsx.type_defs import FileSystemTypeDef

SUBJECT = "quotas"
# ParallelCluster's own group, and four of ours: the project's nodes, and who may use endpoints and
# database, and who may come in.
HEAD_NODE_GROUPS = 5
# The stack that drives the cluster, and the cluster's own.
PROJECT_STACKS = 2
# ParallelCluster's for head node and computes; the project's own, its home's and its Lustre's.
PROJECT_GROUPS = 5
# What ParallelCluster makes for a cluster beside one for each queue: the head node's, and the role of the
# function that cleans up.
BESIDE_QUEUES = {quotas.ROLES: 2, quotas.INSTANCE_PROFILES: 1}
_SCARCE = 0.1
_PERSISTENT_2 = "PERSISTENT_2"
# EC2 API, Filter: at most this many values.
_FILTER_VALUES = 200


@dataclass(frozen=True)
class Demand:
    """What is used of a quota, and what comes on top.

    needed   by one more project
    counted  what stands behind the numbers: "GiB used"
    note     what is worth knowing, for people
    grows    False where there is never more: a head node carries as many groups as it carries
    """

    quota: Quota
    used: int
    needed: int = 0
    counted: str = "used"
    note: str = ""
    grows: bool = True


@dataclass(frozen=True)
class VcpuUsage:
    """running: On-Demand instances by type; vcpus: of each type that the region offers; spot: as running."""

    running: Mapping[str, int]
    vcpus: Mapping[str, int]
    spot: Mapping[str, int] = field(default_factory=dict)


def examine_quotas(
    cloud: Cloud, network: Network | None, *, region: str, tiers: Sequence[Tier], head_node: str
) -> list[Check]:
    """One Check each, never an error and never a failure. Without a VPC none of what is counted in it.

    head_node   instance type of head nodes
    """
    on_demand = {head_node, *_types(tiers, spot=False)}
    spot = _types(tiers, spot=True)
    with asking() as ask:
        limits = {service: ask(partial(quotas.read_quotas, cloud, service)) for service in quotas.SERVICES}
        iam = ask(lambda: quotas.read_iam_summary(cloud))
        vcpus = ask(lambda: read_vcpu_usage(cloud, on_demand | spot))
        groups = ask(pages(cloud.ec2, "describe_security_groups", "SecurityGroups"))
        lustre = ask(pages(cloud.fsx, "describe_file_systems", "FileSystems"))
        efs = ask(pages(cloud.efs, "describe_file_systems", "FileSystems"))
        stacks = ask(lambda: count_stacks(cloud))

    limits["iam"] = lambda: iam().limits
    demands: list[tuple[str, Answer[Demand]]] = [
        *(_of_network(network, region) if network else []),
        ("security groups", lambda: demand_for_groups(groups())),
        *(
            (f"running {family} vCPUs", _vcpu_demand(family, vcpus, tiers, head_node))
            for family in sorted({quotas.family_of(type_) for type_ in on_demand}, reverse=True)
        ),
        *(
            (f"spot {family} vCPUs", _spot_demand(family, vcpus, tiers))
            for family in sorted({quotas.family_of(type_, spot=True) for type_ in spot}, reverse=True)
            if family in quotas.SPOT_VCPUS
        ),
        ("Lustre capacity", lambda: demand_for_lustre_capacity(lustre())),
        ("Lustre file systems", lambda: demand_for_lustre(lustre())),
        (
            "EFS file systems",
            lambda: Demand(
                quotas.EFS_FILE_SYSTEMS, len(efs()), needed=1, note="one more project needs 1, parked or not"
            ),
        ),
        ("CloudFormation stacks", lambda: demand_for_stacks(stacks())),
        ("IAM roles", lambda: demand_for_iam(quotas.ROLES, iam(), tiers)),
        ("IAM instance profiles", lambda: demand_for_iam(quotas.INSTANCE_PROFILES, iam(), tiers)),
    ]
    return run_probes(SUBJECT, [_probe(name, demand, limits) for name, demand in demands])


def judge(demand: Demand, limits: Answer[Mapping[str, float]]) -> Verdict:
    """A warning where one more project does not fit, where little is left, or where nobody may look.

    limits   the service's quotas by code; where the account has none of its own, AWS's default holds
    """
    quota = demand.quota
    try:
        own = limits().get(quota.code)
    except EngineError as error:
        found = f"could not be read; {_told(demand, quota.default)}, which is AWS's default"
        return Verdict(Level.WARNING, found, error.hint or _ask_for(quota), error.code)
    limit = quota.default if own is None else own
    found = _told(demand, limit) + (", which is AWS's default" if own is None else "")
    left = limit - demand.used
    if not left and not demand.grows:
        found += ": none to spare"
    if left < demand.needed or (demand.grows and left < limit * _SCARCE):
        return Verdict(Level.WARNING, found, _ask_for(quota))
    return fine(found)


def read_vcpu_usage(cloud: Cloud, types: Iterable[str]) -> VcpuUsage:
    """What runs On-Demand and as spot instances in the region, and the vCPUs of these types and of what runs.

    Pending and stopped instances don't count (EC2 user guide, "On-Demand Instance quotas"). Unused capacity
    reservations would, and so would open requests for spot instances; they are not looked at.
    Raises   AccessDenied, Unreachable, BackendError
    """
    filters = [{"Name": "instance-state-name", "Values": ["running"]}]
    reservations = pages(cloud.ec2, "describe_instances", "Reservations", Filters=filters)()
    instances = [instance for one in reservations for instance in one["Instances"]]
    running, spot = count_instances(instances, ""), count_instances(instances, "spot")
    wanted = sorted({*types, *running, *spot})[:_FILTER_VALUES]
    # A filter, since naming a type that the region lacks would be an error for all of them.
    found = pages(
        cloud.ec2,
        "describe_instance_types",
        "InstanceTypes",
        Filters=[{"Name": "instance-type", "Values": wanted}],
    )()
    vcpus = {one["InstanceType"]: one["VCpuInfo"]["DefaultVCpus"] for one in found}
    return VcpuUsage(running, vcpus, spot)


def count_instances(instances: Iterable[InstanceTypeDef], lifecycle: str) -> Counter[str]:
    """Instances of a lifecycle by type.

    lifecycle   as EC2 names it: "spot"; "" are those On-Demand
    """
    return Counter(one["InstanceType"] for one in instances if one.get("InstanceLifecycle", "") == lifecycle)


def count_stacks(cloud: Cloud) -> int:
    """Stacks of the region, whoever made them; deleted ones stay listed for 90 days and don't count.

    Raises   AccessDenied, Unreachable, BackendError
    """
    with aws_errors("counting the stacks"):
        pages = cloud.cloudformation.get_paginator("list_stacks").paginate()
        return sum(
            summary["StackStatus"] != "DELETE_COMPLETE"
            for page in pages
            for summary in page["StackSummaries"]
        )


def demand_for_vcpus(family: str, usage: VcpuUsage, tiers: Sequence[Tier], head_node: str) -> Demand:
    """What runs of a family On-Demand, and what the largest tier would run at most.

    Cores or threads that are switched off are counted all the same: the instance type has them.
    """
    head = usage.vcpus.get(head_node, 0) if quotas.family_of(head_node) == family else 0
    needed, note = _needed(family, usage, tiers, spot=False, head=head)
    return Demand(quotas.VCPUS[family], _used(family, usage, spot=False), needed, "vCPUs used", note)


def demand_for_spot_vcpus(family: str, usage: VcpuUsage, tiers: Sequence[Tier]) -> Demand:
    """The same of spot instances: head nodes are none."""
    needed, note = _needed(family, usage, tiers, spot=True)
    return Demand(quotas.SPOT_VCPUS[family], _used(family, usage, spot=True), needed, "vCPUs used", note)


def _used(family: str, usage: VcpuUsage, *, spot: bool) -> int:
    return sum(
        count * usage.vcpus.get(type_, 0)
        for type_, count in (usage.spot if spot else usage.running).items()
        if quotas.family_of(type_, spot=spot) == family
    )


def _needed(
    family: str, usage: VcpuUsage, tiers: Sequence[Tier], *, spot: bool, head: int = 0
) -> tuple[int, str]:
    """vCPUs of one more project of the largest tier, and that in words."""
    sizes = {tier.name: _tier_vcpus(tier, family, usage.vcpus, spot=spot) for tier in tiers}
    largest = max(sizes, key=lambda name: sizes[name])
    needed = sizes[largest] + head
    if sizes[largest]:
        return needed, f"one more project of tier {largest} needs up to {needed}"
    if head:
        return needed, f"the head node of one more project needs {needed}"
    return needed, f"no {family} type of the tiers is offered in this region"


def demand_for_lustre_capacity(file_systems: Iterable[FileSystemTypeDef]) -> Demand:
    used = sum(one.get("StorageCapacity", 0) for one in _persistent(file_systems))
    needed = LustreStorage().capacity_gib
    note = f"one more project needs {needed} where its spec says no size"
    return Demand(quotas.LUSTRE_CAPACITY, used, needed, "GiB used", note)


def demand_for_lustre(file_systems: Iterable[FileSystemTypeDef]) -> Demand:
    return Demand(
        quotas.LUSTRE_FILE_SYSTEMS, len(_persistent(file_systems)), needed=1, note="one more project needs 1"
    )


def demand_for_stacks(stacks: int) -> Demand:
    note = f"one more project needs {PROJECT_STACKS}"
    return Demand(quotas.STACKS, stacks, PROJECT_STACKS, note=note)


def demand_for_groups(groups: Sequence[SecurityGroupTypeDef]) -> Demand:
    note = f"one more project needs up to {PROJECT_GROUPS}"
    return Demand(quotas.SECURITY_GROUPS, len(groups), PROJECT_GROUPS, note=note)


def demand_for_iam(quota: Quota, iam: IamSummary, tiers: Sequence[Tier]) -> Demand:
    """Roles or instance profiles: one for each queue, and some beside."""
    largest = max(tiers, key=lambda tier: len(tier.queues))
    needed = len(largest.queues) + BESIDE_QUEUES[quota]
    note = f"one more project of tier {largest.name} needs {needed}"
    return Demand(quota, iam.used[quota.code], needed, note=note)


def demand_for_endpoints(endpoints: Sequence[VpcEndpointTypeDef], region: str) -> Demand:
    # PrivateLink guide, "AWS PrivateLink quotas": both kinds share the quota.
    counted = [one for one in endpoints if one["VpcEndpointType"] in {"Interface", "GatewayLoadBalancer"}]
    missing = len(missing_services(endpoints, region))
    note = f"{missing} more for what is missing" if missing else "projects share them"
    return Demand(quotas.INTERFACE_ENDPOINTS, len(counted), missing, note=note)


def demand_for_head_node_groups() -> Demand:
    return Demand(
        quotas.GROUPS_PER_INTERFACE,
        HEAD_NODE_GROUPS,
        counted="carried by each head node",
        grows=False,
    )


def demand_for_group_rules(groups: Iterable[SecurityGroupTypeDef]) -> Demand:
    """The fullest group of the VPC, in its fuller direction."""
    sizes = {
        group["GroupId"]: max(
            count_rules(group.get("IpPermissions", [])), count_rules(group.get("IpPermissionsEgress", []))
        )
        for group in groups
    }
    fullest = max(sizes, key=lambda id_: sizes[id_])
    return Demand(quotas.RULES_PER_GROUP, sizes[fullest], counted=f"used in the fullest group, {fullest}")


def demand_for_acl_rules(acl: NetworkAclTypeDef) -> Demand:
    """Rules of the fuller direction, the one that closes every ACL counted too."""
    directions = Counter(entry["Egress"] for entry in acl["Entries"] if "CidrBlock" in entry)
    counted = f"used in the default ACL, {acl['NetworkAclId']}"
    return Demand(quotas.RULES_PER_ACL, max(directions.values(), default=0), counted=counted)


def _of_network(network: Network, region: str) -> list[tuple[str, Answer[Demand]]]:
    return [
        ("interface endpoints", lambda: demand_for_endpoints(network.endpoints(), region)),
        (
            "subnets",
            lambda: Demand(quotas.SUBNETS, len(network.subnets()), needed=1, note="one more project needs 1"),
        ),
        ("security groups per interface", lambda: demand_for_head_node_groups()),
        ("security group rules", lambda: demand_for_group_rules(network.security_groups())),
        ("network ACL rules", lambda: demand_for_acl_rules(network.default_acl())),
    ]


def _vcpu_demand(
    family: str, usage: Answer[VcpuUsage], tiers: Sequence[Tier], head_node: str
) -> Answer[Demand]:
    return lambda: demand_for_vcpus(family, usage(), tiers, head_node)


def _spot_demand(family: str, usage: Answer[VcpuUsage], tiers: Sequence[Tier]) -> Answer[Demand]:
    return lambda: demand_for_spot_vcpus(family, usage(), tiers)


def _probe(name: str, demand: Answer[Demand], limits: Mapping[str, Answer[Mapping[str, float]]]) -> Probe:
    def look() -> Verdict:
        found = demand()
        return judge(found, limits[found.quota.service])

    return Probe(name, look, Level.WARNING)


def _told(demand: Demand, limit: float) -> str:
    """ "6 of 200 used; one more project needs 1" """
    told = f"{demand.used} of {limit:.0f} {demand.counted}"
    return f"{told}; {demand.note}" if demand.note else told


def _ask_for(quota: Quota) -> str:
    return f'Ask for more in Service Quotas: {quota.service}, "{quota.name}" ({quota.code}).'


def _types(tiers: Iterable[Tier], *, spot: bool) -> set[str]:
    """Instance types of the queues of spot instances, or of the others."""
    return {
        type_
        for tier in tiers
        for queue in tier.queues
        if queue.spot is spot
        for resource in queue.compute_resources
        for type_ in resource.instance_types
    }


def _tier_vcpus(tier: Tier, family: str, vcpus: Mapping[str, int], *, spot: bool) -> int:
    """Of several types of one compute resource any may be taken, so the largest counts."""
    return sum(
        resource.max_count
        * max(
            (
                vcpus.get(type_, 0)
                for type_ in resource.instance_types
                if quotas.family_of(type_, spot=spot) == family
            ),
            default=0,
        )
        for queue in tier.queues
        if queue.spot is spot
        for resource in queue.compute_resources
    )


def _persistent(file_systems: Iterable[FileSystemTypeDef]) -> list[FileSystemTypeDef]:
    return [
        one
        for one in file_systems
        if one.get("LustreConfiguration", {}).get("DeploymentType") == _PERSISTENT_2
    ]
