"""What `status` says of a cluster's release."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.operations.status import ProjectStatus


def status(version: str | None, version_for_new: str) -> ProjectStatus:
    cluster: Any = SimpleNamespace(version=version)
    nothing: Any = None
    return ProjectStatus(nothing, nothing, cluster, None, None, "", "", "sim", "", None, version_for_new)


@pytest.mark.parametrize(
    ("cluster", "settings", "newer"),
    [
        ("3.16.1", "3.16.3", "3.16.3"),
        ("3.9.3", "3.16.1", "3.16.1"),
        ("3.16.1", "3.16.1", None),
        ("3.16.3", "3.16.1", None),
        (None, "3.16.1", None),
    ],
)
def test_a_newer_release_is_named(cluster: str | None, settings: str, newer: str | None) -> None:
    assert status(cluster, settings).newer_version == newer
