"""What we know of instance types is what EC2 says of them."""

from __future__ import annotations

from importlib.resources import files

import pytest

from engine.model.instance_types import InstanceFacts, facts_of, is_arm, known_types
from engine.model.spec import ProjectSpec
from engine.model.tiers import load_catalogue
from tests.instance_types import text


def test_the_list_is_ec2s() -> None:
    stored = (files("engine.model") / "data" / "instance_types.csv").read_text("utf-8")
    assert stored == text(), "stale: make instance-types"


def test_every_type_of_the_catalogue_is_known() -> None:
    types = {name for tier in load_catalogue() for queue in tier.queues for _, name in queue.instance_types}
    assert types <= set(known_types())


def test_of_another_type_nothing_is_known() -> None:
    assert facts_of("x99i.96xlarge") == InstanceFacts()


@pytest.mark.parametrize(
    ("name", "arm"), [("m99g.large", True), ("p6e-gb200.36xlarge", True), ("m99i.large", False)]
)
def test_the_name_tells_the_processor_of_an_unknown_type(name: str, arm: bool) -> None:
    assert name not in known_types()
    assert is_arm(name) is arm


def test_macs_are_refused() -> None:
    with pytest.raises(ValueError, match="is a Mac"):
        ProjectSpec.model_validate(
            {"vlab_id": "lab-1", "project_id": "proj-1", "head_node": {"instance_type": "mac2.metal"}}
        )
