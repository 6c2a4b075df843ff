"""What we say about changes of a running cluster is what AWS ParallelCluster 3.16.1 does with them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import product
from typing import Any

import pytest

from engine.local.pcluster_update import refusals
from engine.model.cluster_updates import (
    OWN_POLICY,
    POLICIES,
    TOLD_APART_BY,
    as_strings,
    cluster_changes,
    key_tree,
    queue_update_strategy,
)
from engine.model.tiers import load_catalogue
from tests.changed_fields import every_change
from tests.pcluster.test_cluster_schema import configuration

pytestmark = pytest.mark.pcluster

Ask = Callable[..., str]
Configuration = dict[str, Any]
Case = dict[str, Any]

STRATEGIES = ("COMPUTE_FLEET_STOP", "DRAIN", "TERMINATE")

WORTH_TRYING: dict[str, tuple[Any, ...]] = {
    "MinCount": ("0", "1", "2", "5"),
    "MaxCount": ("1", "4", "10", "12"),
    "SubnetIds": (["subnet-1"], ["subnet-1", "subnet-2"], ["subnet-2"]),
    "Enabled": ("true", "false"),
    "MountDir": ("/data", "/other", "/home", "home"),
    "StorageType": ("Efs", "FsxLustre", "FsxOntap", "FsxOpenZfs", "FileCache", "Ebs"),
    "QueueUpdateStrategy": STRATEGIES,
    "Region": ("us-east-1", "us-iso-east-1"),
}
# Scripts in a sequence make ConfigPatch mix up paths; chef attributes are for AWS's own use.
NOT_TRIED = ("Sequence", "ExtraChefAttributes")
REQUIRED = ("SubnetIds",)


def test_our_table_is_aws_own(ask: Ask) -> None:
    stored = (files("engine.model") / "data" / "cluster_keys.yaml").read_text("utf-8")
    assert stored == ask("policies.py"), "stale: make update-policies"


def test_every_policy_of_the_table_is_understood() -> None:
    def names(tree: Configuration) -> Iterator[str]:
        for key, rule in tree.items():
            if isinstance(rule, dict):
                yield from names(rule)
            elif key != TOLD_APART_BY:
                yield rule

    assert set(names(key_tree())) <= set(POLICIES)


def drawn(chance: random.Random, tree: Configuration, share: float) -> Configuration:
    """A configuration with each known key in it with that probability; values mean nothing to ConfigPatch."""
    found: Configuration = {}
    for key, rule in tree.items():
        if key in (OWN_POLICY, TOLD_APART_BY, *NOT_TRIED):
            continue
        if chance.random() > share and key not in REQUIRED:
            continue
        if isinstance(rule, str):
            found[key] = chance.choice(WORTH_TRYING.get(key, ("a", "b")))
        elif TOLD_APART_BY in rule:
            names = chance.sample(("x", "y", "z"), chance.randint(1, 3))
            found[key] = [{**drawn(chance, rule, share), rule[TOLD_APART_BY]: name} for name in names]
        else:
            found[key] = drawn(chance, rule, share)
    return found


def edited(chance: random.Random, old: Configuration, tree: Configuration, rate: float) -> Configuration:
    """The configuration with some keys drawn anew, taken away or added, at every depth."""
    new = copy.deepcopy(old)
    for key, rule in tree.items():
        if key in (OWN_POLICY, TOLD_APART_BY, *NOT_TRIED):
            continue
        if chance.random() < rate:
            new.pop(key, None)
            new.update(drawn(chance, {key: rule}, 0.7))
        elif isinstance(rule, dict) and TOLD_APART_BY in rule:
            new[key] = [edited(chance, member, rule, rate) for member in new.get(key, [])]
            for member, before in zip(new[key], old.get(key, []), strict=True):
                member[rule[TOLD_APART_BY]] = before[rule[TOLD_APART_BY]]
            if not new[key]:
                del new[key]
        elif isinstance(rule, dict) and key in new:
            new[key] = edited(chance, new[key], rule, rate)
    return new


def random_updates(count: int) -> Iterator[Case]:
    chance = random.Random(20261124)
    for _ in range(count):
        old = drawn(chance, key_tree(), 0.7)
        new = edited(chance, old, key_tree(), chance.choice((0.02, 0.1)))
        new.setdefault("Scheduling", {})
        yield {"old": old, "new": new, "stopped": chance.random() < 0.3}


def updates_of_our_own(count: int) -> Iterator[Case]:
    """From one configuration that we can write to another one, with each strategy and fleet."""
    chance = random.Random(20261124)
    tiers = [tier.name for tier in load_catalogue()]
    ours = [as_strings(configuration(tier, storage)) for tier, storage in product(tiers, ("lustre", "efs"))]
    ours.append(as_strings(configuration(compute={"max_nodes": 3}, tags={"a": "b"}, owner="ada")))
    every = list(product(ours, ours, STRATEGIES, (False, True)))
    for old, new, strategy, stopped in chance.sample(every, count):
        updated = copy.deepcopy(new)
        updated["Scheduling"]["SlurmSettings"]["QueueUpdateStrategy"] = strategy
        yield {"old": old, "new": updated, "stopped": stopped}


def updates_of_each_field() -> Iterator[Case]:
    """Every field of the spec and every setting changed, and changed back."""
    for change, stopped in product(every_change(), (False, True)):
        before, after = as_strings(change.before), as_strings(change.after)
        yield {"old": before, "new": after, "stopped": stopped}
        yield {"old": after, "new": before, "stopped": stopped}


def our_verdicts(case: Case) -> list[list[Any]]:
    strategy = queue_update_strategy(case["new"])
    return [
        [
            str(change),
            change.difference.policy,
            change.need.permitted(strategy, fleet_stopped=case["stopped"]),
        ]
        for change in cluster_changes(case["old"], case["new"])
    ]


@pytest.mark.parametrize("source", ["random", "our own"])
def test_we_refuse_what_aws_refuses_and_nothing_else(ask: Ask, source: str) -> None:
    # GIVEN updates of every kind
    if source == "random":
        cases = list(random_updates(400))
    else:
        cases = [*updates_of_our_own(150), *updates_of_each_field()]
    # WHEN AWS's code judges each changed key
    answers = json.loads(ask("updater.py", cases))
    judged = [(case, aws) for case, aws in zip(cases, answers, strict=True) if aws is not None]
    assert len(judged) > len(cases) * 0.8
    # THEN we see the same keys, under the same policies, with the same verdicts
    for case, aws in judged:
        assert sorted(our_verdicts(case)) == sorted(aws)
        # AND the local cloud refuses the update exactly when AWS does
        fleet = "STOPPED" if case["stopped"] else "RUNNING"
        said = refusals(case["old"], case["new"], fleet_status=fleet)
        assert bool(said) is not all(allowed for *_, allowed in aws)
    # AND both verdicts occurred, for each policy that has two
    seen = {(policy, allowed) for _, aws in judged for _, policy, allowed in aws}
    if source == "random":
        assert {policy for policy, _ in seen} >= set(POLICIES) - {"EXTRA_CHEF_ATTRIBUTES"}
        conditional = {name for name in POLICIES if "UPDATE" in name or "MANAGED" in name}
        conditional -= {"LOGIN_NODES_POOLS_UPDATE_POLICY"}
        assert all((name, verdict) in seen for name in conditional for verdict in (True, False))
