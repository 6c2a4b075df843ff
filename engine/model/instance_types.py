"""EC2 instance types: how they are named, and what is known of them (data/instance_types.csv).

What is not known is None, and no rule refuses anything for it: EC2 has new types every month, and
AWS ParallelCluster asks EC2 itself before it makes a cluster.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Annotated

from pydantic import AfterValidator, Field

from engine.model.fields import Allowed, refused
from engine.model.wording import shown

INSTANCE_TYPE_ALLOWED = "an EC2 instance type: family, dot, size"
_PATTERN = r"^[a-z0-9-]+\.[a-z0-9-]+$"

_GIB_PER_VCPU = {"c": 2, "m": 4, "r": 8}
_BURSTABLE_GIB = {"nano": 0.5, "micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}
_VCPUS = {"medium": 1, "large": 2, "xlarge": 4}


def instance_type(name: str) -> str:
    """A validator: an EC2 instance type such as `t3.medium`; whether it exists, AWS says."""
    if not re.fullmatch(_PATTERN, name):
        raise refused(f"{shown(name)} is not an instance type")
    if re.match(r"mac[0-9-]", name):
        raise refused(f"{name} is a Mac, for which ParallelCluster has no image")
    return name


InstanceType = Annotated[
    str,
    AfterValidator(instance_type),
    Allowed(INSTANCE_TYPE_ALLOWED),
    Field(json_schema_extra={"pattern": _PATTERN}),
]


@dataclass(frozen=True)
class InstanceFacts:
    """What EC2 says of one type; None where we do not know.

    architecture   x86_64 or arm64
    chips          inference accelerators
    *_maker        "none" without any; a fraction of a GPU counts as 0, and has a maker
    """

    vcpus: int | None = None
    cores: int | None = None
    memory_gib: float | None = None
    architecture: str | None = None
    efa: bool | None = None
    cluster_placement: bool | None = None
    spot: bool | None = None
    gpus: int | None = None
    gpu_maker: str | None = None
    chips: int | None = None
    chip_maker: str | None = None


_UNKNOWN = InstanceFacts()


# For more than there are: one that goes through all of them would else throw out what it asks for next.
@lru_cache(maxsize=4096)
def facts_of(name: str) -> InstanceFacts:
    """What is known of a type; all None for one that is not listed."""
    head, lines = _table()
    return _facts(next(csv.DictReader([head, lines[name]]))) if name in lines else _UNKNOWN


def known_types() -> tuple[str, ...]:
    """The name of every listed type, in the order of the file."""
    return tuple(_table()[1])


@cache
def _table() -> tuple[str, dict[str, str]]:
    """The file's head, and its lines by the name that each begins with.

    They are taken apart when they are asked for: of 1,400 types a process meets ten.
    """
    text = (files("engine.model") / "data" / "instance_types.csv").read_text("utf-8")
    head, *lines = (line for line in text.splitlines() if not line.startswith("#"))
    return head, {line.partition(",")[0]: line for line in lines}


def memory_gib(name: str) -> float | None:
    """Memory in GiB; of a type that is not listed, what its family has for a size below 16 GiB, or None.

    Those families have a fixed amount for each vCPU; c5n, the odd one, is left out.

    Source   Amazon EC2 instance types guide: T; C, M and R from the fifth generation on
    """
    listed = facts_of(name).memory_gib
    if listed is not None:
        return listed
    family, _, size = name.partition(".")
    if re.fullmatch(r"t[234][ag]?", family):
        return _BURSTABLE_GIB.get(size)
    ratio = re.fullmatch(r"([cmr])(?:[5-9]|1[0-9])[iag]?(?:d|n|dn)?", family)
    if ratio and size in _VCPUS and family != "c5n":
        return float(_GIB_PER_VCPU[ratio[1]] * _VCPUS[size])
    return None


def is_arm(name: str) -> bool:
    """Whether it has an ARM processor; of a type that is not listed by its name: m10g, p6e-gb200.

    Source   Amazon EC2 user guide, "Instance type naming conventions"
    """
    listed = facts_of(name).architecture
    if listed is not None:
        return listed == "arm64"
    family = name.partition(".")[0]
    return re.fullmatch(r"[a-z]+[0-9]+(g[a-z]*|[a-z]*-gb[0-9]+)", family) is not None


def lacks_driver(name: str) -> bool:
    """Whether its graphics processors are older than the driver in ParallelCluster's own images.

    Source   aws-parallelcluster 3.16.1: InstanceTypeBaseAMICompatibleValidator
    """
    return name.partition(".")[0] in ("g2", "g3", "g3s", "p2", "p3", "p3dn")


def _facts(row: dict[str, str]) -> InstanceFacts:
    return InstanceFacts(
        vcpus=_number(row["vcpus"]),
        cores=_number(row["cores"]),
        memory_gib=float(row["memory_gib"]) if row["memory_gib"] else None,
        architecture=row["architecture"],
        efa=_truth(row["efa"]),
        cluster_placement=_truth(row["cluster_placement"]),
        spot=_truth(row["spot"]),
        gpus=_number(row["gpus"]),
        gpu_maker=row["gpu_maker"] or "none",
        chips=_number(row["chips"]),
        chip_maker=row["chip_maker"] or "none",
    )


def _number(text: str) -> int | None:
    return int(text) if text else None


def _truth(text: str) -> bool | None:
    return text == "yes" if text else None
