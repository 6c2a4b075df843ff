"""The tier catalogue: which Slurm queues, on which instances, a spec's `tier` stands for.

The catalogue is data: data/tiers.yaml comes with the engine, and an installation may add tiers of its
own or put others in the place of these (the setting `tiers`). It is checked when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from engine.errors import FieldProblem, InvalidSettings, InvalidSpec
from engine.model.data_files import read_data
from engine.model.documents import Unreadable, read_document
from engine.model.fields import Allowed, Strict, document_problems, refuse_all, refused
from engine.model.queues import Queue, cluster_refusals, nodes_max, repeats, some
from engine.model.spec import TAILOR_MADE, TIER_PATTERN, ProjectSpec, ScaledownIdle
from engine.model.wording import counted, nearest, shown

BUILT_IN = "engine/model/data/tiers.yaml"


def _tier_name(name: str) -> str:
    if name == TAILOR_MADE:
        raise refused(f"the name {name!r} is that of specs with queues of their own")
    if not re.fullmatch(TIER_PATTERN, name):
        raise refused(f"{shown(name)} is not a name")
    return name


def _description(text: str) -> str:
    if not text.strip():
        raise refused("is empty")
    return text


class Tier(Strict):
    """What a spec's `tier` stands for: the queues of its cluster.

    scaledown_idle_min   minutes after which an idle node goes; None: the engine's own default
    """

    name: Annotated[
        str, AfterValidator(_tier_name), Allowed("1 to 25 lower-case letters, digits and '-', a letter first")
    ]
    description: Annotated[str, AfterValidator(_description), Allowed("a sentence")]
    queues: Annotated[
        tuple[Queue, ...], Field(strict=False), AfterValidator(some), Allowed("a list of queues")
    ]
    scaledown_idle_min: ScaledownIdle | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_all("Tier", cluster_refusals(self.queues))
        return self

    @property
    def nodes_max(self) -> int:
        """Most compute nodes that the cluster can run at a time."""
        return nodes_max(self.queues)

    def resized(self, max_nodes: int | None) -> Tier:
        """The tier with `max_nodes` in place of every compute resource's max_count; None: unchanged.

        A queue's limit per job follows where it only says "the whole resource"; a stricter one
        (prod-batch) is a rule of the tier, and stays unless the queue gets smaller than that.
        """
        if max_nodes is None:
            return self
        return self.model_copy(update={"queues": tuple(_resized(queue, max_nodes) for queue in self.queues)})


class _Catalogue(Strict):
    tiers: Annotated[tuple[Tier, ...], Field(strict=False), AfterValidator(some), Allowed("a list of tiers")]

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_all("Catalogue", repeats("tiers", "name", [tier.name for tier in self.tiers]))
        return self


def load_catalogue() -> tuple[Tier, ...]:
    """The catalogue that comes with the engine, in the order of its file."""
    return _Catalogue.model_validate(read_data("tiers.yaml")).tiers


def merge_catalogues(ours: Sequence[Tier], theirs: Sequence[Tier]) -> tuple[Tier, ...]:
    """The first with the second's tiers in the place of those of the same name, its others behind them."""
    replacing = {tier.name: tier for tier in theirs}
    merged = [replacing.pop(tier.name, tier) for tier in ours]
    return (*merged, *replacing.values())


def parse_catalogue(text: str, *, source: str) -> tuple[Tier, ...]:
    """The tiers of a catalogue's YAML or JSON text.

    source   where the text comes from, for messages
    Raises   InvalidSettings with every broken rule, the path of its field and its line
    """
    try:
        document = read_document(text)
        return _Catalogue.model_validate(document.value).tiers
    except Unreadable as error:
        problems = error.problems
    except ValidationError as error:
        problems = document_problems(_Catalogue, document, error)
    count, problems = counted(problems)
    raise InvalidSettings(
        f"The tier catalogue {source} has {count}.",
        problems,
        hint=f"Correct the catalogue; the first lines of {BUILT_IN} say what each field means.",
    )


def chosen_tier(catalogue: Sequence[Tier], spec: ProjectSpec) -> Tier:
    """What the spec asks for: a tier of the catalogue, or its own queues under the name `tailor-made`.

    Raises   InvalidSpec listing the names there are
    """
    if spec.queues is None:
        return find_tier(catalogue, spec.tier)
    # Checked when the spec was built, under the same rules; the name is one that no catalogue may have.
    return Tier.model_construct(
        name=TAILOR_MADE, description="Queues of the spec's own.", queues=spec.queues, scaledown_idle_min=None
    )


def last_tier(catalogue: Sequence[Tier], spec: ProjectSpec) -> Tier:
    """What `chosen_tier` gives, or a tier without queues where the catalogue has it no more: for a cluster
    that goes, of which nothing is rendered but comments.
    """
    if spec.queues is None and spec.tier not in [tier.name for tier in catalogue]:
        return Tier.model_construct(
            name=spec.tier, description="No longer in the catalogue.", queues=(), scaledown_idle_min=None
        )
    return chosen_tier(catalogue, spec)


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
