"""Nodes are judged by the image of their cluster's release, which AWS is asked for only where it matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import InvalidSpec
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.operations import spec_checks
from engine.operations.engine import Engine
from engine.operations.spec_checks import check_spec

OLD, IMAGE = "3.16.1", "ami-0123456789abcdef0"


@pytest.fixture
def p3() -> ProjectSpec:
    """GPUs that ParallelCluster's own images have no driver for."""
    resource = {"name": "r", "instance_types": ["p3.8xlarge"], "max_count": 1}
    queue = {"name": "q", "compute_resources": [resource]}
    return ProjectSpec.model_validate({"vlab_id": "lab-1", "project_id": "proj-1", "queues": [queue]})


@pytest.mark.parametrize(
    ("settings", "standing", "fits"),
    [
        ({"custom_amis": [f"{OLD}=ami-0123456789abcdef0"]}, OLD, True),
        ({"custom_amis": [f"{OLD}=ami-0123456789abcdef0"]}, None, False),
        ({"custom_ami": IMAGE, "custom_amis": [f"{OLD}=none"]}, OLD, False),
        ({"custom_ami": IMAGE, "custom_amis": [f"{OLD}=none"]}, None, True),
        ({"custom_ami": IMAGE, "custom_amis": [f"{OLD}=none"]}, "3.16.3", True),
    ],
    ids=["the old image", "a new cluster without", "no image", "a new cluster", "the settings' release"],
)
def test_the_image_of_the_clusters_release_decides(
    engine: Engine, mocker: Any, p3: ProjectSpec, settings: dict[str, Any], standing: str | None, fits: bool
) -> None:
    given = {"account_id": "123456789012", "pcluster_version": "3.16.3", **settings}
    place = replace(engine, settings=Settings.model_validate(given))
    mocker.patch.object(spec_checks.clusters, "standing_version", return_value=standing)
    if fits:
        check_spec(place, p3)
        return
    with pytest.raises(InvalidSpec, match="no driver"):
        check_spec(place, p3)


@pytest.mark.parametrize(("of_spec", "of_all", "fits"), [(30, 0, True), (27, 3, True), (27, 4, False)])
def test_tags_of_spec_and_installation_fit_together(
    engine: Engine, of_spec: int, of_all: int, fits: bool
) -> None:
    place = replace(
        engine,
        settings=Settings(account_id="123456789012", project_tags={f"all-{n}": "x" for n in range(of_all)}),
    )
    tags = {f"spec-{n}": "x" for n in range(of_spec)}
    spec = ProjectSpec(vlab_id="lab-1", project_id="proj-1", tags=tags)
    if fits:
        check_spec(place, spec)
        return
    with pytest.raises(InvalidSpec, match="has 27 entries, and the setting project_tags adds 4"):
        check_spec(place, spec)


def test_nobody_is_asked_where_no_release_has_an_image_of_its_own(engine: Engine, p3: ProjectSpec) -> None:
    # The engine of these tests reaches nobody.
    with pytest.raises(InvalidSpec, match="no driver"):
        check_spec(engine, p3)
