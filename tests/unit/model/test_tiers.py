"""The tier catalogue: what comes with the engine, and what a catalogue may not say."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from engine.errors import InvalidSettings, InvalidSpec
from engine.model.tiers import Tier, find_tier, load_catalogue, parse_catalogue

CATALOGUE = {tier.name: tier for tier in load_catalogue()}

# queue limits (nodes, minutes), placement group, then (instance type, count, EFA, SMT) of each resource
EXPECTED: dict[str, tuple[int, int, bool, list[tuple[str, int, bool, bool]]]] = {
    "debug": (8, 1440, False, [("t3.micro", 8, False, True)]),
    "prod-mpi": (20, 720, True, [("c7a.48xlarge", 20, True, True)]),
    "mixed-prod-mpi": (
        20,
        720,
        True,
        [("c7a.48xlarge", 20, True, True), ("c6a.48xlarge", 20, True, False)],
    ),
    "prod-mpi-intel": (20, 720, True, [("c7i.48xlarge", 20, True, False)]),
    "prod-mpi-mem": (20, 720, True, [("m7a.48xlarge", 20, True, True), ("m7i.48xlarge", 20, True, False)]),
    "prod-mpi-hpc": (20, 720, True, [("hpc7a.96xlarge", 20, True, True)]),
    "prod-batch": (4, 120, False, [("m5.8xlarge", 16, False, True), ("c7a.48xlarge", 10, False, True)]),
}


def resource(**changes: Any) -> dict[str, Any]:
    return {"name": "small", "instance_types": ["t3.micro"], "max_count": 4, **changes}


def queue(**changes: Any) -> dict[str, Any]:
    return {"name": "main", "placement_group": False, "compute_resources": [resource()], **changes}


def tier(**changes: Any) -> dict[str, Any]:
    return {"name": "tiny", "description": "Tiny.", "queues": [queue()], **changes}


def parse(*tiers: dict[str, Any]) -> tuple[Tier, ...]:
    return parse_catalogue(json.dumps({"tiers": tiers}), source="test.yaml")


def test_the_catalogue_holds_the_known_tiers_in_order() -> None:
    assert list(CATALOGUE) == list(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_tier_of_the_catalogue_has_its_figures(name: str) -> None:
    max_nodes, minutes, placement_group, resources = EXPECTED[name]
    (only_queue,) = CATALOGUE[name].queues
    assert only_queue.name == name
    assert (only_queue.max_nodes, only_queue.max_time_min) == (max_nodes, minutes)
    assert only_queue.placement_group is placement_group
    assert [
        (item.instance_types, item.max_count, item.efa, item.smt) for item in only_queue.compute_resources
    ] == [((kind,), count, efa, smt) for kind, count, efa, smt in resources]
    assert {item.min_count for item in only_queue.compute_resources} == {0}


def test_a_minimal_tier_gets_the_defaults() -> None:
    # GIVEN a catalogue that says only what it must
    (parsed,) = parse(tier())
    # THEN nothing runs at rest, jobs have no limit, EFA is off and SMT is left as it is
    (only_queue,) = parsed.queues
    (only_resource,) = only_queue.compute_resources
    assert (only_queue.max_nodes, only_queue.max_time_min) == (None, None)
    assert (only_resource.min_count, only_resource.efa, only_resource.smt) == (0, False, True)


@pytest.mark.parametrize(
    ("broken", "path", "said"),
    [
        (tier(name="Tiny"), "tiers[0].name", "not a name"),
        (tier(name="tailor-made"), "tiers[0].name", "queues of their own"),
        (tier(scaledown_idle_min=-2), "tiers[0].scaledown_idle_min", "too small"),
        (tier(description=""), "tiers[0].description", "is empty"),
        (tier(queues=[]), "tiers[0].queues", "at least one"),
        (tier(queues=[queue(), queue()]), "tiers[0].queues[1].name", "'main' is there twice"),
        (tier(colour="red"), "tiers[0].colour", "not a known field"),
        (tier(queues=[queue(name="default")]), "tiers[0].queues[0].name", "reserved"),
        (tier(queues=[queue(name="a" * 26)]), "tiers[0].queues[0].name", "has 26 characters"),
        (tier(queues=[queue(name="a_b")]), "tiers[0].queues[0].name", "not a name"),
        (tier(queues=[queue(max_nodes=0)]), "tiers[0].queues[0].max_nodes", "too small"),
        (tier(queues=[queue(max_time_min=0)]), "tiers[0].queues[0].max_time_min", "too small"),
        (tier(queues=[queue(placement_group="yes")]), "tiers[0].queues[0].placement_group", "true or false"),
        (
            tier(queues=[queue(compute_resources=[resource(), resource()])]),
            "tiers[0].queues[0].compute_resources[1].name",
            "'small' is there twice",
        ),
    ],
)
def test_a_broken_tier_is_refused_with_its_path(broken: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse(broken)
    assert [problem.path for problem in caught.value.problems] == [path]
    assert said in caught.value.problems[0].problem


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "default"}, "reserved"),
        ({"name": "t3.micro"}, "not a name"),
        ({"instance_types": []}, "at least one"),
        ({"instance_types": ["t3 micro"]}, "not an instance type"),
        ({"instance_types": ["t3.micro", "t3.micro"]}, "'t3.micro' is there twice"),
        ({"max_count": 0}, "too small"),
        ({"max_count": "4"}, "leave out the quotes"),
        ({"max_count": True}, "whole number"),
        ({"min_count": 5}, "min_count 5 is above max_count 4"),
    ],
)
def test_a_broken_compute_resource_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse(tier(queues=[queue(compute_resources=[resource(**changes)])]))
    assert caught.value.problems[0].path.startswith("tiers[0].queues[0].compute_resources[0]")
    assert said in caught.value.problems[0].problem


def test_a_cluster_has_at_most_fifty_compute_resources() -> None:
    # GIVEN two queues of 25 each, which fit, and two of 26, which fit each queue but not the cluster
    def queues(count: int) -> list[dict[str, Any]]:
        resources = [resource(name=f"r{number}") for number in range(count)]
        return [queue(name=name, compute_resources=resources) for name in ("first", "second")]

    assert parse(tier(queues=queues(25)))
    with pytest.raises(InvalidSettings, match="52 compute resources"):
        parse(tier(queues=queues(26)))


def test_a_cluster_has_at_most_fifty_queues() -> None:
    with pytest.raises(InvalidSettings, match="51 queues"):
        parse(tier(queues=[queue(name=f"q{number}") for number in range(51)]))


def test_a_message_names_the_line() -> None:
    with pytest.raises(InvalidSettings, match=r"tiers\[0\]\.colour.*line 3"):
        parse_catalogue("tiers:\n  - name: tiny\n    colour: red\n", source="test.yaml")


def test_two_tiers_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidSettings, match=r"tiers\[1\].name: 'tiny' is there twice"):
        parse(tier(), tier())


@pytest.mark.parametrize("text", ["", "[]", "tiers: []", "tiers: {", "tiers: 3"])
def test_text_that_is_no_catalogue_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match=r"test\.yaml"):
        parse_catalogue(text, source="test.yaml")


def test_an_unknown_tier_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidSpec) as caught:
        find_tier(load_catalogue(), "prod-mip")
    (problem,) = caught.value.problems
    assert problem.path == "tier"
    assert problem.allowed.split(", ") == list(EXPECTED)
    assert problem.example == "tier: prod-mpi"


@pytest.mark.parametrize(
    ("name", "max_nodes", "nodes", "per_job"),
    [
        ("debug", None, 8, 8),
        ("debug", 3, 3, 3),
        ("debug", 100, 100, 100),
        ("mixed-prod-mpi", 5, 10, 5),
        ("prod-batch", 30, 60, 4),
        ("prod-batch", 2, 4, 2),
    ],
)
def test_resizing_changes_every_resource(name: str, max_nodes: int | None, nodes: int, per_job: int) -> None:
    # WHEN the spec asks for another size
    resized = CATALOGUE[name].resized(max_nodes)
    # THEN it holds for every resource, and a limit per job follows unless it is the tier's own rule
    assert resized.nodes_max == nodes
    assert resized.queues[0].max_nodes == per_job


def test_resizing_keeps_the_rest() -> None:
    # GIVEN a tier with two nodes that always run and no limit per job
    (small,) = parse(tier(queues=[queue(compute_resources=[resource(min_count=2)])]))
    # WHEN it shrinks to one node
    shrunk = small.resized(1)
    # THEN no more nodes run than there may be, there is still no limit, and the tier is as it was
    (item,) = shrunk.queues[0].compute_resources
    assert (item.min_count, item.max_count) == (1, 1)
    assert shrunk.queues[0].max_nodes is None
    assert small.nodes_max == 4


def test_the_engines_own_catalogue_is_read_as_a_persons_would_be() -> None:
    text = (files("engine.model") / "data" / "tiers.yaml").read_text("utf-8")
    assert parse_catalogue(text, source="tiers.yaml") == load_catalogue()
