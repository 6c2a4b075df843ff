"""What a spec says, and that it comes back as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.model.names import ID_PATTERN
from engine.model.spec import (
    THROUGHPUTS,
    Compute,
    EfsStorage,
    HeadNode,
    LustreStorage,
    ProjectSpec,
    dump_spec,
    load_spec,
    spec_digest,
)

tag_texts = st.text(
    st.characters(categories=["L", "N"], include_characters=" +-=._:/@"), min_size=1, max_size=30
).filter(lambda text: text == text.strip())
tag_keys = tag_texts.filter(
    lambda key: key != "Name" and not key.lower().startswith(("aws:", "parallelcluster:", "provisioner:"))
)
specs = st.builds(
    ProjectSpec,
    vlab_id=st.from_regex(ID_PATTERN, fullmatch=True),
    project_id=st.from_regex(ID_PATTERN, fullmatch=True),
    tier=st.sampled_from(["debug", "prod-mpi"]),
    storage=st.just(EfsStorage())
    | st.builds(
        LustreStorage,
        capacity_gib=st.just(1200) | st.integers(1, 400).map(lambda steps: steps * 2400),
        throughput_mbps_per_tib=st.sampled_from(THROUGHPUTS),
    ),
    compute=st.builds(Compute, max_nodes=st.none() | st.integers(1, 1000)),
    head_node=st.builds(HeadNode, instance_type=st.none() | st.sampled_from(["t3.medium", "u-6tb1.metal"])),
    owner=st.none() | tag_texts,
    tags=st.dictionaries(tag_keys, st.just("") | tag_texts, max_size=5).filter(
        lambda tags: len({key.lower() for key in tags}) == len(tags)
    ),
)


def load(text: str) -> ProjectSpec:
    return load_spec(text, source="test")


def test_the_smallest_spec_has_these_defaults() -> None:
    spec = load("{vlab_id: lab-1, project_id: proj-1}")
    assert spec == ProjectSpec(
        vlab_id="lab-1",
        project_id="proj-1",
        tier="debug",
        storage=LustreStorage(kind="lustre", capacity_gib=1200, throughput_mbps_per_tib=250),
        compute=Compute(max_nodes=None),
        head_node=HeadNode(instance_type=None),
        owner=None,
        tags={},
    )
    assert spec.project == "lab-1/proj-1"
    assert spec.owner_or_default == "lab-1"


def test_everything_that_can_be_said_is_kept() -> None:
    spec = load(
        """
        vlab_id: Lab-1
        project_id: 11111111-2222-3333-4444-555555555555
        tier: prod-mpi
        storage: {kind: lustre, capacity_gib: 4800, throughput_mbps_per_tib: 1000}
        compute: {max_nodes: 1000}
        head_node: {instance_type: m7i.xlarge}
        owner: José Müller
        tags: {cost-center: "4711", "a b+=._:/@-": "", until: 2026-12-31}
        """
    )
    assert (spec.vlab_id, spec.project_id) == ("Lab-1", "11111111-2222-3333-4444-555555555555")
    assert spec.storage == LustreStorage(capacity_gib=4800, throughput_mbps_per_tib=1000)
    assert spec.compute.max_nodes == 1000
    assert spec.head_node.instance_type == "m7i.xlarge"
    assert spec.owner_or_default == "José Müller"
    assert spec.tags == {"cost-center": "4711", "a b+=._:/@-": "", "until": "2026-12-31"}
    assert load("{vlab_id: a, project_id: b, storage: {kind: efs}}").storage == EfsStorage()


@pytest.mark.parametrize("field", ["owner", "compute: {max_nodes", "head_node: {instance_type"])
def test_an_empty_optional_value_is_the_default(field: str) -> None:
    text = "vlab_id: a\nproject_id: b\n" + field + ":" + (" }" if "{" in field else "")
    assert load(text) == load("{vlab_id: a, project_id: b}")


@given(specs)
def test_a_spec_comes_back_as_it_was(spec: ProjectSpec) -> None:
    dumped = dump_spec(spec)
    assert load(dumped) == spec
    assert dump_spec(load(dumped)) == dumped
    assert load(yaml.safe_dump(json.loads(dumped), allow_unicode=True)) == spec


@given(specs, specs)
def test_the_digest_tells_specs_apart_and_nothing_else(one: ProjectSpec, other: ProjectSpec) -> None:
    assert (spec_digest(one) == spec_digest(other)) == (one == other)
    assert len(spec_digest(one)) == 64 and int(spec_digest(one), 16) >= 0


def test_order_and_defaults_left_out_do_not_change_the_digest() -> None:
    short = load("{vlab_id: a, project_id: b, tags: {x: '1', y: '2'}}")
    long = load(
        "{tags: {y: '2', x: '1'}, compute: {}, owner: ,"
        " storage: {throughput_mbps_per_tib: 250, kind: lustre}, tier: debug, project_id: b, vlab_id: a}"
    )
    assert spec_digest(short) == spec_digest(long)
    assert spec_digest(short) != spec_digest(short.model_copy(update={"tags": {"x": "1"}}))


def test_the_digest_of_a_known_spec_never_changes() -> None:
    # Stored with plans and in the registry: another digest for the same wish makes them all stale.
    assert (
        spec_digest(load("{vlab_id: lab-1, project_id: proj-1}"))
        == "6fbde223390a545c731a7a8ada1803d2ab0171ff86568c78298f9662e49e9de9"
    )


def test_a_spec_is_frozen() -> None:
    spec = load("{vlab_id: a, project_id: b}")
    with pytest.raises(ValidationError):
        spec.tier = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        spec.compute.max_nodes = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [{"vlab_id": "a_b", "project_id": "c"}, {"vlab_id": "a"}, {"vlab_id": "a", "project_id": "b", "x": 1}],
)
def test_a_spec_cannot_be_built_past_the_rules(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProjectSpec(**values)
