"""What EC2 says of its instance types, as moto keeps it.

Prints the text of engine/model/data/instance_types.csv: `make instance-types` writes it anew, and a test
compares the two, so that what a newer list adds can't go unnoticed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

HEAD = """\
# What is known of EC2 instance types, for the rules of queues. Written by `make instance-types`; do not edit.
# Source: EC2's DescribeInstanceTypes as moto keeps it; p3.2xlarge, which it lacks: Karpenter's instance-type
# reference of 2026-07-11. Types that run no Linux (mac) are left out.
# An empty field is not known, and nothing is refused for it; so it is with a type that is not listed. Where
# there is no maker, there is nothing made.
#
# cores              with simultaneous multithreading off, a node has this many
# cluster_placement  whether it can run in a placement group that keeps nodes close together
# spot               whether EC2 sells it on the spot market at all
# gpus, gpu_maker    its graphics processors
# chips, chip_maker  its inference accelerators
instance_type,vcpus,cores,memory_gib,architecture,efa,cluster_placement,spot,gpus,gpu_maker,chips,chip_maker
"""
NOT_IN_THE_SOURCE = {"p3.2xlarge": "p3.2xlarge,8,,61,x86_64,no,,,1,NVIDIA,0,"}


def lines() -> Iterator[str]:
    rows = {name: row(name, told) for name, told in INSTANCE_TYPES.items() if architecture(told)}
    yield from (line for _, line in sorted((rows | NOT_IN_THE_SOURCE).items(), key=_place))


def row(name: str, told: dict[str, Any]) -> str:
    gpus = told.get("GpuInfo", {}).get("Gpus", [])
    chips = told.get("InferenceAcceleratorInfo", {}).get("Accelerators", [])
    fields = (
        name,
        told["VCpuInfo"]["DefaultVCpus"],
        told["VCpuInfo"]["DefaultCores"],
        f"{told['MemoryInfo']['SizeInMiB'] / 1024:.12g}",
        architecture(told),
        _yes(told["NetworkInfo"]["EfaSupported"]),
        _yes("cluster" in told["PlacementGroupInfo"]["SupportedStrategies"]),
        _yes("spot" in told["SupportedUsageClasses"]),
        sum(gpu["Count"] for gpu in gpus),
        gpus[0]["Manufacturer"] if gpus else "",
        sum(chip["Count"] for chip in chips),
        chips[0]["Manufacturer"] if chips else "",
    )
    return ",".join(str(field) for field in fields)


def architecture(told: dict[str, Any]) -> str | None:
    """x86_64 or arm64; None for one that runs no Linux."""
    supported = told["ProcessorInfo"]["SupportedArchitectures"]
    return next((one for one in ("x86_64", "arm64") if one in supported), None)


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def _place(item: tuple[str, str]) -> tuple[str, int, str]:
    """Families by name, sizes by their vCPUs."""
    name, line = item
    return name.partition(".")[0], int(line.split(",")[1]), name


def text() -> str:
    return HEAD + "".join(f"{line}\n" for line in lines())


if __name__ == "__main__":
    sys.stdout.write(text())
