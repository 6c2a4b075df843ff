"""Specs with queues of their own, drawn at random from a seed: good ones, wild ones, and broken ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from engine.model.instance_types import facts_of, is_arm, known_types, memory_gib
from engine.model.queues import ON_DEMAND_STRATEGIES, SPOT_STRATEGIES

Document = dict[str, Any]
Break = Callable[[Document, Random], str]

TYPES = [name for name in known_types() if name in INSTANCE_TYPES]
STRATEGIES = sorted({*ON_DEMAND_STRATEGIES, *SPOT_STRATEGIES})


def good_spec(draw: Random) -> Document:
    """A spec that keeps every rule, because it is built along them."""
    arm = draw.random() < 0.25
    types = [name for name in TYPES if is_arm(name) is arm]
    queues = [_queue(draw, types, number) for number in range(draw.choice((1, 1, 1, 2, 2, 3, 6)))]
    return _document(draw, arm, queues)


def wild_spec(draw: Random) -> Document:
    """A spec whose fields are each allowed, but need not go together."""
    queue: Document = {
        "name": _name(draw),
        "spot": _coin(draw),
        "allocation_strategy": draw.choice(STRATEGIES),
        "compute_resources": [
            {
                "name": _name(draw),
                "instance_types": draw.sample(TYPES, draw.choice((1, 1, 2))),
                "min_count": draw.randint(0, 20),
                "max_count": draw.randint(1, 40),
                "efa": _coin(draw),
                "smt": _coin(draw),
            }
        ],
    }
    if _coin(draw):
        queue["placement_group"] = _coin(draw)
    return {
        "vlab_id": "lab-1",
        "project_id": "proj-1",
        "storage": {"kind": draw.choice(("lustre", "efs"))},
        "head_node": {"instance_type": draw.choice(TYPES)},
        "queues": [queue],
    }


def broken_spec(draw: Random, kind: str) -> tuple[Document, str]:
    """A good spec with one rule broken, and the path of the field that breaks it."""
    document = copy.deepcopy(good_spec(draw))
    return document, BREAKS[kind](document, draw)


def _document(draw: Random, arm: bool, queues: list[Document]) -> Document:
    nodes = sum(resource["max_count"] for queue in queues for resource in queue["compute_resources"])
    needed = min(nodes / 25 + 0.6, 16)
    document: Document = {
        "vlab_id": "lab-1",
        "project_id": "proj-1",
        "storage": {"kind": draw.choice(("lustre", "efs"))},
        "head_node": {
            "instance_type": draw.choice(
                [name for name in TYPES if is_arm(name) is arm and (memory_gib(name) or 0) >= needed]
            )
        },
        "queues": queues,
    }
    if _coin(draw):
        document["head_node"]["root_volume"] = _root_volume(draw)
    if _coin(draw):
        document["compute"] = {"scaledown_idle_min": draw.choice((-1, 0, 1, 10, 10_080))}
    return document


def _queue(draw: Random, types: list[str], number: int) -> Document:
    spot = draw.random() < 0.3
    if spot:
        types = [name for name in types if facts_of(name).spot]
    resources = [_resource(draw, types, index) for index in range(draw.choice((1, 1, 2, 3)))]
    queue: Document = {"name": f"{_name(draw)[:20]}{number}", "spot": spot, "compute_resources": resources}
    queue["allocation_strategy"] = draw.choice(SPOT_STRATEGIES if spot else ON_DEMAND_STRATEGIES)
    names = [name for resource in resources for name in resource["instance_types"]]
    if any(resource["efa"] for resource in resources) or _coin(draw):
        queue["placement_group"] = _coin(draw) and all(facts_of(name).cluster_placement for name in names)
    if _coin(draw):
        queue["root_volume"] = _root_volume(draw)
    if draw.random() < 0.2:
        queue["custom_ami"] = "ami-0123456789abcdef0"
    if _coin(draw):
        queue |= {"max_nodes": draw.randint(1, 1000), "max_time_min": draw.randint(1, 525_600)}
    return queue


def _resource(draw: Random, types: list[str], index: int) -> Document:
    first, smt = draw.choice(types), _coin(draw)
    alike = [name for name in types if _likeness(name, smt) == _likeness(first, smt)]
    chosen = draw.sample(alike, min(len(alike), draw.choice((1, 1, 2, 4))))
    max_count = draw.choice((1, 2, 10, 40, 1000))
    return {
        "name": f"{_name(draw)[:20]}{index}",
        "instance_types": chosen,
        "min_count": draw.choice((0, 0, 1, max_count)),
        "max_count": max_count,
        "efa": _coin(draw) and all(facts_of(name).efa for name in chosen),
        "smt": smt,
    }


def _likeness(name: str, smt: bool) -> tuple[Any, ...]:
    facts = facts_of(name)
    return facts.vcpus if smt else facts.cores, facts.gpus, facts.gpu_maker


def _root_volume(draw: Random) -> Document:
    volume: Document = {"type": draw.choice(("gp2", "gp3"))}
    if _coin(draw):
        volume["size_gib"] = draw.choice((50, 100, 16_384))
    return volume


def _name(draw: Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    inner = "".join(draw.choices(letters + "0123456789-", k=draw.randint(0, 24)))
    name = draw.choice(letters) + inner
    return "d" if name == "default" else name


def _coin(draw: Random) -> bool:
    return draw.random() < 0.5


def _first(document: Document) -> Document:
    """Its only queue left, with one plain compute resource: what is broken then is one thing alone."""
    document.update(
        head_node={"instance_type": "m7i.xlarge"},
        queues=[
            {
                "name": "main",
                "compute_resources": [
                    {"name": "only", "instance_types": ["c7i.48xlarge"], "max_count": 4},
                ],
            }
        ],
    )
    queue: Document = document["queues"][0]
    return queue


def _set_queue(path: str, **values: Any) -> Break:
    def apply(document: Document, draw: Random) -> str:
        _first(document).update(copy.deepcopy(values))
        return f"queues[0].{path}"

    return apply


def _set_resource(path: str, **values: Any) -> Break:
    def apply(document: Document, draw: Random) -> str:
        _first(document)["compute_resources"][0].update(copy.deepcopy(values))
        return f"queues[0].compute_resources[0].{path}"

    return apply


def _set_spec(path: str, **values: Any) -> Break:
    def apply(document: Document, draw: Random) -> str:
        document.update(copy.deepcopy(values))
        return path

    return apply


def _one_resource(number: int, types: list[str] | None = None) -> Document:
    return {"name": f"r{number}", "instance_types": types or ["t3.micro"], "max_count": 1}


def _first_queue(path: str, field: str, values: list[Any]) -> Break:
    """One field of the first queue of any good spec gets a value that is wrong whatever stands beside it."""

    def apply(document: Document, draw: Random) -> str:
        document["queues"][0][field] = draw.choice(values)
        return f"queues[0].{path}"

    return apply


def _any_resource(field: str, values: list[Any], path: str | None = None) -> Break:
    """The same in any compute resource of any good spec."""

    def apply(document: Document, draw: Random) -> str:
        index = draw.randrange(len(document["queues"]))
        number = draw.randrange(len(document["queues"][index]["compute_resources"]))
        document["queues"][index]["compute_resources"][number][field] = draw.choice(values)
        return f"queues[{index}].compute_resources[{number}].{path or field}"

    return apply


def _other_architecture(document: Document, draw: Random) -> str:
    document["head_node"]["instance_type"] = (
        "m7i.8xlarge" if is_arm(document["head_node"]["instance_type"]) else "m7g.8xlarge"
    )
    return "head_node.instance_type"


def _queue_twice(document: Document, draw: Random) -> str:
    document["queues"].append(copy.deepcopy(document["queues"][0]))
    # Nodes double: a head node that is large enough for any number.
    arm = is_arm(document["head_node"]["instance_type"])
    document["head_node"]["instance_type"] = "m7g.8xlarge" if arm else "m7i.8xlarge"
    return f"queues[{len(document['queues']) - 1}].name"


def _type_twice(document: Document, draw: Random) -> str:
    types = document["queues"][0]["compute_resources"][0]["instance_types"]
    types.append(types[0])
    return f"queues[0].compute_resources[0].instance_types[{len(types) - 1}]"


def _min_above_max(document: Document, draw: Random) -> str:
    resource = document["queues"][0]["compute_resources"][0]
    resource["max_count"] = draw.randint(1, 20)
    resource["min_count"] = resource["max_count"] + draw.randint(1, 100)
    return "queues[0].compute_resources[0].min_count"


def _wrong_strategy(document: Document, draw: Random) -> str:
    queue = document["queues"][0]
    wrong = set(STRATEGIES) - {*(SPOT_STRATEGIES if queue["spot"] else ON_DEMAND_STRATEGIES)}
    queue["allocation_strategy"] = draw.choice(sorted(wrong))
    return "queues[0].allocation_strategy"


BAD_NAMES = ["default", "MPI", "a_b", "1st", "-a", "a" * 26, "a b", "ä", "", 7]
BREAKS: dict[str, Break] = {
    "queue name": _first_queue("name", "name", BAD_NAMES),
    "resource name": _any_resource("name", BAD_NAMES),
    "queue twice": _queue_twice,
    "resource twice": _set_queue(
        "compute_resources[1].name", compute_resources=[_one_resource(1), _one_resource(1)]
    ),
    "too many queues": _set_spec(
        "queues",
        head_node={"instance_type": "m7i.xlarge"},
        queues=[{"name": f"q{number}", "compute_resources": [_one_resource(1)]} for number in range(51)],
    ),
    "too many resources": _set_spec(
        "queues",
        head_node={"instance_type": "m7i.xlarge"},
        queues=[
            {"name": name, "compute_resources": [_one_resource(number) for number in range(26)]}
            for name in ("first", "second")
        ],
    ),
    "no queue": _set_spec("queues", queues=[]),
    "no resource": _first_queue("compute_resources", "compute_resources", [[]]),
    "no type": _any_resource("instance_types", [[]]),
    "a type that is none": _any_resource("instance_types", [["m7i"], ["M7I.large"]], "instance_types[0]"),
    "type twice": _type_twice,
    "max_count": _any_resource("max_count", [0, -1, 1001, "4", True, 1.5]),
    "min_count": _any_resource("min_count", [-1, 1001, "0", None]),
    "min above max": _min_above_max,
    "strategy": _wrong_strategy,
    "unknown strategy": _first_queue("allocation_strategy", "allocation_strategy", ["cheapest", 1]),
    "unlike vCPUs": _set_resource("instance_types", instance_types=["c7i.48xlarge", "c7i.24xlarge"]),
    "unlike cores": _set_resource(
        "instance_types", instance_types=["c7i.48xlarge", "c7a.48xlarge"], smt=False
    ),
    "unlike GPUs": _set_resource("instance_types", instance_types=["g5.xlarge", "m7i.xlarge"]),
    "mixed architectures": _set_resource(
        "instance_types[1]", instance_types=["c7i.16xlarge", "c7g.16xlarge"]
    ),
    "EFA where there is none": _set_resource("efa", instance_types=["m5.8xlarge"], efa=True),
    "EFA without a word on placement": _set_queue(
        "placement_group", compute_resources=[{**_one_resource(1, ["c7a.48xlarge"]), "efa": True}]
    ),
    "a placement group of burstable nodes": _set_queue(
        "placement_group", placement_group=True, compute_resources=[_one_resource(1)]
    ),
    "spot that is never sold": _set_queue(
        "spot", spot=True, compute_resources=[_one_resource(1, ["hpc7a.96xlarge"])]
    ),
    "a small root volume": _first_queue(
        "root_volume.size_gib", "root_volume", [{"size_gib": size} for size in (0, 8, 49, 16_385)]
    ),
    "a root volume of tape": _first_queue("root_volume.type", "root_volume", [{"type": "st1"}]),
    "an image": _first_queue("custom_ami", "custom_ami", ["ami-1", "latest", "ami-XYZ45678"]),
    "run time": _first_queue("max_time_min", "max_time_min", [0, -1, 525_601, "12:00:00"]),
    "nodes of a job": _first_queue("max_nodes", "max_nodes", [0, 1001, "8"]),
    "an unknown field": _first_queue("colour", "colour", ["red"]),
    "a tier as well": _set_spec("queues", tier="debug"),
    "max_nodes as well": _set_spec("compute.max_nodes", compute={"max_nodes": 4}),
    "idle time": _set_spec("compute.scaledown_idle_min", compute={"scaledown_idle_min": -2}),
    "head node's volume": _set_spec(
        "head_node.root_volume.size_gib", head_node={"root_volume": {"size_gib": 20}}
    ),
    "a small head node": _set_spec(
        "head_node.instance_type",
        head_node={"instance_type": "t3.medium"},
        queues=[{"name": "q", "compute_resources": [{**_one_resource(1), "max_count": 86}]}],
    ),
    "a head node of another architecture": _other_architecture,
}


def in_turn(count: int) -> Iterator[tuple[int, str]]:
    """Numbers from 0, each with a way to break a spec: all of them, one after the other."""
    kinds = list(BREAKS)
    for number in range(count):
        yield number, kinds[number % len(kinds)]
