"""The tier catalogue: which Slurm queues, on which instances, a spec's `tier` stands for.

The catalogue is data (data/tiers.yaml). It is checked when it is read, so that a mistake in it
shows at once and not twenty minutes into the creation of a cluster.

Source   AWS ParallelCluster 3.16.1: NameValidator, MaxCountValidator, SlurmComputeResourceSchema.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from engine.errors import FieldProblem, InvalidSettings, InvalidSpec
from engine.model.documents import Unreadable, read_document
from engine.model.fields import Strict
from engine.model.wording import nearest, path_text, shown

QUEUES_MAX = 50
COMPUTE_RESOURCES_MAX = 50
"""Of the whole cluster, and so of one queue."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=25)]
InstanceType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")]
Count = Annotated[int, Field(ge=1, le=1000)]


def _some(items: tuple[Any, ...]) -> tuple[Any, ...]:
    # A length limit of the field itself would be reported once more for each item that is wrong.
    if not items:
        raise ValueError("needs at least one")
    return items


class ComputeResource(Strict):
    """Nodes of one kind. Several instance types are alternatives: the cheapest is taken."""

    name: Name
    instance_types: Annotated[tuple[InstanceType, ...], Field(strict=False), AfterValidator(_some)]
    max_count: Count
    min_count: int = Field(default=0, ge=0)
    efa: bool = False
    smt: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        _refuse_default(self.name)
        _refuse_repeats("instance type", self.instance_types)
        if self.min_count > self.max_count:
            raise ValueError(f"min_count {self.min_count} is above max_count {self.max_count}")
        return self


class Queue(Strict):
    """One Slurm partition.

    max_nodes      most nodes of one job; None: no limit
    max_time_min   longest job, in minutes; None: no limit
    """

    name: Name
    compute_resources: Annotated[tuple[ComputeResource, ...], Field(strict=False), AfterValidator(_some)]
    placement_group: bool
    max_nodes: Count | None = None
    max_time_min: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _refuse_default(self.name)
        _refuse_repeats("compute resource", (resource.name for resource in self.compute_resources))
        return self


class Tier(Strict):
    """What a spec's `tier` stands for: the queues of its cluster."""

    name: Name
    description: str = Field(min_length=1)
    queues: Annotated[tuple[Queue, ...], Field(strict=False), AfterValidator(_some)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _refuse_repeats("queue", (queue.name for queue in self.queues))
        if len(self.queues) > QUEUES_MAX:
            raise ValueError(f"{len(self.queues)} queues; a cluster has at most {QUEUES_MAX}")
        resources = sum(len(queue.compute_resources) for queue in self.queues)
        if resources > COMPUTE_RESOURCES_MAX:
            raise ValueError(f"{resources} compute resources; a cluster has at most {COMPUTE_RESOURCES_MAX}")
        return self

    @property
    def nodes_max(self) -> int:
        """Most compute nodes that the cluster can run at a time."""
        return sum(resource.max_count for queue in self.queues for resource in queue.compute_resources)

    def resized(self, max_nodes: int | None) -> Tier:
        """The tier with `max_nodes` in place of every compute resource's max_count; None: unchanged.

        A queue's limit per job follows where it only says "the whole resource"; a stricter one
        (prod-batch) is a rule of the tier, and stays unless the queue gets smaller than that.
        """
        if max_nodes is None:
            return self
        return self.model_copy(update={"queues": tuple(_resized(queue, max_nodes) for queue in self.queues)})


class _Catalogue(Strict):
    tiers: Annotated[tuple[Tier, ...], Field(strict=False), AfterValidator(_some)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _refuse_repeats("tier", (tier.name for tier in self.tiers))
        return self


def load_catalogue() -> tuple[Tier, ...]:
    """The catalogue that comes with the engine, in the order of its file."""
    path = files("engine.model") / "data" / "tiers.yaml"
    return parse_catalogue(path.read_text("utf-8"), source="engine/model/data/tiers.yaml")


def parse_catalogue(text: str, *, source: str) -> tuple[Tier, ...]:
    """The tiers of a catalogue's YAML or JSON text.

    source   where the text comes from, for messages
    Raises   InvalidSettings with every broken rule and the path of its field
    """
    try:
        document = read_document(text)
        return _Catalogue.model_validate(document.value).tiers
    except Unreadable as error:
        problems = error.problems
    except ValidationError as error:
        problems = [
            FieldProblem(
                path_text(entry["loc"]) or "document",
                entry["msg"].removeprefix("Value error, ") + document.where(entry["loc"]),
            )
            for entry in error.errors()
        ]
    raise InvalidSettings(
        f"The tier catalogue {source} breaks a rule.",
        problems,
        hint="Correct the catalogue; its first lines say what each field means.",
    )


def find_tier(catalogue: Sequence[Tier], name: str) -> Tier:
    """The tier of that name, out of a catalogue with at least one.

    Raises   InvalidSpec listing the names there are
    """
    for tier in catalogue:
        if tier.name == name:
            return tier
    names = [tier.name for tier in catalogue]
    raise InvalidSpec(
        f"There is no tier {shown(name)}.",
        [
            FieldProblem(
                path="tier",
                problem=f"{shown(name)} is not in the catalogue",
                allowed=", ".join(names),
                example=f"tier: {nearest(name, names) or names[0]}",
            )
        ],
    )


def _resized(queue: Queue, max_nodes: int) -> Queue:
    whole_resource = max(resource.max_count for resource in queue.compute_resources)
    per_job = queue.max_nodes
    if per_job is not None:
        per_job = max_nodes if per_job >= whole_resource else min(per_job, max_nodes)
    resources = tuple(
        resource.model_copy(update={"max_count": max_nodes, "min_count": min(resource.min_count, max_nodes)})
        for resource in queue.compute_resources
    )
    return queue.model_copy(update={"compute_resources": resources, "max_nodes": per_job})


def _refuse_default(name: str) -> None:
    if name == "default":
        raise ValueError("the name 'default' is reserved by ParallelCluster")


def _refuse_repeats(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind} {name!r} is there twice")
        seen.add(name)
