"""Queues of a spec's own: what they say, what is refused at which field, and what is not known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import FieldProblem, InvalidSpec
from engine.model.spec import ProjectSpec, dump_spec, load_spec, spec_digest
from engine.model.tiers import chosen_tier, load_catalogue


def resource(*types: str, **fields: Any) -> dict[str, Any]:
    return {"name": "nodes", "instance_types": list(types or ("c7i.48xlarge",)), "max_count": 4, **fields}


def queue(*resources: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "main", "compute_resources": list(resources or (resource(),)), **fields}


def load(*queues: dict[str, Any], **fields: Any) -> ProjectSpec:
    document = {"vlab_id": "a", "project_id": "b", "queues": list(queues), **fields}
    return load_spec(json.dumps(document), source="test", known_tiers=["debug"])


def problems(*queues: dict[str, Any], **fields: Any) -> list[FieldProblem]:
    with pytest.raises(InvalidSpec) as caught:
        load(*queues, **fields)
    return caught.value.problems


def test_a_queue_says_little_at_its_smallest() -> None:
    spec = load(queue())
    assert spec.tier == "tailor-made"
    assert spec.queues is not None
    (only,) = spec.queues
    assert (only.spot, only.allocation_strategy, only.placement_group) == (False, "lowest-price", None)
    assert (only.root_volume, only.custom_ami, only.max_nodes, only.max_time_min) == (None,) * 4
    (nodes,) = only.compute_resources
    assert (nodes.min_count, nodes.efa, nodes.smt) == (0, False, True)


def test_a_spec_with_queues_comes_back_as_it_was() -> None:
    spec = load(queue(root_volume={"size_gib": 100}), compute={"scaledown_idle_min": 5})
    assert load_spec(dump_spec(spec), source="stored", known_tiers=["debug"]) == spec
    assert spec_digest(spec) != spec_digest(load(queue(), compute={"scaledown_idle_min": 5}))


def test_the_chosen_tier_is_the_specs_own() -> None:
    spec = load(queue())
    tier = chosen_tier(load_catalogue(), spec)
    assert (tier.name, tier.queues) == ("tailor-made", spec.queues)
    named = load_spec("{vlab_id: a, project_id: b, tier: debug}", source="test")
    assert chosen_tier(load_catalogue(), named).name == "debug"


@pytest.mark.parametrize(
    ("fields", "path", "said"),
    [
        ({"tier": "debug"}, "queues", "stands beside tier debug"),
        ({"compute": {"max_nodes": 3}}, "compute.max_nodes", "max_count"),
        ({"head_node": {"instance_type": "m7g.large"}}, "head_node.instance_type", "architecture"),
        ({"head_node": {"root_volume": {"size_gib": 8}}}, "head_node.root_volume.size_gib", "too small"),
    ],
)
def test_what_does_not_go_with_queues_is_refused(fields: dict[str, Any], path: str, said: str) -> None:
    (problem,) = problems(queue(), **fields)
    assert problem.path == path
    assert said in problem.problem


def test_the_name_for_specs_with_queues_needs_queues() -> None:
    with pytest.raises(InvalidSpec) as caught:
        load_spec("{vlab_id: a, project_id: b, tier: tailor-made}", source="test", known_tiers=["debug"])
    (problem,) = caught.value.problems
    assert (problem.path, "is missing" in problem.problem) == ("queues", True)


@pytest.mark.parametrize(
    ("resources", "fields", "path", "said"),
    [
        ([resource("c7i.48xlarge", "c7i.24xlarge")], {}, "R[0].instance_types", "vCPUs: 192 and 96"),
        ([resource("c7i.48xlarge", "c7a.48xlarge", smt=False)], {}, "R[0].instance_types", "cores"),
        ([resource("g5.xlarge", "m7i.xlarge")], {}, "R[0].instance_types", "GPUs: 1 and 0"),
        ([resource("m5.8xlarge", efa=True)], {"placement_group": False}, "R[0].efa", "m5.8xlarge"),
        ([resource(efa=True)], {}, "placement_group", "must say"),
        ([resource("t3.micro")], {"placement_group": True}, "placement_group", "t3.micro"),
        ([resource("hpc7a.96xlarge")], {"spot": True}, "spot", "hpc7a.96xlarge"),
        (
            [resource()],
            {"allocation_strategy": "capacity-optimized"},
            "allocation_strategy",
            "on-demand",
        ),
        ([resource()], {"spot": True, "allocation_strategy": "prioritized"}, "allocation_strategy", "spot"),
        ([resource(), resource()], {}, "R[1].name", "'nodes' is there twice"),
        ([resource(), resource("c7g.large", name="arm")], {}, "R[1].instance_types[0]", "architecture"),
    ],
)
def test_a_rule_that_spans_fields_is_told_at_one_of_them(
    resources: list[dict[str, Any]], fields: dict[str, Any], path: str, said: str
) -> None:
    (problem,) = problems(queue(*resources, **fields))
    assert problem.path == "queues[0]." + path.replace("R", "compute_resources")
    assert said in problem.problem


def test_everything_is_said_at_once_with_its_line() -> None:
    text = """\
vlab_id: a
project_id: b
queues:
  - name: Main
    spot: "yes"
    compute_resources:
      - name: nodes
        instance_types: [t3.micro]
        max_count: 2
        min_count: 3
  - name: other
    compute_resources:
      - {name: nodes, instance_types: [m5.8xlarge], max_count: 1, efa: true}
"""
    with pytest.raises(InvalidSpec) as caught:
        load_spec(text, source="test")
    assert [(problem.path, problem.problem.rpartition(" (")[2]) for problem in caught.value.problems] == [
        ("queues[0].name", "line 4)"),
        ("queues[0].compute_resources[0].min_count", "line 10)"),
        ("queues[0].spot", "line 5)"),
        ("queues[1].compute_resources[0].efa", "line 13)"),
    ]


def test_nothing_is_refused_for_what_is_not_known() -> None:
    # GIVEN types that are in no list of ours, and one listed type without a known number of cores
    unknown = resource("x99i.96xlarge", "y99i.48xlarge", efa=True)
    partly = resource("p3.2xlarge", name="gpu", smt=False)
    # THEN they are taken as they are
    assert load(queue(unknown, placement_group=True, spot=True), queue(partly, name="gpu"))


def test_spot_and_on_demand_have_strategies_of_their_own() -> None:
    for strategy in ("lowest-price", "prioritized"):
        assert load(queue(allocation_strategy=strategy))
    for strategy in ("lowest-price", "capacity-optimized", "price-capacity-optimized"):
        assert load(queue(spot=True, allocation_strategy=strategy))
