"""A state that is put back or made anew by another release of ParallelCluster or of the engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.aws.state_store import StateStore
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.terraform.state import instances
from engine.workspace.resources import ACCOUNTING_USER, CLUSTER_STACK, JOB_RECORDS
from tests.functional.conftest import Provisioner
from tests.functional.test_lifecycle import a_later_engine
from tests.functional.test_second_cluster import offer_release
from tests.policies.permissions import with_policies

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

PROJECT = "lab-1/proj-1"
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
STATES = "provisioner-state-123456789012-us-east-1"
LOCKS = "provisioner-terraform-locks"


def stack(aws: Cloud) -> dict[str, Any]:
    """The cluster as CloudFormation has it."""
    found: dict[str, Any] = aws.cloudformation.describe_stacks(StackName=NAMES.stack)["Stacks"][0]
    template = aws.cloudformation.get_template(StackName=NAMES.stack)["TemplateBody"]
    return {"status": found["StackStatus"], "template": json.dumps(template)}


def test_what_stands_keeps_its_release(
    cloud: LocalCloud,
    backend: Cloud,
    provisioner: Provisioner,
    spec: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provisioner = with_policies(cloud, provisioner)

    # GIVEN a cluster, and settings that name a newer release
    offer_release(cloud, "3.16.3")
    provisioner("apply", spec("efs"), "--yes").ok()
    made = stack(backend)
    before = cloud.left_over()
    monkeypatch.setenv("PROVISIONER_PCLUSTER_VERSION", "3.16.3")
    sound = provisioner("state", "list", PROJECT, "--json").ok().json["versions"][0]["version_id"]

    # WHEN something else is in the state's place THEN the version before is what exists, and is put back
    backend.s3.put_object(Bucket=STATES, Key=NAMES.state_key, Body=b"spoilt")
    provisioner("state", "restore", PROJECT, sound, "--confirm", PROJECT).ok()
    provisioner("plan", spec("efs"), "--detailed-exitcode").ok()

    # GIVEN something spoilt, and no version that is sound THEN that is told, and nobody's is hidden by it
    backend.s3.put_object(Bucket=STATES, Key=NAMES.state_key, Body=b"spoilt")
    provisioner("orphans").refused(7, "STATE_CORRUPT")
    # WHEN it is taken away THEN a state is made of what exists, which stays as it is
    backend.s3.delete_object(Bucket=STATES, Key=NAMES.state_key)
    provisioner("orphans", "--adopt", "--yes").ok()
    assert stack(backend) == made
    provisioner("apply", spec("efs"), "--yes").ok()
    provisioner("rotate-password", PROJECT).ok()
    assert stack(backend) == made
    assert cloud.left_over() == before


def test_nodes_are_judged_by_the_image_of_their_cluster(
    cloud: LocalCloud,
    backend: Cloud,
    provisioner: Provisioner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a cluster whose nodes need the image that it was made with
    old_gpus = with_old_gpus("proj-1", tmp_path)
    monkeypatch.setenv("PROVISIONER_CUSTOM_AMI", "ami-0123456789abcdef0")
    provisioner("apply", old_gpus, "--yes").ok()

    # WHEN the settings name a newer release, which has no image of its own
    offer_release(cloud, "3.16.3")
    monkeypatch.delenv("PROVISIONER_CUSTOM_AMI")
    monkeypatch.setenv("PROVISIONER_PCLUSTER_VERSION", "3.16.3")
    provisioner("plan", old_gpus).refused(3, "INVALID_SPEC", "no driver")
    monkeypatch.setenv("PROVISIONER_CUSTOM_AMIS", "3.16.1=ami-0123456789abcdef0")

    # THEN nothing changes for the cluster, whose image that is
    provisioner("plan", old_gpus, "--detailed-exitcode").ok()
    digest = provisioner("plan", old_gpus, "--save", "--json").ok().json["digest"]
    provisioner("apply", "--plan", digest, "--yes").ok()
    provisioner("render", old_gpus, "--out", tmp_path / "rendered").ok()
    # AND another project's, which would be of the newer release, could not be made: nothing is noted of it
    another = with_old_gpus("proj-2", tmp_path)
    provisioner("plan", another).refused(3, "INVALID_SPEC", "no driver")
    provisioner("render", another, "--out", tmp_path / "another").refused(3, "INVALID_SPEC", "no driver")
    assert "proj-2" not in provisioner("list", "--json").ok().out
    assert not (tmp_path / "another").exists()


def with_old_gpus(project_id: str, folder: Path) -> Path:
    """The file of a spec with GPUs that ParallelCluster's own images have no driver for."""
    resource = {"name": "r", "instance_types": ["p3dn.24xlarge"], "max_count": 1}
    wanted = {
        "vlab_id": "lab-1",
        "project_id": project_id,
        "storage": {"kind": "efs"},
        "queues": [{"name": "q", "compute_resources": [resource]}],
    }
    path = folder / f"{project_id}.json"
    path.write_text(json.dumps(wanted))
    return path


def test_a_cluster_whose_state_is_lost_can_be_given_back_by_a_later_engine(
    cloud: LocalCloud,
    backend: Cloud,
    provisioner: Provisioner,
    spec: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The state alone holds the address of the nodes' software (ADR 0017): without it the later engine's is
    planned, with which a running cluster would be another."""
    provisioner = with_policies(cloud, provisioner)
    # GIVEN a cluster, and a later engine that finds no state
    provisioner("apply", spec("efs"), "--yes").ok()
    made = stack(backend)
    a_later_engine(monkeypatch)
    backend.s3.delete_object(Bucket=STATES, Key=NAMES.state_key)
    # WHEN what exists is taken in THEN the cluster is as it was, and an update of it is refused
    provisioner("orphans", "--adopt", "--yes").ok()
    assert stack(backend) == made
    provisioner("apply", spec("efs"), "--yes").refused(3, "CLUSTER_UPDATE_REFUSED", "release the project")

    # GIVEN a run that died before it had written any state
    StateStore(backend, bucket=STATES, lock_table=LOCKS).delete(NAMES.state_key)
    registry = Registry(backend, "provisioner-registry")
    record = registry.get("lab-1", "proj-1")
    assert record is not None
    registry.replace(record, now=record.updated_at, phase=Phase.APPLYING)
    # WHEN the project is released THEN what that run made is taken in and given back
    provisioner("release", PROJECT, "--yes").ok()
    provisioner("orphans").ok()
    assert provisioner("status", PROJECT, "--json").ok().json["phase"] == "PARKED"
    assert not any("cloudformation" in line and NAMES.stack in line for line in cloud.left_over())


def test_a_cluster_with_records_that_are_kept_for_longer_is_taken_in_and_given_back(
    cloud: LocalCloud,
    backend: Cloud,
    provisioner: Provisioner,
    spec: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the nodes read names the records' log group: Terraform would make that along with it."""
    provisioner = with_policies(cloud, provisioner)
    # GIVEN a cluster with records of a year, settings that name fewer days since, and a state that is lost
    provisioner("apply", spec("efs"), "--yes").ok()
    made = stack(backend)
    monkeypatch.setenv("PROVISIONER_JOB_RECORD_RETENTION_DAYS", "90")
    backend.s3.delete_object(Bucket=STATES, Key=NAMES.state_key)

    # WHEN what exists is taken in THEN both are in the state as they are, with what a release takes away
    provisioner("orphans", "--adopt", "--yes").ok()
    assert stack(backend) == made
    assert days_of_records(backend) == 365
    state = json.loads(backend.s3.get_object(Bucket=STATES, Key=NAMES.state_key)["Body"].read())
    assert {CLUSTER_STACK, JOB_RECORDS, ACCOUNTING_USER} <= {one.address for one in instances(state)}
    provisioner("orphans").ok()
    # AND the cluster can be given back
    provisioner("release", PROJECT, "--yes").ok()
    assert not any("cloudformation" in line and NAMES.stack in line for line in cloud.left_over())


def days_of_records(aws: Cloud) -> int:
    logs: Any = aws.logs
    (group,) = logs.describe_log_groups(logGroupNamePrefix=NAMES.job_log_group)["logGroups"]
    return int(group["retentionInDays"])
