"""Cluster configurations before and after a change of each field of the spec, and of each setting."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.model.names import names_for
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import Tier, chosen_tier, load_catalogue
from engine.workspace.cluster_config import References, cluster_configuration, render_cluster_config

Document = dict[str, Any]

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
REFERENCES = References(*(f"${{{name}}}" for name in References.__dataclass_fields__))
CATALOGUE = load_catalogue()

OF_A_TIER: Document = {
    "vlab_id": "lab-1",
    "project_id": "proj-1",
    "tier": "debug",
    "storage": {"kind": "lustre"},
    "head_node": {"root_volume": {"size_gib": 100, "type": "gp3"}},
    "waivers": [{"rule": "data-loss", "reason": "a test", "until": "2026-12-31"}],
    "existing": {"bucket": "old-data", "home": "fs-0123456789abcdef0"},
}
WITH_QUEUES: Document = {
    "vlab_id": "lab-1",
    "project_id": "proj-1",
    "queues": [
        {
            "name": "mpi",
            "placement_group": False,
            "max_nodes": 4,
            "max_time_min": 60,
            "root_volume": {"size_gib": 100, "type": "gp3"},
            "compute_resources": [
                {"name": "intel", "instance_types": ["c7i.48xlarge"], "min_count": 1, "max_count": 4}
            ],
        }
    ],
}

CHANGED_SPEC: dict[str, tuple[Any, ...]] = {
    "tier": ("prod-mpi",),
    "queues.name": ("other",),
    "queues.placement_group": (True,),
    "queues.spot": (True,),
    "queues.allocation_strategy": ("prioritized",),
    "queues.max_nodes": (8, None),
    "queues.max_time_min": (120,),
    "queues.root_volume.size_gib": (200,),
    "queues.root_volume.type": ("gp2",),
    "queues.custom_ami": ("ami-0123456789abcdef0",),
    "queues.compute_resources.name": ("other",),
    "queues.compute_resources.instance_types": (["c7i.48xlarge", "c7a.48xlarge"], ["c7a.48xlarge"]),
    "queues.compute_resources.max_count": (8, 2),
    "queues.compute_resources.min_count": (2, 0),
    "queues.compute_resources.efa": (True,),
    "queues.compute_resources.smt": (False,),
    "storage.kind": ("efs",),
    "storage.capacity_gib": (2400,),
    "storage.throughput_mbps_per_tib": (500,),
    "compute.max_nodes": (3, 12),
    "compute.scaledown_idle_min": (20,),
    "head_node.instance_type": ("m7i.large",),
    "head_node.root_volume.size_gib": (200,),
    "head_node.root_volume.type": ("gp2",),
    "owner": ("ada",),
    "tags": ({"cost-center": "4711"},),
    "existing.bucket": ("other-data",),
    "existing.home": ("fs-01234567",),
    "waivers.rule": ("public-access",),
    "waivers.reason": ("another",),
    "waivers.until": ("2027-12-31",),
    "waivers.resource": ("module.bucket.aws_s3_bucket.this",),
}
"""Field -> what it becomes; in lists, of the first member."""

CHANGED_SETTINGS: dict[str, tuple[Any, ...]] = {
    "region": ("eu-central-1",),
    "permissions_boundary": ("arn:aws:iam::123456789012:policy/other",),
    "custom_ami": ("ami-0123456789abcdef0",),
    "os": ("rhel9",),
    "head_node_instance_type": ("m7i.large",),
    "log_retention_days": (30,),
    "project_tags": ({"cost-center": "4711"},),
}
# What a setting changes at AWS, or in the node configuration, and Terraform hands on.
CHANGED_REFERENCES: dict[str, dict[str, str]] = {
    "availability_zone": {"subnet_id": "other"},
    "accounting_database": {"accounting_host": "other"},
    "public_bucket": {"public_bucket": "other"},
    "nodes_bucket": {"nodes_bucket": "other"},
    **{
        name: {"node_update_url": "other"}
        for name in ("jwt_issuer", "jwt_audience", "slurm_rest_port", "job_record_tail_bytes")
    },
}


@dataclass(frozen=True)
class Changed:
    """One change of one field; `field` as in the table of fields: "queues.spot", "setting os"."""

    field: str
    before: Document
    after: Document


def configuration(
    document: Document | None = None,
    settings: Document | None = None,
    tier: Tier | None = None,
    **references: str | None,
) -> Document:
    spec = ProjectSpec.model_validate(document or OF_A_TIER)
    if spec.storage.kind == "efs":
        references["lustre_id"] = None
    text = render_cluster_config(
        spec=spec,
        names=NAMES,
        settings=Settings.model_validate(settings or {}),
        tier=tier or chosen_tier(CATALOGUE, spec),
        references=replace(REFERENCES, **references),
    )
    return cluster_configuration(text)


def every_change() -> list[Changed]:
    """Each field and setting, changed in every way that reaches another key."""
    of_spec = [
        Changed(field, configuration(base), configuration(edited(base, field, value)))
        for field, values in CHANGED_SPEC.items()
        for value in values
        for base in [WITH_QUEUES if field.startswith("queues.") else OF_A_TIER]
    ]
    plain = configuration()
    of_settings = [
        Changed(f"setting {name}", plain, configuration(settings={name: value}))
        for name, values in CHANGED_SETTINGS.items()
        for value in values
    ]
    of_references = [
        Changed(f"setting {name}", plain, configuration(**given))
        for name, given in CHANGED_REFERENCES.items()
    ]
    return [*of_spec, *of_settings, *of_references, *_of_tiers()]


def edited(document: Document, field: str, value: Any) -> Document:
    """The document with another value of the field."""
    changed = copy.deepcopy(document)
    *around, last = field.split(".")
    at: Any = changed
    for name in around:
        at = at.setdefault(name, {})
        at = at[0] if isinstance(at, list) else at
    if last == "kind":
        at.clear()  # the fields beside it are of that kind
    at[last] = value
    return changed


def _of_tiers() -> list[Changed]:
    """A tier whose queue is another one, as an installation's catalogue or another tier may have it."""
    debug = next(tier for tier in CATALOGUE if tier.name == "debug")
    queue = debug.queues[0]
    standing = queue.compute_resources[0].model_copy(update={"min_count": 2})
    other = queue.model_copy(
        update={
            "placement_group": not queue.placement_group,
            "max_time_min": 7,
            "compute_resources": (standing,),
        }
    )
    tier = debug.model_copy(update={"queues": (other,), "scaledown_idle_min": 30})
    plain, changed = configuration(), configuration(tier=tier)
    narrowed = configuration(edited(OF_A_TIER, "compute.max_nodes", 1), tier=tier)
    return [
        Changed("tier", plain, changed),
        Changed("setting tiers", plain, changed),
        Changed("compute.max_nodes", changed, narrowed),
    ]


def spec_fields(model: Any, prefix: str = "") -> Iterator[str]:
    """The names of all fields without parts of their own: storage.kind, queues.name, tags."""
    for name, field in model.model_fields.items():
        parts = [part for part in _models(field.annotation) if hasattr(part, "model_fields")]
        if not parts:
            yield prefix + name
        for part in parts:
            yield from spec_fields(part, f"{prefix}{name}.")


def _models(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)
