"""A cluster of another release is planned with that release and its provider."""

from __future__ import annotations

import pytest

from engine.errors import InvalidSettings
from engine.model.settings import Settings, load_settings


def settings(**flags: str | tuple[str, ...]) -> Settings:
    return load_settings(flags=flags).settings


@pytest.mark.parametrize(
    ("given", "stack"),
    [
        ({}, "parallelcluster-provider-3-15-0"),
        ({"pcluster_provider_stack": "acme-pcluster-3-16-1"}, "acme-pcluster-3-15-0"),
        ({"pcluster_provider_stack": "acme-pcluster"}, "parallelcluster-provider-3-15-0"),
    ],
)
def test_version_and_provider_stack_go_together(given: dict[str, str], stack: str) -> None:
    older = settings(pcluster_version="3.16.1", **given).of_release("3.15.0")
    assert (older.pcluster_version, older.pcluster_provider_stack) == ("3.15.0", stack)


def test_nothing_else_changes_and_the_own_release_nothing_at_all() -> None:
    own = settings(pcluster_version="3.16.1", pcluster_provider_stack="acme", os="ubuntu2404")
    assert own.of_release("3.16.1") is own
    changed = {"pcluster_version", "pcluster_provider_stack"}
    before, after = own.values(), own.of_release("3.16.3").values()
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_cluster_that_keeps_its_release_keeps_the_image_that_was_built_for_it() -> None:
    own = settings(pcluster_version="3.16.3", custom_ami="ami-33333333", custom_amis=("3.16.1=ami-11111111",))
    assert own.custom_ami == "ami-33333333"
    assert own.of_release("3.16.1").custom_ami == "ami-11111111"
    assert own.of_release("3.15.0").custom_ami == "ami-33333333"


def test_a_cluster_that_runs_on_parallelclusters_own_image_keeps_that_one() -> None:
    own = settings(pcluster_version="3.16.3", custom_ami="ami-33333333", custom_amis=("3.16.1=none",))
    assert own.custom_ami == "ami-33333333"
    assert own.of_release("3.16.1").custom_ami is None


@pytest.mark.parametrize(
    "images", [("3.16.1",), ("3.16.1=img",), ("3.16.1=ami-11111111", "3.16.1=ami-22222222")]
)
def test_an_image_of_no_release_and_two_of_one_are_refused(images: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSettings, match="custom_amis"):
        settings(custom_amis=images)
