"""A release touches Lustre only when AWS says that the cluster is gone, whatever Terraform makes of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.aws.clusters import ClusterStatus, describe_cluster
from engine.errors import ClusterError
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.model.settings import load_settings
from engine.model.spec import load_spec
from engine.operations import lustre
from engine.operations.engine import Engine, open_engine
from engine.operations.provision import provision
from engine.operations.release import release
from engine.operations.reporting import Silent
from tests.functional.conftest import LeapingClock, interrupted_after

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
SPEC = {"vlab_id": "lab-1", "project_id": "proj-1", "tier": "debug", "storage": {"kind": "lustre"}}


@pytest.fixture
def engine(cloud: LocalCloud, backend, terraform: str, tmp_path: Path) -> Engine:
    flags = {"endpoint_url": cloud.endpoint, "terraform": terraform, "home": str(tmp_path / "home")}
    settings = load_settings(environ={}, flags=flags).settings
    return open_engine(settings, base=tmp_path, environ=os.environ, reporter=Silent())


class Passing(Silent):
    """Ten minutes go by whenever the engine waits for AWS."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud

    def step(self, text: str, phase: str = "") -> None:
        if phase == "WAITING":
            self._cloud.advance(600)


def applied(engine: Engine, **more: Any) -> None:
    spec = load_spec(json.dumps(SPEC | more), source="test")
    provision(engine, spec, approve=lambda review: None)


def released(engine: Engine) -> None:
    release(engine, "lab-1", "proj-1", approve=lambda review: None)


def cluster(engine: Engine) -> ClusterStatus:
    return describe_cluster(engine.cloud, cluster_name=NAMES.cluster, stack_name=NAMES.stack)


def lustre_calls(cloud: LocalCloud) -> dict[str, int]:
    """What was asked of FSx that writes a file or takes something away."""
    given_up = ("CreateDataRepositoryTask", "DeleteDataRepositoryAssociation", "DeleteFileSystem")
    return {name: count for name, count in cloud.calls().items() if name.endswith(given_up)}


def require_it_gone(mocker, engine: Engine) -> None:
    """Have Lustre given up only where the cluster is gone."""

    def look(*args: Any, **more: Any) -> lustre.Export:
        assert not cluster(engine).exists, "Lustre is given up under a cluster that stands"
        return give_up(*args, **more)

    give_up = lustre.give_up
    mocker.patch.object(lustre, "give_up", look)


@pytest.mark.parametrize("cloud", [{"clock": LeapingClock()}], indirect=True, ids=["leaping"])
def test_a_cluster_that_is_still_being_changed(cloud: LocalCloud, engine: Engine, mocker) -> None:
    # GIVEN an apply that is stopped while CloudFormation changes the cluster, which takes ten minutes
    applied(engine)
    cloud.set_durations(cluster_update_s=600.0)
    with interrupted_after(cloud, "UpdateStack", engine.interrupt):
        applied(engine, compute={"max_nodes": 12})
    assert cluster(engine).stack_status == "UPDATE_IN_PROGRESS"

    # WHEN the project is released THEN Lustre is exported and deleted after the cluster
    require_it_gone(mocker, engine)
    released(engine.reporting_to(Passing(cloud)))
    assert cloud.calls()["fsx:CreateDataRepositoryTask"] == 1
    assert not any(one["service"] == "fsx" for one in cloud.inventory())


@pytest.mark.long
def test_a_cluster_that_must_not_be_deleted(cloud: LocalCloud, engine: Engine) -> None:
    # GIVEN a cluster that somebody has protected
    applied(engine)
    protect = engine.cloud.cloudformation.update_termination_protection
    protect(StackName=NAMES.stack, EnableTerminationProtection=True)

    # WHEN the project is released THEN it is said how to take that back, and nothing is gone; again, too
    for _ in range(2):
        with pytest.raises(ClusterError, match="termination protection") as refused:
            released(engine)
        assert not refused.value.retryable
        assert f"--no-enable-termination-protection --stack-name {NAMES.stack}" in refused.value.hint
        assert cluster(engine).ready
        assert lustre_calls(cloud) == {}

    # WHEN it is taken back THEN the same command goes through
    protect(StackName=NAMES.stack, EnableTerminationProtection=False)
    released(engine)
    assert not cluster(engine).exists
