"""The JSON Schema for editors agrees with the loader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from engine.errors import InvalidSpec
from engine.model.spec import load_spec, spec_json_schema

SCHEMA = spec_json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

START: dict[str, Any] = {"vlab_id": "a", "project_id": "b"}


def loads(document: dict[str, Any]) -> bool:
    try:
        load_spec(json.dumps(document), source="test", known_tiers=["debug"])
    except InvalidSpec:
        return False
    return True


def test_it_is_a_schema_of_the_draft_it_names() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"storage": {"kind": "efs"}},
        {"storage": {"kind": "lustre", "capacity_gib": 4800, "throughput_mbps_per_tib": 125}},
        {"owner": None, "compute": {"max_nodes": None}, "head_node": {"instance_type": "t3.large"}},
        {"owner": "José", "tags": {"a+-=._:/@ b": "-"}},
    ],
)
def test_it_takes_good_specs(part: dict[str, Any]) -> None:
    assert loads({**START, **part})
    assert VALIDATOR.is_valid({**START, **part})


@pytest.mark.parametrize(
    "part",
    [
        {"vlab_id": "a_b"},
        {"vlab_id": ""},
        {"vlab_id": "a" * 65},
        {"project_id": 7},
        {"tier": "Debug"},
        {"storage": {}},
        {"storage": {"kind": "nfs"}},
        {"storage": {"kind": "efs", "capacity_gib": 1200}},
        {"storage": {"kind": "lustre", "capacity_gib": 3600}},
        {"storage": {"kind": "lustre", "capacity_gib": 0}},
        {"storage": {"kind": "lustre", "throughput_mbps_per_tib": 50}},
        {"compute": {"max_nodes": 0}},
        {"compute": {"max_nodes": 1001}},
        {"head_node": {"instance_type": "big"}},
        {"owner": ""},
        {"owner": "a#b"},
        {"owner": "o" * 129},
        {"tags": {"a": "${b}"}},
        {"tags": {"a": 1}},
        {"tags": {"aws:a": "b"}},
        {"tags": {"Name": "b"}},
        {"tags": {"": "b"}},
        {"tags": {"a": ""}},
        {"tags": {"a": "v" * 257}},
        {"tags": {f"k{n}": "v" for n in range(31)}},
        {"other": 1},
    ],
)
def test_it_refuses_what_the_loader_refuses(part: dict[str, Any]) -> None:
    assert not loads({**START, **part})
    assert not VALIDATOR.is_valid({**START, **part})


@given(st.text(max_size=6), st.text(max_size=6))
def test_it_takes_every_tag_that_the_loader_takes(key: str, value: str) -> None:
    document = {**START, "tags": {key: value}}
    assert VALIDATOR.is_valid(document) or not loads(document)


@given(st.characters(max_codepoint=0x7F))
def test_it_knows_the_ascii_characters_of_tags(character: str) -> None:
    document = {**START, "tags": {"a": f"x{character}x"}}
    assert VALIDATOR.is_valid(document) == loads(document)


def test_editors_have_a_title_and_a_description_of_every_field() -> None:
    for name, field in SCHEMA["properties"].items():
        assert field.get("description"), name
        assert field.get("title") or "$ref" in field, name
        assert field.get("examples"), name
    for name, part in SCHEMA["$defs"].items():
        assert part["title"] and part["description"], name
        assert all(field.get("description") for field in part["properties"].values()), name


def test_its_own_examples_are_good() -> None:
    for example in SCHEMA["examples"]:
        assert loads(example) and VALIDATOR.is_valid(example)
    for name, field in SCHEMA["properties"].items():
        for example in field["examples"]:
            assert loads({**START, name: example}), name
