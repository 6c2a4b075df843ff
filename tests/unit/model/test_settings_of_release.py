"""A cluster of another release is planned with that release and its provider."""

from __future__ import annotations

import pytest

from engine.model.settings import Settings, load_settings


def settings(**flags: str) -> Settings:
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
