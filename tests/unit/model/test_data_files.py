"""The YAML files that come with the engine, and how they are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engine.model.data_files import parse_data

ROOT = Path(__file__).parents[3]
OURS = sorted(
    path.relative_to(ROOT) for place in ("engine", "examples") for path in (ROOT / place).rglob("*.yaml")
)


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "rows:\n  x: {k: 1, l: 2, k: 3}\n", "a: 1\n'a': 2\n"])
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    # YAML's readers keep the last, so that what people read in the first place means nothing
    with pytest.raises(yaml.YAMLError, match=r"'[ak]' stands there twice"):
        parse_data(text)


def test_the_same_key_in_two_mappings_is_none() -> None:
    assert parse_data("a: {k: 1}\nb: {k: 2}\nc: [{k: 3}, {k: 4}]\n") == {
        "a": {"k": 1},
        "b": {"k": 2},
        "c": [{"k": 3}, {"k": 4}],
    }


@pytest.mark.parametrize("path", OURS, ids=str)
def test_no_file_of_ours_says_a_thing_twice(path: Path) -> None:
    assert parse_data((ROOT / path).read_text("utf-8"))


def test_there_are_such_files() -> None:
    assert Path("engine/review/data/resources.yaml") in OURS and len(OURS) >= 10
