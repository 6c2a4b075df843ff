"""Random specs: what we accept, AWS ParallelCluster's own code accepts; what breaks a rule, we refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Any

import pytest

from engine.errors import InvalidSpec
from engine.model.names import names_for
from engine.model.node_checks import check_nodes
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec, dump_spec, load_spec
from engine.model.tiers import chosen_tier, load_catalogue
from engine.workspace.cluster_config import cluster_configuration, render_cluster_config
from tests.changed_fields import spec_fields
from tests.pcluster.random_specs import broken_spec, good_settings, good_spec, in_turn, wild_spec
from tests.pcluster.test_cluster_schema import as_cloudformation_hands_it_on, as_terraform_fills_it_in

Check = Callable[..., dict[str, dict[str, Any]]]

CATALOGUE = load_catalogue()
COUNT = 500


def configuration(document: dict[str, Any], settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the engine makes of a spec before it creates anything.

    Raises   InvalidSpec
    """
    spec = load_spec(json.dumps(document), source="test", known_tiers=[tier.name for tier in CATALOGUE])
    installation, tier = Settings.model_validate(settings or {}), chosen_tier(CATALOGUE, spec)
    check_nodes(spec, installation, tier)
    assert load_spec(dump_spec(spec), source="stored") == spec
    return cluster_configuration(
        render_cluster_config(
            spec=spec,
            names=names_for("lab-1", "proj-1", account_id="123456789012"),
            settings=installation,
            tier=tier,
            references=as_terraform_fills_it_in(lustre=spec.storage.kind == "lustre"),
        )
    )


def accepted_wild_ones() -> Any:
    """Wild specs that we let through, whatever the reason."""
    draw = Random(4)
    while True:
        document = wild_spec(draw)
        try:
            yield document, configuration(document)
        except InvalidSpec:
            continue


@pytest.mark.pcluster
def test_what_we_accept_parallelcluster_accepts(check: Check) -> None:
    # GIVEN 500 specs built along the rules, each under other settings, and 100 wild ones that our rules let
    # through; every other one as CloudFormation hands it on
    draw = Random(16)
    documents = {f"good {number}": good_spec(draw) for number in range(COUNT)}
    cases = {name: configuration(one, good_settings(draw, one)) for name, one in documents.items()}
    for number, (document, made) in enumerate(islice(accepted_wild_ones(), 100)):
        documents[f"wild {number}"], cases[f"wild {number}"] = document, made
    for name in list(cases)[::2]:
        cases[name] = as_cloudformation_hands_it_on(cases[name])
    # WHEN ParallelCluster loads them, and runs its validators that need no account
    verdicts = check(cases)
    # THEN it finds no error in any
    refused = {
        name: (errors, documents[name])
        for name, verdict in verdicts.items()
        if (errors := [verdict["schema"]] if verdict["schema"] else _errors(verdict))
    }
    assert refused == {}
    # AND among them is all that a spec can say, and all that ParallelCluster can check
    assert {path for document in documents.values() for path in _fields(document)} == set(
        spec_fields(ProjectSpec)
    )
    ran = {validator for verdict in verdicts.values() for validator in verdict["validators"]}
    assert ran >= {
        "CapacityTypeValidator",
        "EbsVolumeTypeSizeValidator",
        "InstanceTypeBaseAMICompatibleValidator",
        "InstancesAcceleratorsValidator",
        "RootVolumeSizeValidator",
    }


def _errors(verdict: dict[str, Any]) -> list[list[str]]:
    return [failure for failure in verdict["failures"] if failure[0] == "ERROR"]


def _fields(value: Any, prefix: str = "") -> Iterator[str]:
    """The fields of a document, as the table of fields names them: queues.compute_resources.efa."""
    for name, inner in value.items():
        parts = inner if isinstance(inner, list) else [inner]
        if prefix + name == "tags" or not isinstance(parts[0], dict):
            yield prefix + name
        else:
            for part in parts:
                yield from _fields(part, f"{prefix}{name}.")


def test_what_breaks_a_rule_is_refused_with_its_field() -> None:
    # GIVEN 500 specs with one broken rule each, of every kind
    draw = Random(9)
    broken = set()
    for number, kind in in_turn(COUNT):
        document, path = broken_spec(draw, kind)
        # WHEN the engine reads one
        with pytest.raises(InvalidSpec) as caught:
            configuration(document)
        # THEN it is refused for that field and no other, with a message
        named = [problem.path for problem in caught.value.problems]
        assert set(named) == {path}, (number, kind, document)
        assert all(problem.problem for problem in caught.value.problems)
        broken.add(re.sub(r"\[\d+\]", "", path))
    # AND every field has been broken
    assert set(spec_fields(ProjectSpec)) <= broken
