"""Specs and settings, drawn at random from a seed: good ones, wild ones, and broken ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from engine.model.instance_types import facts_of, is_arm, known_types, lacks_driver, memory_gib
from engine.model.queues import ON_DEMAND_STRATEGIES, SPOT_STRATEGIES
from engine.model.setting_values import OPERATING_SYSTEMS
from engine.model.spec import THROUGHPUTS
from engine.model.tiers import load_catalogue

Document = dict[str, Any]
Break = Callable[[Document, Random], str]

TYPES = [name for name in known_types() if name in INSTANCE_TYPES]
STRATEGIES = sorted({*ON_DEMAND_STRATEGIES, *SPOT_STRATEGIES})
CATALOGUE = load_catalogue()
WAIVER = {"rule": "data-loss", "reason": "scratch, given up by ada", "until": "2026-12-31"}
IMAGES = {False: "ami-0123456789abcdef0", True: "ami-0abcdef0123456789"}
"""By whether they are for ARM processors."""


def good_spec(draw: Random, *, of_a_tier: bool | None = None) -> Document:
    """A spec that keeps every rule, because it is built along them.

    of_a_tier   whether it names a tier or has queues of its own; None: either
    """
    if draw.random() < 0.2 if of_a_tier is None else of_a_tier:
        return _spec_of_a_tier(draw)
    arm = draw.random() < 0.25
    types = [name for name in TYPES if is_arm(name) is arm]
    queues = [_queue(draw, types, number) for number in range(draw.choice((1, 1, 1, 2, 2, 3, 6)))]
    nodes = sum(resource["max_count"] for queue in queues for resource in queue["compute_resources"])
    return {**_document(draw, nodes, arm=arm), "queues": queues}


def good_settings(draw: Random, document: Document) -> Document:
    """Settings under which the spec is a good one."""
    head_node = document["head_node"].get("instance_type", "t3.medium")
    settings: Document = {
        "os": draw.choice([name for name in OPERATING_SYSTEMS if not name.startswith("rocky")]),
        "log_retention_days": draw.choice((0, 30, 90)),
    }
    if _coin(draw):
        settings["permissions_boundary"] = "arn:aws:iam::123456789012:policy/parallelcluster/boundary"
    if draw.random() < 0.2:
        settings |= {"custom_ami": IMAGES[is_arm(head_node)], "os": draw.choice(OPERATING_SYSTEMS)}
    return settings


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
    of_a_tier = kind in BREAKS_OF_TIERS
    document = copy.deepcopy(good_spec(draw, of_a_tier=of_a_tier))
    return document, (BREAKS_OF_TIERS if of_a_tier else BREAKS)[kind](document, draw)


def _spec_of_a_tier(draw: Random) -> Document:
    tier = draw.choice(CATALOGUE)
    max_nodes = draw.choice((None, 1, 3, 40, 1000))
    document = {**_document(draw, tier.resized(max_nodes).nodes_max, arm=False), "tier": tier.name}
    if max_nodes is not None:
        document.setdefault("compute", {})["max_nodes"] = max_nodes
    return document


def _document(draw: Random, nodes: int, *, arm: bool) -> Document:
    """All but its queues, for so many nodes."""
    document: Document = {"vlab_id": "lab-1", "project_id": "proj-1", "head_node": {}}
    if arm or nodes > 85 or _coin(draw):  # else the installation's t3.medium will do
        needed = min(nodes / 25 + 0.6, 16)
        document["head_node"]["instance_type"] = draw.choice(
            [
                name
                for name in TYPES
                if is_arm(name) is arm and (memory_gib(name) or 0) >= needed and not lacks_driver(name)
            ]
        )
    if _coin(draw):
        document["head_node"]["root_volume"] = _root_volume(draw)
    if _coin(draw):
        document["storage"] = _storage(draw)
    if _coin(draw):
        document["compute"] = {"scaledown_idle_min": draw.choice((-1, 0, 1, 10, 10_080))}
    if _coin(draw):
        document["owner"] = draw.choice(("ada@example.org", "Ada Lovelace", "équipe 7", "o" * 128))
    if _coin(draw):
        keys = ("cost-center", "Grant", "a/b:c", "k" * 128, "größe")
        document["tags"] = {key: draw.choice(("0", "4711", "v" * 256)) for key in draw.sample(keys, 3)}
    if draw.random() < 0.2:
        home = {"home": draw.choice(("fs-01234567", "fs-0123456789abcdef0"))}
        document["existing"] = draw.choice(({"bucket": "old-data"}, home, {"bucket": "a" * 63, **home}))
    if draw.random() < 0.2:
        document["waivers"] = [
            WAIVER,
            {**WAIVER, "resource": "module.fsx[0].aws_fsx_lustre_file_system.this"},
        ]
    return document


def _storage(draw: Random) -> Document:
    if _coin(draw):
        return {"kind": "efs"}
    storage: Document = {"kind": "lustre"}
    if _coin(draw):
        storage["capacity_gib"] = draw.choice((1200, 2400, 4800, 240_000))
    if _coin(draw):
        storage["throughput_mbps_per_tib"] = draw.choice(THROUGHPUTS)
    return storage


def _queue(draw: Random, types: list[str], number: int) -> Document:
    spot = draw.random() < 0.3
    if spot:
        types = [name for name in types if facts_of(name).spot]
    resources = [_resource(draw, types, index) for index in range(draw.choice((1, 1, 2, 3)))]
    queue: Document = {"name": f"{_name(draw)[:20]}{number}", "spot": spot, "compute_resources": resources}
    arm = is_arm(types[0])
    queue["allocation_strategy"] = draw.choice(SPOT_STRATEGIES if spot else ON_DEMAND_STRATEGIES)
    names = [name for resource in resources for name in resource["instance_types"]]
    if any(resource["efa"] for resource in resources) or _coin(draw):
        queue["placement_group"] = _coin(draw) and all(facts_of(name).cluster_placement for name in names)
    if _coin(draw):
        queue["root_volume"] = _root_volume(draw)
    if draw.random() < 0.2 or any(lacks_driver(name) for name in names):
        queue["custom_ami"] = IMAGES[arm]
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
    return facts.vcpus if smt else facts.cores, facts.gpus, facts.gpu_maker, facts.chips, facts.chip_maker


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
    document["head_node"]["instance_type"] = "m7i.8xlarge" if _is_arm(document) else "m7g.8xlarge"
    return "head_node.instance_type"


def _mixed_architectures(document: Document, draw: Random) -> str:
    _first(document)["compute_resources"][0]["instance_types"] = ["c7i.16xlarge", "c7g.16xlarge"]
    document["head_node"] = {}  # would be of another architecture than one of the two
    return "queues[0].compute_resources[0].instance_types[1]"


def _is_arm(document: Document) -> bool:
    return is_arm(document["queues"][0]["compute_resources"][0]["instance_types"][0])


def _queue_twice(document: Document, draw: Random) -> str:
    document["queues"].append(copy.deepcopy(document["queues"][0]))
    # Nodes double: a head node that is large enough for any number.
    document["head_node"]["instance_type"] = "m7g.8xlarge" if _is_arm(document) else "m7i.8xlarge"
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


def _field(path: str, values: list[Any], says: str | None = None) -> Break:
    """A field of any good spec gets a wrong value; `says` is the path that is named, if not the field's."""

    def apply(document: Document, draw: Random) -> str:
        *around, last = path.split(".")
        at = document
        for name in around:
            at = at.setdefault(name, {})
        at[last] = draw.choice(values)
        return says or path

    return apply


def _waiver(field: str, values: list[Any]) -> Break:
    return _field("waivers", [[{**WAIVER, field: value}] for value in values], f"waivers[0].{field}")


def _reserved_tag(document: Document, draw: Random) -> str:
    key = draw.choice(["aws:x", "Provisioner:x", "parallelcluster:cluster-name", "Name"])
    document["tags"] = {key: "x"}
    return f"tags[{key!r}]" if ":" in key else f"tags.{key}"


def _left_out(path: str) -> Break:
    def apply(document: Document, draw: Random) -> str:
        del document[path]
        return path

    return apply


BAD_NAMES = ["default", "MPI", "a_b", "1st", "-a", "a" * 26, "a b", "ä", "", 7]
BAD_IDS = ["", "a b", "-lab", "lab/1", "x" * 65, 7, None, "läb"]
BAD_TYPES = ["m7i", "M7I.large", "mac2.metal", "", 4]
BREAKS: dict[str, Break] = {
    "lab": _field("vlab_id", BAD_IDS),
    "project": _field("project_id", BAD_IDS),
    "no lab": _left_out("vlab_id"),
    "no project": _left_out("project_id"),
    "a field that is none": _field("colour", ["red"]),
    "storage": _field("storage", [{"kind": "nfs"}], "storage.kind"),
    "capacity": _field(
        "storage",
        [{"kind": "lustre", "capacity_gib": size} for size in (0, 1000, 1201, 3600, "2400", None)],
        "storage.capacity_gib",
    ),
    "throughput": _field(
        "storage",
        [{"kind": "lustre", "throughput_mbps_per_tib": rate} for rate in (0, 50, 200, "250")],
        "storage.throughput_mbps_per_tib",
    ),
    "capacity of a home": _field("storage", [{"kind": "efs", "capacity_gib": 1200}], "storage.capacity_gib"),
    "a rule that is none": _waiver("rule", ["all", "", 7]),
    "no reason": _waiver("reason", ["", " ", "r" * 401, 7]),
    "no such day": _waiver("until", ["2026-02-30", "soon", "", 20261231]),
    "a bucket that cannot be": _field("existing.bucket", ["", "a.b", "Old", "ab", "xn--a", "a" * 64, 7]),
    "a home that cannot be": _field("existing.home", ["", "fs-1", "fs-0123456Z", "vol-01234567", 7]),
    "a waiver of no resource": _waiver("resource", ["", "r" * 1001, 7]),
    "owner": _field("owner", ["", " ada", "a;b", "o" * 129, 7]),
    "tags": _field("tags", [[], "cost-center", {f"key{number}": "x" for number in range(31)}]),
    "a tag's value": _field("tags", [{"a": value} for value in ("", "a;b", " a", "v" * 257, 7)], "tags.a"),
    "a reserved tag": _reserved_tag,
    "head node's type": _field("head_node.instance_type", BAD_TYPES),
    "head node's volume of tape": _field(
        "head_node.root_volume", [{"type": "st1"}], "head_node.root_volume.type"
    ),
    "head node without a driver": _set_spec(
        "head_node.instance_type",
        head_node={"instance_type": "g3.4xlarge"},
        queues=[{"name": "q", "compute_resources": [_one_resource(1)]}],
    ),
    "nodes without a driver": _set_resource("instance_types[0]", instance_types=["p3.8xlarge"]),
    "a part of a GPU": _set_resource("instance_types", instance_types=["r5a.xlarge", "g6f.xlarge"]),
    "unlike accelerators": _set_resource("instance_types", instance_types=["inf1.xlarge", "m7i.xlarge"]),
    "SMT": _any_resource("smt", ["no", 0, None]),
    "EFA": _any_resource("efa", ["yes", 1, None]),
    "spot": _first_queue("spot", "spot", ["yes", 1, None]),
    "placement group": _first_queue("placement_group", "placement_group", ["yes", 1]),
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
    "mixed architectures": _mixed_architectures,
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


# These need a spec that names a tier.
BREAKS_OF_TIERS: dict[str, Break] = {
    "a tier that there is not": _field("tier", ["gigantic", "tailor"]),
    "a tier that is no name": _field("tier", ["Debug", "", 7, None]),
    "too many nodes": _field("compute.max_nodes", [0, -1, 1001, "8", 1.5]),
}


def in_turn(count: int) -> Iterator[tuple[int, str]]:
    """Numbers from 0, each with a way to break a spec: all of them, one after the other."""
    kinds = [*BREAKS, *BREAKS_OF_TIERS]
    for number in range(count):
        yield number, kinds[number % len(kinds)]
