"""The table of fields and keys: each field is changed, and what differs is what the table says."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.cluster_fields import cluster_fields, fixed_on_nodes, policy_words, reached_by
from engine.model.cluster_updates import cluster_changes, is_seeming
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.workspace.node_config import node_config
from tests.changed_fields import (
    CHANGED_REFERENCES,
    CHANGED_SETTINGS,
    CHANGED_SPEC,
    NAMES,
    OF_A_TIER,
    REFERENCES,
    Changed,
    configuration,
    every_change,
    spec_fields,
)

FIELDS = {str(field): field for field in cluster_fields()}
CHANGES = every_change()

NAME_THE_PROJECT = {"vlab_id", "project_id", "setting account_id"}
BESIDE_THE_CONFIGURATION = {
    "setting pcluster_version",
    "setting pcluster_provider_stack",
    "setting custom_amis",
    "setting jwks_url",
    # Of the project's database, beside the cluster.
    "setting accounting_function",
    # What nodes are made with.
    "setting user_name",
    "setting user_uid",
    "setting user_group",
    "setting user_gid",
}
REACH_NO_CLUSTER: dict[str, Any] = {
    "cloud": "aws",
    "endpoint_url": "http://127.0.0.1:5000",
    "state_bucket": "another-bucket",
    "lock_table": "other",
    "lock_wait_s": 5,
    "aws_attempts": 5,
    "purge_grace_days": 3,
    "registry_table": "another",
    "operations_queue": "another.fifo",
    "event_bus": "default",
    "tracing": True,
    "address_prefix_length": 25,
    "address_ranges": ["10.44.0.0/16"],
    "terraform": "/usr/bin/tofu",
    "provider_reuse": "off",
    "parallel_projects": "4",
    "workspaces_dir": "elsewhere",
    "home": "elsewhere",
    "s3_use_path_style": False,
    "job_record_retention_days": 30,
    "prices": "prices.yaml",
    "lab_max_clusters": 4,
    "lab_max_vcpus": 100,
    "lab_max_usd_per_hour": 50,
    "required_tags": ["cost-center"],
    "allowed_instance_types": ["t3.*"],
    "policies": "policies",
    "plan_approval": "required",
    "plan_days": 7,
}


def places(change: Changed) -> set[str]:
    before, after = change.before, change.after
    changes = cluster_changes(before, after)
    return {one.difference.place for one in changes if not is_seeming(one, before, after)}


def own_queues(change: Changed) -> bool:
    return change.field.startswith("queues.")


def test_every_field_of_the_spec_is_in_the_table() -> None:
    named = {field.name for field in cluster_fields() if not field.is_setting}
    assert named == set(spec_fields(ProjectSpec)), "add it to engine/model/data/cluster_fields.yaml"


def test_every_setting_is_in_the_table_or_reaches_no_cluster() -> None:
    named = {field.name for field in cluster_fields() if field.is_setting}
    settings = {field.alias or name for name, field in Settings.model_fields.items()}
    assert not named & set(REACH_NO_CLUSTER)
    assert named | set(REACH_NO_CLUSTER) == settings, "add it to engine/model/data/cluster_fields.yaml"


def test_every_row_is_tried_here() -> None:
    by_setting = {f"setting {name}" for name in (*CHANGED_SETTINGS, *CHANGED_REFERENCES, "tiers")}
    assert set(FIELDS) == {*CHANGED_SPEC, *by_setting, *NAME_THE_PROJECT, *BESIDE_THE_CONFIGURATION}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.field)
def test_a_changed_field_changes_the_keys_that_the_table_says(change: Changed) -> None:
    found = places(change)
    assert bool(found) is bool(FIELDS[change.field].keys)
    fields = {place: reached_by(place, own_queues=own_queues(change)) for place in found}
    assert [place for place, named in fields.items() if change.field not in named] == []


def test_every_key_of_the_table_is_reached() -> None:
    reached = {(change.field, place) for change in CHANGES for place in places(change)}
    unreached = [
        (name, key)
        for name, field in FIELDS.items()
        for key in field.keys
        if not any(at == name and f"{place}.".startswith(f"{key}.") for at, place in reached)
    ]
    assert unreached == []


@pytest.mark.parametrize("name", REACH_NO_CLUSTER)
def test_a_setting_that_is_not_in_the_table_reaches_no_key(name: str) -> None:
    other = configuration(settings={name: REACH_NO_CLUSTER[name]})
    assert places(Changed(f"setting {name}", configuration(), other)) == set()


def test_the_table_says_what_nodes_go_by_only_when_they_are_made() -> None:
    assert fixed_on_nodes() == {
        "storage.kind": "storage.kind",
        "user.name": "setting user_name",
        "user.uid": "setting user_uid",
        "user.group": "setting user_group",
        "user.gid": "setting user_gid",
    }
    # AND each place is one of the node configuration
    spec = ProjectSpec.model_validate(OF_A_TIER)
    document = node_config(spec=spec, names=NAMES, settings=Settings(), references=REFERENCES)
    for place in fixed_on_nodes():
        section, key = place.split(".")
        assert key in document[section]


def test_the_likeliest_field_comes_first() -> None:
    most = "Scheduling.SlurmQueues.ComputeResources.MaxCount"
    assert reached_by(most, own_queues=False) == ("compute.max_nodes", "tier", "setting tiers")
    # AND a spec with queues of its own hears of no tier
    assert reached_by(most, own_queues=True)[0] == "queues.compute_resources.max_count"
    assert not {"compute.max_nodes", "tier", "setting tiers"} & set(reached_by(most, own_queues=True))
    assert reached_by("Tags.Value", own_queues=False) == ("owner", "tags", "setting project_tags")
    assert "setting jwt_audience" in reached_by("HeadNode.CustomActions.OnNodeUpdated", own_queues=False)
    assert reached_by("HeadNode.CustomActions.OnNodeStart", own_queues=False) == ()


def test_each_key_has_words() -> None:
    assert policy_words("Scheduling.SlurmQueues") == "more: live; less: fleet stopped, or TERMINATE"
    assert policy_words("HeadNode.InstanceType") == "new cluster"
    assert policy_words("Scheduling.SlurmQueues.CapacityType") == "drain"
    # AND a strategy for queues does not help outside of them
    assert policy_words("DevSettings.EfaInterfaceType") == "fleet stopped"
    # AND what runs on the nodes: told once at the head node, told again when a cluster changes
    assert policy_words("HeadNode.CustomActions.OnNodeStart") == "new cluster"
    assert policy_words("HeadNode.CustomActions.OnNodeConfigured") == "new cluster"
    assert policy_words("HeadNode.CustomActions.OnNodeUpdated") == "live"
    assert policy_words("Scheduling.SlurmQueues.CustomActions.OnNodeConfigured") == "drain"
    assert policy_words("Scheduling.SlurmSettings.CustomSlurmSettings") == "live"
    with pytest.raises(KeyError):
        policy_words("HeadNode.Colour")
