"""An apply that is stopped while Lustre is being made: the next one keeps it, and makes nothing twice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.model.spec import load_spec
from engine.operations.engine import Engine, open_engine
from engine.operations.provision import provision
from engine.operations.reporting import Silent
from tests.functional.conftest import interrupted_after

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

SPEC = json.dumps({"vlab_id": "lab-1", "project_id": "proj-1", "storage": {"kind": "lustre"}})


@pytest.fixture
def engine(cloud: LocalCloud, backend, terraform: str, tmp_path: Path) -> Engine:
    flags = {"endpoint_url": cloud.endpoint, "terraform": terraform, "home": str(tmp_path / "home")}
    settings = load_settings(environ={}, flags=flags).settings
    return open_engine(settings, base=tmp_path, environ=os.environ, reporter=Silent())


def test_what_came_up_in_the_meantime_is_kept(cloud: LocalCloud, engine: Engine) -> None:
    # GIVEN an apply that is stopped while Lustre is in the making
    spec = load_spec(SPEC, source="test")
    with interrupted_after(cloud, "CreateFileSystem", engine.interrupt):
        provision(engine, spec, approve=lambda review: None)
    record = engine.registry.get("lab-1", "proj-1")
    assert record is not None
    assert str(record.phase) == "FAILED"

    # WHEN it is applied again
    done = provision(engine, spec, approve=lambda review: None)

    # THEN the file system is the first one, and everything was made once
    assert done.cluster.ready
    calls = cloud.calls()
    once = ("fsx:CreateFileSystem", "efs:CreateFileSystem", "cloudformation:CreateStack", "ec2:CreateSubnet")
    assert {name: calls[name] for name in once} == dict.fromkeys(once, 1)
    assert calls.get("fsx:DeleteFileSystem", 0) == 0
