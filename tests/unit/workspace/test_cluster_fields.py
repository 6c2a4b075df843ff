"""The table of fields and keys: each field is changed, and what differs is what the table says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.model.cluster_fields import cluster_fields, policy_words, reached_by
from engine.model.cluster_updates import cluster_changes
from engine.model.names import names_for
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import Tier, find_tier, load_catalogue
from engine.workspace.cluster_config import References, cluster_configuration, render_cluster_config

FIELDS = {str(field): field for field in cluster_fields()}
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
SPEC: dict[str, Any] = {"vlab_id": "lab-1", "project_id": "proj-1", "tier": "debug"}
REFERENCES = References(*(f"${{{name}}}" for name in References.__dataclass_fields__))

# What a setting changes at AWS, and Terraform hands on.
THROUGH_TERRAFORM: dict[str, dict[str, str]] = {
    "setting availability_zone": {"subnet_id": "other"},
    "setting accounting_database": {"accounting_host": "other"},
    "setting public_bucket": {"public_bucket": "other"},
}
CHANGED_SPEC: dict[str, dict[str, Any]] = {
    "tier": {"tier": "prod-mpi"},
    "storage.kind": {"storage": {"kind": "efs"}},
    "compute.max_nodes": {"compute": {"max_nodes": 3}},
    "head_node.instance_type": {"head_node": {"instance_type": "m7i.large"}},
    "owner": {"owner": "ada"},
    "tags": {"tags": {"cost-center": "4711"}},
    "storage.capacity_gib": {"storage": {"kind": "lustre", "capacity_gib": 2400}},
    "storage.throughput_mbps_per_tib": {"storage": {"kind": "lustre", "throughput_mbps_per_tib": 500}},
}
CHANGED_SETTINGS: dict[str, dict[str, Any]] = {
    "setting region": {"region": "eu-central-1"},
    "setting permissions_boundary": {"permissions_boundary": "arn:aws:iam::123456789012:policy/other"},
    "setting custom_ami": {"custom_ami": "ami-0123456789abcdef0"},
    "setting os": {"os": "rhel9"},
    "setting head_node_instance_type": {"head_node_instance_type": "m7i.large"},
    "setting log_retention_days": {"log_retention_days": 30},
}
NAME_THE_PROJECT = {"vlab_id", "project_id"}
KEPT = {"setting pcluster_version"}


def configuration(
    spec: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    tier: Tier | None = None,
    **references: str | None,
) -> dict[str, Any]:
    read = ProjectSpec.model_validate({**SPEC, **(spec or {})})
    if read.storage.kind == "efs":
        references["lustre_id"] = None
    text = render_cluster_config(
        spec=read,
        names=NAMES,
        settings=Settings.model_validate(settings or {}),
        tier=tier or find_tier(load_catalogue(), read.tier),
        references=replace(REFERENCES, **references),
    )
    return cluster_configuration(text)


def places(new: dict[str, Any]) -> set[str]:
    return {change.difference.place for change in cluster_changes(configuration(), new)}


def changed(name: str) -> dict[str, Any]:
    return configuration(
        CHANGED_SPEC.get(name), CHANGED_SETTINGS.get(name), **THROUGH_TERRAFORM.get(name, {})
    )


def spec_fields(model: Any, prefix: str = "") -> Iterator[str]:
    """The names of all fields without parts of their own: storage.kind, tags."""
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


def test_every_field_of_the_spec_is_in_the_table() -> None:
    named = {field.name for field in cluster_fields() if not field.is_setting}
    assert named == set(spec_fields(ProjectSpec)), "add it to engine/model/data/cluster_fields.yaml"


def test_every_row_is_tried_here() -> None:
    tried = {*CHANGED_SPEC, *CHANGED_SETTINGS, *THROUGH_TERRAFORM}
    assert set(FIELDS) == tried | NAME_THE_PROJECT | KEPT


@pytest.mark.parametrize("name", [*CHANGED_SPEC, *CHANGED_SETTINGS, *THROUGH_TERRAFORM])
def test_a_changed_field_changes_the_keys_that_the_table_says(name: str) -> None:
    found = places(changed(name))
    assert bool(found) is bool(FIELDS[name].keys)
    assert [place for place in found if name not in reached_by(place)] == []


def test_every_key_of_the_table_is_reached() -> None:
    # GIVEN the keys that differ for each field, and for a tier whose queue itself is changed
    reached = {
        (name, place) for name in (*CHANGED_SPEC, *CHANGED_SETTINGS) for place in places(changed(name))
    }
    reached |= {(name, place) for name in THROUGH_TERRAFORM for place in places(changed(name))}
    debug = find_tier(load_catalogue(), "debug")
    queue = debug.queues[0]
    resource = queue.compute_resources[0].model_copy(update={"min_count": 1})
    edited = queue.model_copy(
        update={
            "placement_group": not queue.placement_group,
            "max_time_min": 7,
            "compute_resources": (resource,),
        }
    )
    other = debug.model_copy(update={"queues": (edited,)})
    reached |= {("tier", place) for place in places(configuration(tier=other))}
    narrowed = cluster_changes(configuration(tier=other), configuration({"compute": {"max_nodes": 1}}))
    reached |= {("compute.max_nodes", change.difference.place) for change in narrowed}
    # THEN no key stands in the table for nothing
    unreached = [
        (name, key)
        for name, field in FIELDS.items()
        for key in field.keys
        if not any(at == name and f"{place}.".startswith(f"{key}.") for at, place in reached)
    ]
    assert unreached == []


def test_a_setting_that_is_not_in_the_table_reaches_no_key() -> None:
    others: dict[str, Any] = {
        "state_bucket": "another-bucket",
        "lock_table": "other",
        "registry_table": "another",
        "address_prefix_length": 25,
        "address_ranges": ["10.44.0.0/16"],
        "pcluster_provider_stack": "other",
    }
    assert not {f"setting {name}" for name in others} & set(FIELDS)
    for name, value in others.items():
        assert places(configuration(settings={name: value})) == set(), name


def test_the_likeliest_field_comes_first() -> None:
    assert reached_by("Scheduling.SlurmQueues.ComputeResources.MaxCount") == ("compute.max_nodes", "tier")
    assert reached_by("Tags.Value") == ("owner", "tags")
    assert reached_by("HeadNode.CustomActions.OnNodeUpdated") == ()


def test_each_key_has_words() -> None:
    assert policy_words("Scheduling.SlurmQueues") == "more: live; less: fleet stopped, or TERMINATE"
    assert policy_words("HeadNode.InstanceType") == "new cluster"
    assert policy_words("Scheduling.SlurmQueues.CapacityType") == "drain"
    # AND a strategy for queues does not help outside of them
    assert policy_words("DevSettings.EfaInterfaceType") == "fleet stopped"
    with pytest.raises(KeyError):
        policy_words("HeadNode.Colour")
