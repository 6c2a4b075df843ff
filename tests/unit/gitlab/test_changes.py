"""Which projects a change of a repository of specs concerns."""

from __future__ import annotations

import pytest

from engine.gitlab.changes import SpecChanges
from tests.unit.gitlab.states import compare

A = "vlab_id: lab-1\nproject_id: a\n"
B = "vlab_id: lab-1\nproject_id: b\n"


def projects(changes: SpecChanges) -> tuple[list[str], list[str]]:
    return (
        [file.spec.project for file in changes.changed],
        [file.spec.project for file in changes.removed],
    )


def test_a_new_repository_is_all_new() -> None:
    assert projects(compare({}, {"b.yaml": B, "a.yaml": A})) == (["lab-1/a", "lab-1/b"], [])


def test_what_stays_is_not_named() -> None:
    changes = compare({"a.yaml": A, "b.yaml": B}, {"a.yaml": A, "b.yaml": B + "tier: debug\n"})
    assert projects(changes) == ([], []), "debug is the default"
    changes = compare({"a.yaml": A, "b.yaml": B}, {"a.yaml": A, "b.yaml": B + "tier: prod-mpi\n"})
    assert projects(changes) == (["lab-1/b"], [])


@pytest.mark.parametrize(
    "after",
    [
        {"a.yaml": "# why\n" + A},
        {"a.yaml": "project_id: a\nvlab_id: lab-1\n"},
        {"moved/to/here.yml": A},
        {"a.json": '{"vlab_id": "lab-1", "project_id": "a"}'},
    ],
    ids=["comment", "order", "moved", "json"],
)
def test_another_way_to_write_the_same_changes_nothing(after: dict[str, str]) -> None:
    assert projects(compare({"a.yaml": A}, after)) == ([], [])


def test_a_deleted_spec_is_removed_and_keeps_what_it_was() -> None:
    changes = compare({"a.yaml": A, "b.yaml": B}, {"b.yaml": B})
    assert projects(changes) == ([], ["lab-1/a"])
    assert changes.removed[0].path == "a.yaml"


def test_another_project_in_the_same_file_is_one_new_and_one_removed() -> None:
    assert projects(compare({"x.yaml": A}, {"x.yaml": B})) == (["lab-1/b"], ["lab-1/a"])


def test_everything_counts_all_that_have_a_spec() -> None:
    changes = compare({"a.yaml": A, "b.yaml": B}, {"b.yaml": B}, everything=True)
    assert projects(changes) == (["lab-1/b"], ["lab-1/a"])
