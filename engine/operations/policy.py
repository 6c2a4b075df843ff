"""What a review is told beside the plan: day, prices, the installation's rules, and the virtual lab's use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from engine.aws.registry import Phase, ProjectRecord
from engine.errors import InvalidSpec, ItemUnreadable
from engine.model.names import Names
from engine.model.prices import PriceTable
from engine.model.rules import Policy
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import chosen_tier, last_tier
from engine.operations.engine import Engine
from engine.operations.records import SpecUnreadable, spec_of
from engine.review.context import Context, LabUse
from engine.review.cost import cost_of_shape
from engine.review.shape import shape_of
from engine.workspace.cluster_config import cluster_configuration, render_cluster_config
from engine.workspace.imports import named_imports
from engine.workspace.stack import references

# A project that was only planned, or has been parked, has no cluster; one that failed may have.
_WITHOUT_CLUSTER = (Phase.PLANNED, Phase.PARKED)
# A cluster of which nothing is known.
_UNKNOWN = LabUse(1, vcpus_known=False, cost_known=False)


def review_context(engine: Engine, spec: ProjectSpec, names: Names) -> Context:
    """The context of a review of this project's plan.

    The registry is asked for the virtual lab's other projects only where a limit wants to know.
    """
    settings = engine.settings
    policy = policy_of(settings)
    limited = policy.max_clusters or policy.max_vcpus or policy.max_usd_per_hour
    return Context(
        today=engine.now().date(),
        region=settings.region,
        prices=engine.prices,
        configuration=_configuration(engine, spec, names),
        own_name=names.cluster.rsplit("-", 1)[-1],
        policy=policy,
        waivers=spec.waivers or (),
        taken_over=tuple(named_imports(spec).values()),
        others=_others_of_lab(engine, spec) if limited else LabUse(),
    )


def policy_of(settings: Settings) -> Policy:
    """What these settings demand of every project."""
    return Policy(
        max_clusters=settings.lab_max_clusters,
        max_vcpus=settings.lab_max_vcpus,
        max_usd_per_hour=settings.lab_max_usd_per_hour,
        required_tags=settings.required_tags,
        allowed_instance_types=settings.allowed_instance_types,
    )


def _others_of_lab(engine: Engine, spec: ProjectSpec) -> LabUse:
    unreadable: list[ItemUnreadable] = []
    records = engine.registry.list(vlab_id=spec.vlab_id, passed_over=unreadable.append)
    total = lab_use(engine, records, besides=spec)
    for error in unreadable:
        if error.project != spec.project:
            total = _added(total, _UNKNOWN)
    return total


def lab_use(engine: Engine, records: Iterable[ProjectRecord], *, besides: ProjectSpec) -> LabUse:
    """What the clusters of the virtual lab's other projects may use, by the specs they were applied with.

    A spec that this engine can't read any more, or whose tier the catalogue has no more, counts as a cluster
    of which nothing is known.
    """
    total = LabUse()
    for record in records:
        same_lab = record.vlab_id == besides.vlab_id and record.project_id != besides.project_id
        if same_lab and record.phase not in _WITHOUT_CLUSTER:
            total = _added(total, _use_of(engine, record, engine.prices))
    return total


def _use_of(engine: Engine, record: ProjectRecord, prices: PriceTable) -> LabUse:
    try:
        spec = spec_of(record)
        chosen_tier(engine.catalogue, spec)
    except (SpecUnreadable, InvalidSpec):
        return _UNKNOWN
    names = engine.names(spec.vlab_id, spec.project_id)
    shape = shape_of(_configuration(engine, spec, names))
    if shape is None:
        return _UNKNOWN
    cost = cost_of_shape(shape, region=engine.settings.region, table=prices)
    vcpus = shape.vcpus_most
    return LabUse(1, vcpus or 0, vcpus is not None, cost.full, cost.complete)


def _added(one: LabUse, other: LabUse) -> LabUse:
    return LabUse(
        clusters=one.clusters + other.clusters,
        vcpus=one.vcpus + other.vcpus,
        vcpus_known=one.vcpus_known and other.vcpus_known,
        usd_per_hour=Decimal(one.usd_per_hour + other.usd_per_hour),
        cost_known=one.cost_known and other.cost_known,
    )


def _configuration(engine: Engine, spec: ProjectSpec, names: Names) -> Mapping[str, Any]:
    tier = last_tier(engine.catalogue, spec)
    text = render_cluster_config(
        spec=spec, names=names, settings=engine.settings, tier=tier, references=references(spec)
    )
    return cluster_configuration(text)
