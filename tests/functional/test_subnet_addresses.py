"""An address block stays reserved until its subnet is gone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.aws.addresses import get_claim
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.model.spec import load_spec
from engine.operations import records
from engine.operations.engine import open_engine
from engine.operations.planning import reserve_block
from engine.operations.release import SubnetStands, give_back
from engine.operations.reporting import Silent
from tests.functional.leftovers import make_things


def test_a_block_is_given_back_when_its_subnet_is_gone(
    cloud: LocalCloud, backend: Cloud, tmp_path: Path
) -> None:
    # GIVEN a project whose subnet stands, in no state
    settings = load_settings(environ={}, flags={"endpoint_url": cloud.endpoint}).settings
    engine = open_engine(settings, base=tmp_path, environ=os.environ, reporter=Silent())
    spec = load_spec(
        '{"vlab_id": "lab-1", "project_id": "proj-1", "storage": {"kind": "efs"}}', source="test"
    )
    record, names = records.note_planned(engine, spec), engine.names("lab-1", "proj-1")
    subnet: Any = make_things(backend, names)["aws_subnet"]
    cidr = reserve_block(engine.cloud, engine.settings, names.project, now=engine.now())

    def held() -> str | None:
        claim = get_claim(backend, settings.registry_table, project=names.project)
        return claim.cidr if claim else None

    # THEN its addresses stay its own
    assert held() == cidr == "10.42.200.0/24"
    with pytest.raises(SubnetStands, match=subnet) as stands:
        give_back(engine, record, names)
    assert stands.value.retryable
    assert held() == cidr

    # WHEN the subnet is gone THEN they are given back
    for target in backend.efs.describe_mount_targets(
        FileSystemId=backend.efs.describe_file_systems()["FileSystems"][0]["FileSystemId"]
    )["MountTargets"]:
        backend.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    backend.ec2.delete_subnet(SubnetId=subnet)
    give_back(engine, record, names)
    assert held() is None
