"""What we know of instance types is what EC2 says of them."""

from __future__ import annotations

from moto.ec2.models.instance_types import INSTANCE_TYPES

from engine.model.instance_types import InstanceFacts, facts_of, known_types
from engine.model.tiers import load_catalogue


def test_the_list_agrees_with_ec2s() -> None:
    wrong = {
        name: (facts, told)
        for name, facts in known_types().items()
        if name in INSTANCE_TYPES and facts != (told := _as_ec2_says(name))
    }
    assert wrong == {}
    assert [name for name in known_types() if name not in INSTANCE_TYPES] == ["p3.2xlarge"]


def test_every_type_of_the_catalogue_is_known() -> None:
    types = {name for tier in load_catalogue() for queue in tier.queues for _, name in queue.instance_types}
    assert types <= set(known_types())


def test_of_another_type_nothing_is_known() -> None:
    assert facts_of("x99i.96xlarge") == InstanceFacts()


def _as_ec2_says(name: str) -> InstanceFacts:
    told = INSTANCE_TYPES[name]
    gpus = told.get("GpuInfo", {}).get("Gpus", [])
    return InstanceFacts(
        vcpus=told["VCpuInfo"]["DefaultVCpus"],
        cores=told["VCpuInfo"]["DefaultCores"],
        memory_gib=told["MemoryInfo"]["SizeInMiB"] / 1024,
        efa=told["NetworkInfo"]["EfaSupported"],
        cluster_placement="cluster" in told["PlacementGroupInfo"]["SupportedStrategies"],
        spot="spot" in told["SupportedUsageClasses"],
        gpus=sum(gpu["Count"] for gpu in gpus),
        gpu_maker=gpus[0]["Manufacturer"] if gpus else None,
    )
