"""Queues: Slurm partitions, and the nodes behind them. A tier is made of them, and so may a spec be.

Every rule of ParallelCluster that concerns what can be said here is checked when the values are built,
so that a mistake shows at once and not twenty minutes into the creation of a cluster.

Source   AWS ParallelCluster 3.16.1: NameValidator, MaxCountValidator, ComputeResourceSizeValidator,
         the Instances...Validators, EfaPlacementGroupValidator, InstanceTypePlacementGroupValidator,
         CapacityTypeValidator, InstanceArchitectureCompatibilityValidator, RootVolumeSizeValidator,
         InstanceTypeBaseAMICompatibleValidator
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from engine.model.fields import Allowed, Refusal, Strict, refuse_all, refused
from engine.model.instance_types import (
    InstanceFacts,
    InstanceType,
    facts_of,
    is_arm,
    lacks_driver,
    memory_gib,
)
from engine.model.wording import Path, shown

QUEUES_MAX = 50
COMPUTE_RESOURCES_MAX = 50
"""Of the whole cluster, and so of one queue."""

ON_DEMAND_STRATEGIES = ("lowest-price", "prioritized")
SPOT_STRATEGIES = (
    "lowest-price",
    "capacity-optimized",
    "price-capacity-optimized",
    "capacity-optimized-prioritized",
)

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,24}$"
IMAGE_PATTERN = r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$"
# ParallelCluster's own images have 45 GiB, from 3.16.2 on 50; a volume can't be smaller than its image.
ROOT_VOLUME_MIN_GIB = 50
ROOT_VOLUME_MAX_GIB = 16_384


def _name(text: str) -> str:
    if text == "default":
        raise refused("the name 'default' is reserved by ParallelCluster")
    if not re.fullmatch(NAME_PATTERN, text):
        long = f" and has {len(text)} characters" if len(text) > 25 else ""
        raise refused(f"{shown(text)} is not a name{long}")
    return text


def _image(text: str) -> str:
    if not re.fullmatch(IMAGE_PATTERN, text):
        raise refused(f"{shown(text)} is not an image")
    return text


def some(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """A validator: not empty. A length limit of the field would be reported once more for each wrong item."""
    if not items:
        raise refused("needs at least one entry")
    return items


Name = Annotated[
    str,
    AfterValidator(_name),
    Allowed("1 to 25 lower-case letters, digits and '-', a letter first, not 'default'"),
    Field(json_schema_extra={"pattern": NAME_PATTERN, "not": {"const": "default"}}),
]
Count = Annotated[int, Field(ge=1, le=1000)]
AllocationStrategy = Literal[
    "lowest-price",
    "prioritized",
    "capacity-optimized",
    "price-capacity-optimized",
    "capacity-optimized-prioritized",
]


class RootVolume(Strict, title="Root volume"):
    """The disk that a node starts from; encrypted, and gone with the node."""

    size_gib: Annotated[
        Annotated[int, Field(ge=ROOT_VOLUME_MIN_GIB, le=ROOT_VOLUME_MAX_GIB)] | None,
        Allowed(f"a whole number from {ROOT_VOLUME_MIN_GIB} to {ROOT_VOLUME_MAX_GIB}"),
    ] = Field(
        default=None,
        title="Size (GiB)",
        description="Size in GiB; the size of the image where left out.",
        examples=[100],
    )
    type: Annotated[Literal["gp3", "gp2"], Allowed("gp3 or gp2")] = Field(
        default="gp3", title="Type", description="Type of the EBS volume: gp3 or gp2.", examples=["gp3"]
    )


_ACCELERATORS: tuple[tuple[str, Callable[[InstanceFacts], int | str | None]], ...] = (
    ("GPUs", lambda facts: facts.gpus),
    ("maker of GPUs", lambda facts: facts.gpu_maker),
    ("inference accelerators", lambda facts: facts.chips),
    ("maker of inference accelerators", lambda facts: facts.chip_maker),
)


class ComputeResource(Strict, title="Compute resource"):
    """Nodes of one kind. Several instance types are alternatives: the queue's allocation strategy chooses."""

    name: Name = Field(
        title="Name", description="Part of the nodes' names; unique in its queue.", examples=["c7a-48xlarge"]
    )
    instance_types: Annotated[
        tuple[InstanceType, ...],
        Field(strict=False, json_schema_extra={"minItems": 1, "uniqueItems": True}),
        AfterValidator(some),
        Allowed("a list of EC2 instance types"),
    ] = Field(
        title="Instance types",
        description="One instance type, or several with the same number of vCPUs (of cores with smt: false), "
        "the same GPUs and other accelerators, and the same processor architecture.",
        examples=[["c7a.48xlarge"]],
    )
    max_count: Annotated[Count, Allowed("a whole number from 1 to 1000")] = Field(
        title="Most nodes", description="Most nodes at a time.", examples=[20]
    )
    min_count: Annotated[int, Field(ge=0, le=1000), Allowed("a whole number from 0 to max_count")] = Field(
        default=0,
        title="Standing nodes",
        description="Nodes that always run, and always cost.",
        examples=[0],
    )
    efa: Annotated[bool, Allowed("true or false")] = Field(
        default=False,
        title="EFA",
        description="Elastic Fabric Adapter, for MPI; every instance type must have one, and the queue must "
        "say placement_group: true or false.",
        examples=[True],
    )
    smt: Annotated[bool, Allowed("true or false")] = Field(
        default=True,
        title="Simultaneous multithreading",
        description="false turns it off, where the processor has it: one thread for each core.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_all("ComputeResource", self._refusals())
        return self

    def _refusals(self) -> Iterator[Refusal]:
        yield from repeats("instance_types", None, self.instance_types)
        if self.min_count > self.max_count:
            yield Refusal(("min_count",), f"min_count {self.min_count} is above max_count {self.max_count}")
        if self.smt:
            yield from self._unlike("vCPUs", lambda facts: facts.vcpus)
        else:
            yield from self._unlike("cores, with smt: false", lambda facts: facts.cores)
        unlike = (refusal for what, fact in _ACCELERATORS for refusal in self._unlike(what, fact))
        yield from islice(unlike, 1)
        without = [name for name in self.instance_types if facts_of(name).efa is False]
        if self.efa and without:
            yield Refusal(
                ("efa",), f"{without[0]} has no Elastic Fabric Adapter", "false, or other instance types"
            )

    def _unlike(self, what: str, fact: Callable[[InstanceFacts], int | str | None]) -> Iterator[Refusal]:
        """The first type that differs from the one before it in something that is known of both."""
        known = [(name, value) for name in self.instance_types if (value := fact(facts_of(name))) is not None]
        for (first, expected), (other, found) in pairwise(known):
            if found != expected:
                yield Refusal(
                    ("instance_types",),
                    f"{first} and {other} differ in {what}: {expected} and {found}",
                    "alternatives that are alike; a compute resource each for types that are not",
                )
                return


class Queue(Strict):
    """One Slurm partition."""

    name: Name = Field(title="Name", description="The partition's name; unique.", examples=["mpi"])
    compute_resources: Annotated[
        tuple[ComputeResource, ...],
        Field(strict=False, json_schema_extra={"minItems": 1, "maxItems": COMPUTE_RESOURCES_MAX}),
        AfterValidator(some),
        Allowed("a list of compute resources"),
    ] = Field(
        title="Compute resources",
        description="The kinds of nodes of the queue; at most 50 in a cluster.",
        examples=[[{"name": "c7a", "instance_types": ["c7a.48xlarge"], "max_count": 20}]],
    )
    placement_group: Annotated[bool | None, Allowed("true or false")] = Field(
        default=None,
        title="Placement group",
        description="true keeps the nodes close together, for MPI. Needs a word of its own with efa: true; "
        "otherwise off where left out.",
        examples=[True],
    )
    spot: Annotated[bool, Allowed("true or false")] = Field(
        default=False,
        title="Spot",
        description="Cheap instances that AWS takes back when it needs them: their jobs are queued again.",
        examples=[True],
    )
    allocation_strategy: Annotated[
        AllocationStrategy,
        Allowed(
            f"{' or '.join(ON_DEMAND_STRATEGIES)}; with spot: true {', '.join(SPOT_STRATEGIES[:-1])} or "
            f"{SPOT_STRATEGIES[-1]}"
        ),
    ] = Field(
        default="lowest-price",
        title="Allocation strategy",
        description="How EC2 chooses among several instance types: lowest-price or prioritized (in the order "
        "given); with spot: true lowest-price, capacity-optimized, price-capacity-optimized or "
        "capacity-optimized-prioritized.",
        examples=["prioritized"],
    )
    max_nodes: Annotated[Count | None, Allowed("a whole number from 1 to 1000")] = Field(
        default=None,
        title="Most nodes of a job",
        description="Most nodes of one job (Slurm MaxNodes); no limit where left out.",
        examples=[8],
    )
    max_time_min: Annotated[
        Annotated[int, Field(ge=1, le=525_600)] | None, Allowed("a whole number from 1 to 525600 (a year)")
    ] = Field(
        default=None,
        title="Maximum run time (minutes)",
        description="Longest job in minutes (Slurm MaxTime); no limit where left out.",
        examples=[720],
    )
    root_volume: Annotated[RootVolume | None, Allowed("a mapping of the fields of root_volume")] = Field(
        default=None,
        title="Root volume",
        description="The nodes' disk, where the image's own does not fit.",
        examples=[{"size_gib": 100}],
    )
    custom_ami: Annotated[Annotated[str, AfterValidator(_image)] | None, Allowed("an AMI id")] = Field(
        default=None,
        title="Image",
        description="Image of the queue's nodes, made from ParallelCluster's of that release and system; "
        "the installation's where left out.",
        examples=["ami-0123456789abcdef0"],
        json_schema_extra={"pattern": IMAGE_PATTERN},
    )

    @property
    def instance_types(self) -> Iterator[tuple[Path, str]]:
        """Every instance type of the queue, with its path from the queue on."""
        for index, resource in enumerate(self.compute_resources):
            for number, name in enumerate(resource.instance_types):
                yield ("compute_resources", index, "instance_types", number), name

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_all("Queue", self._refusals())
        return self

    def _refusals(self) -> Iterator[Refusal]:
        yield from repeats(
            "compute_resources", "name", [resource.name for resource in self.compute_resources]
        )
        yield from self._placement_refusals()
        strategies = SPOT_STRATEGIES if self.spot else ON_DEMAND_STRATEGIES
        if self.allocation_strategy not in strategies:
            market = "spot" if self.spot else "on-demand"
            yield Refusal(
                ("allocation_strategy",),
                f"{self.allocation_strategy!r} is not a strategy for {market} instances",
                ", ".join(strategies),
            )
        never_spot = self._first(lambda facts: facts.spot is False)
        if self.spot and never_spot:
            yield Refusal(("spot",), f"{never_spot} is not sold as spot instance", "false")

    def _placement_refusals(self) -> Iterator[Refusal]:
        if self.placement_group is None and any(resource.efa for resource in self.compute_resources):
            yield Refusal(
                ("placement_group",),
                "is missing: a queue with EFA must say whether it has one",
                "true (faster MPI) or false",
                "placement_group: true",
            )
        scattered = self._first(lambda facts: facts.cluster_placement is False)
        if self.placement_group and scattered:
            yield Refusal(("placement_group",), f"{scattered} can't run in a placement group", "false")

    def _first(self, applies: Callable[[InstanceFacts], bool]) -> str | None:
        return next((name for _, name in self.instance_types if applies(facts_of(name))), None)


def cluster_refusals(queues: Sequence[Queue]) -> Iterator[Refusal]:
    """The rules that the queues of one cluster break together; paths begin with `queues`."""
    yield from repeats("queues", "name", [queue.name for queue in queues])
    if len(queues) > QUEUES_MAX:
        yield Refusal(("queues",), f"{len(queues)} queues; a cluster has at most {QUEUES_MAX}")
    resources = sum(len(queue.compute_resources) for queue in queues)
    if resources > COMPUTE_RESOURCES_MAX:
        yield Refusal(
            ("queues",), f"{resources} compute resources; a cluster has at most {COMPUTE_RESOURCES_MAX}"
        )
    types = [
        (("queues", index, *path), name)
        for index, queue in enumerate(queues)
        for path, name in queue.instance_types
    ]
    _, first = types[0]
    for path, name in types:
        if is_arm(name) != is_arm(first):
            yield Refusal(
                path,
                f"{name} and {first} differ in processor architecture",
                "instance types of one architecture in all of a cluster",
            )
            return


def head_node_refusals(head_node_type: str | None, queues: Sequence[Queue]) -> Iterator[Refusal]:
    """Why a head node does not fit its compute nodes, as far as is known; None: not chosen yet.

    Source   HeadNodeMemorySizeValidator and InstanceArchitectureCompatibilityValidator
    """
    if head_node_type is None:
        return
    path: Path = ("head_node", "instance_type")
    nodes, memory = nodes_max(queues), memory_gib(head_node_type)
    needed = min(nodes / 25 + 0.6, 16)
    if memory is not None and memory < needed:
        yield Refusal(
            path,
            f"{head_node_type} has {memory:g} GiB of memory, too little to look after {nodes} nodes",
            f"at least {needed:.1f} GiB, or fewer nodes",
            "instance_type: m7i.xlarge",
        )
    for queue in queues:
        for _, name in queue.instance_types:
            if is_arm(name) != is_arm(head_node_type):
                yield Refusal(
                    path,
                    f"{head_node_type} and {name} of queue {queue.name} differ in processor architecture",
                    "an instance type with an ARM processor" if is_arm(name) else "an x86 instance type",
                    f"instance_type: {'m7g.xlarge' if is_arm(name) else 'm7i.xlarge'}",
                )
                return


def image_refusals(
    head_node_type: str | None, queues: Sequence[Queue], *, custom_ami: str | None
) -> Iterator[Refusal]:
    """Which nodes ParallelCluster's own images can't start.

    custom_ami   the installation's image of all nodes, which a queue's own goes before
    """
    if custom_ami is not None:
        return
    if head_node_type is not None and lacks_driver(head_node_type):
        yield Refusal(("head_node", "instance_type"), _without_driver(head_node_type), "another type")
    for index, queue in enumerate(queues):
        for path, name in queue.instance_types:
            if queue.custom_ami is None and lacks_driver(name):
                allowed = "another type, or a custom_ami of the queue"
                yield Refusal(("queues", index, *path), _without_driver(name), allowed)


def _without_driver(name: str) -> str:
    return f"{name} has GPUs for which ParallelCluster's own images have no driver"


def nodes_max(queues: Iterable[Queue]) -> int:
    """Most compute nodes that run at a time."""
    return sum(resource.max_count for queue in queues for resource in queue.compute_resources)


def repeats(field: str, inner: str | None, names: Sequence[str]) -> Iterator[Refusal]:
    """A refusal for each name of a list that is there already; `inner` is the field that holds the name."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            path: Path = (field, index) if inner is None else (field, index, inner)
            yield Refusal(path, f"{name!r} is there twice", "each once")
        seen.add(name)
