"""Judging quotas: what is used, what one more project needs, what is left."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import yaml

from engine.aws import quotas
from engine.aws.doctor import capacity
from engine.aws.doctor.capacity import (
    Demand,
    VcpuUsage,
    count_instances,
    demand_for_spot_vcpus,
    demand_for_vcpus,
    judge,
)
from engine.errors import AccessDenied
from engine.model.tiers import Tier, load_catalogue

TIERS = load_catalogue()
VCPUS = {
    "t3.medium": 2,
    "t3.micro": 2,
    "c7a.48xlarge": 192,
    "c6a.48xlarge": 192,
    "c7i.48xlarge": 192,
    "m7a.48xlarge": 192,
    "m7i.48xlarge": 192,
    "m5.8xlarge": 32,
    "hpc7a.96xlarge": 192,
}


@pytest.mark.parametrize(
    ("type_", "family"),
    [
        ("t3.micro", "Standard"),
        ("c7a.48xlarge", "Standard"),
        ("d3en.xlarge", "Standard"),
        ("h1.2xlarge", "Standard"),
        ("i4i.large", "Standard"),
        ("im4gn.large", "Standard"),
        ("hpc7a.96xlarge", "HPC"),
        ("inf2.xlarge", "Inf"),
        ("dl1.24xlarge", "DL"),
        ("trn1.2xlarge", "Trn"),
        ("p5.48xlarge", "P"),
        ("g6.xlarge", "G and VT"),
        ("gr6.4xlarge", "G and VT"),
        ("vt1.3xlarge", "G and VT"),
        ("x2idn.16xlarge", "X"),
        ("f2.6xlarge", "F"),
        ("u-6tb1.metal", "High Memory"),
        ("u7i-12tb.224xlarge", "High Memory"),
    ],
)
def test_families(type_: str, family: str) -> None:
    assert quotas.family_of(type_) == family
    assert family in quotas.VCPUS


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        ("c7a.48xlarge", "L-34B43A08"),
        ("p3dn.24xlarge", "L-7212CCBC"),
        ("p4d.24xlarge", "L-7212CCBC"),
        ("p5.48xlarge", "L-C4BD4855"),
        ("p5en.48xlarge", "L-C4BD4855"),
        ("p6-b200.48xlarge", None),
        ("hpc7a.96xlarge", None),
    ],
)
def test_spot_instances_of_p_have_several_quotas(type_: str, code: str | None) -> None:
    quota = quotas.SPOT_VCPUS.get(quotas.family_of(type_, spot=True))
    assert (quota and quota.code) == code


SMALL = quotas.Quota("vpc", "L-1", "Things per VPC", 20)


@pytest.mark.parametrize(
    ("demand", "own", "level", "found"),
    [
        (
            Demand(SMALL, 3, 1, note="one more project needs 1"),
            100,
            "ok",
            "3 of 100 used; one more project needs 1",
        ),
        (Demand(SMALL, 3, 1), None, "ok", "3 of 20 used, which is AWS's default"),
        (Demand(SMALL, 18, 1), None, "ok", "18 of 20"),
        (Demand(SMALL, 19, 1), None, "warning", "19 of 20"),
        (Demand(SMALL, 20, 1), None, "warning", "20 of 20"),
        (Demand(SMALL, 0, 21), None, "warning", "0 of 20"),
        (Demand(SMALL, 0), 0, "ok", "0 of 0"),
        (Demand(SMALL, 20, grows=False), None, "ok", "none to spare"),
        (Demand(SMALL, 21, grows=False), None, "warning", "21 of 20"),
        (Demand(SMALL, 5, 0), 1_000_000, "ok", "5 of 1000000 used"),
    ],
)
def test_what_is_left(demand: Demand, own: float | None, level: str, found: str) -> None:
    verdict = judge(demand, lambda: {} if own is None else {"L-1": own, "L-2": 0})

    assert (verdict.level, found in verdict.found) == (level, True), verdict
    assert verdict.hint == (
        "" if level == "ok" else 'Ask for more in Service Quotas: vpc, "Things per VPC" (L-1).'
    )


def test_what_may_not_be_read() -> None:
    def refused() -> Any:
        raise AccessDenied("no", hint="Ask for the permission.")

    verdict = judge(Demand(SMALL, 3), refused)

    assert (verdict.level, verdict.error) == ("warning", "ACCESS_DENIED")
    assert verdict.found == "could not be read; 3 of 20 used, which is AWS's default"
    assert verdict.hint == "Ask for the permission."


def test_running_instances_and_the_largest_tier() -> None:
    usage = VcpuUsage({"c7a.48xlarge": 2, "m5.8xlarge": 1, "hpc7a.96xlarge": 3, "g6.xlarge": 5}, VCPUS)

    standard = demand_for_vcpus("Standard", usage, TIERS, "t3.medium")
    hpc = demand_for_vcpus("HPC", usage, TIERS, "t3.medium")

    # Two compute resources of twenty nodes, and a head node.
    assert (standard.used, standard.needed) == (2 * 192 + 32, 2 * 20 * 192 + 2)
    assert "mixed-prod-mpi" in standard.note
    # The head node is of another family.
    assert (hpc.used, hpc.needed) == (3 * 192, 20 * 192)
    assert "prod-mpi-hpc" in hpc.note


def test_types_that_the_region_lacks_need_nothing() -> None:
    vcpus = {type_: count for type_, count in VCPUS.items() if not type_.startswith("hpc")}

    demand = demand_for_vcpus("HPC", VcpuUsage({}, vcpus), TIERS, "t3.medium")

    assert (demand.used, demand.needed) == (0, 0)
    assert "no HPC type of the tiers is offered" in demand.note


def test_of_alternatives_those_of_the_quota_count() -> None:
    resource = {
        "name": "any",
        "instance_types": ["c7a.48xlarge", "hpc7a.96xlarge"],
        "max_count": 3,
    }
    queue = {"name": "any", "placement_group": False, "compute_resources": [resource]}
    tier = Tier.model_validate({"name": "any", "description": "any", "queues": [queue]})

    demand = demand_for_vcpus("Standard", VcpuUsage({}, VCPUS), [tier], "t3.medium")

    assert demand.needed == 3 * 192 + 2


def test_spot_and_capacity_blocks_are_not_on_demand() -> None:
    instances: Any = [
        {"InstanceType": "t3.micro"},
        {"InstanceType": "t3.micro"},
        {"InstanceType": "t3.micro", "InstanceLifecycle": "spot"},
        {"InstanceType": "p5.48xlarge", "InstanceLifecycle": "capacity-block"},
    ]
    assert count_instances(instances, "") == {"t3.micro": 2}
    assert count_instances(instances, "spot") == {"t3.micro": 1}


def test_spot_queues_have_quotas_of_their_own() -> None:
    def queue(name: str, type_: str, **more: Any) -> dict[str, Any]:
        resource = {"name": name, "instance_types": [type_], "max_count": 3}
        return {"name": name, "placement_group": False, "compute_resources": [resource], **more}

    cheap = {"name": "cheap", "description": "any", "queues": [queue("spot", "c7a.48xlarge", spot=True)]}
    both = {**cheap, "name": "both", "queues": [*cheap["queues"], queue("sure", "m5.8xlarge")]}
    tiers = [Tier.model_validate(one) for one in (cheap, both)]
    usage = VcpuUsage({"m5.8xlarge": 1}, VCPUS, {"c7a.48xlarge": 2})

    # WHEN some queues take spot instances THEN On-Demand is what the others need
    on_demand = demand_for_vcpus("Standard", usage, tiers, "t3.medium")
    assert (on_demand.quota.code, on_demand.used, on_demand.needed) == ("L-1216C47A", 32, 3 * 32 + 2)
    # AND theirs count toward the quota of spot instances, without a head node
    spot = demand_for_spot_vcpus("Standard", usage, tiers)
    assert (spot.quota.code, spot.used, spot.needed) == ("L-34B43A08", 2 * 192, 3 * 192)
    assert "vCPUs" in spot.counted
    # WHEN no queue is On-Demand THEN the head node still is
    alone = demand_for_vcpus("Standard", usage, tiers[:1], "t3.medium")
    assert (alone.needed, alone.note) == (2, "the head node of one more project needs 2")


def test_spot_instances_of_another_p_are_not_counted_for_those_of_p5() -> None:
    resource = {"name": "any", "instance_types": ["p5.48xlarge"], "max_count": 1}
    queue = {"name": "spot", "spot": True, "placement_group": False, "compute_resources": [resource]}
    tier = Tier.model_validate({"name": "cheap", "description": "any", "queues": [queue]})
    usage = VcpuUsage({}, {"p5.48xlarge": 192, "p4d.24xlarge": 96}, {"p4d.24xlarge": 1, "p5.48xlarge": 2})
    spot = demand_for_spot_vcpus("P5", usage, [tier])
    assert (spot.quota.name, spot.used, spot.needed) == ("All P5 Spot Instance Requests", 2 * 192, 192)


def test_only_lustre_of_our_kind_counts() -> None:
    def lustre(kind: str, capacity: int) -> Any:
        return {"StorageCapacity": capacity, "LustreConfiguration": {"DeploymentType": kind}}

    here = [
        lustre("PERSISTENT_2", 1200),
        lustre("SCRATCH_2", 2400),
        lustre("PERSISTENT_2", 2400),
        {"StorageCapacity": 9},
    ]

    assert capacity.demand_for_lustre_capacity(here).used == 3600
    assert capacity.demand_for_lustre(here).used == 2


def test_both_kinds_of_endpoint_share_a_quota() -> None:
    kinds = ["Interface", "GatewayLoadBalancer", "Gateway", "Resource"]
    here: Any = [{"VpcEndpointType": kind, "ServiceName": "x"} for kind in kinds]

    demand = capacity.demand_for_endpoints(here, "eu-west-3")

    assert (demand.used, demand.needed) == (2, 10)


def test_each_queue_has_a_role_of_its_own() -> None:
    iam = quotas.IamSummary(used={quotas.ROLES.code: 300, quotas.INSTANCE_PROFILES.code: 280}, limits={})
    largest = max(TIERS, key=lambda tier: len(tier.queues))

    roles = capacity.demand_for_iam(quotas.ROLES, iam, TIERS)
    profiles = capacity.demand_for_iam(quotas.INSTANCE_PROFILES, iam, TIERS)

    assert (roles.used, roles.needed) == (300, len(largest.queues) + 2)
    assert (profiles.used, profiles.needed) == (280, len(largest.queues) + 1)
    assert largest.name in roles.note


def test_the_fuller_direction_counts() -> None:
    acl: Any = {
        "NetworkAclId": "acl-1",
        "Entries": [
            {"Egress": False, "CidrBlock": "0.0.0.0/0"},
            {"Egress": True, "CidrBlock": "0.0.0.0/0"},
            {"Egress": True, "CidrBlock": "10.0.0.0/8"},
            {"Egress": False, "Ipv6CidrBlock": "::/0"},
        ],
    }
    block = {"IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "10.1.0.0/16"}]}
    groups: Any = [
        {"GroupId": "sg-1", "IpPermissions": [block], "IpPermissionsEgress": [block, block]},
        {"GroupId": "sg-2", "IpPermissions": [], "IpPermissionsEgress": []},
    ]

    assert capacity.demand_for_acl_rules(acl).used == 2
    fullest = capacity.demand_for_group_rules(groups)
    assert (fullest.used, "sg-1" in fullest.counted) == (4, True)


def test_the_local_cloud_plays_the_same_quotas() -> None:
    """Codes, names and default values are written twice, since the local cloud must not know the engine."""
    from moto.servicequotas.resources.default_quotas.vpc import VPC_DEFAULT_QUOTAS

    played = yaml.safe_load((files("engine.local") / "data" / "service_quotas.yaml").read_text("utf-8"))
    played["vpc"] = {one["QuotaCode"]: [one["QuotaName"], one["Value"]] for one in VPC_DEFAULT_QUOTAS}
    # GetAccountSummary answers for these, which the functional tests read.
    played["iam"] = {one.code: [one.name, one.default] for one in (quotas.ROLES, quotas.INSTANCE_PROFILES)}
    ours = [one for one in vars(quotas).values() if isinstance(one, quotas.Quota)]

    for quota in [*ours, *quotas.VCPUS.values()]:
        assert played[quota.service][quota.code] == [quota.name, quota.default]
        assert quota.service in (*quotas.SERVICES, "iam")
