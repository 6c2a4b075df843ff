"""A state that is spoilt, lost or put back, with Terraform and what exists beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.names import names_for
from tests.crash.killing import Operator, Run
from tests.crash.once import problems

pytestmark = [pytest.mark.crash, pytest.mark.terraform, pytest.mark.timeout(1800)]

PROJECT = "lab-1/proj-1"
STATES = "provisioner-state-123456789012-us-east-1"


def refused(ended: Run, code: int, error: str) -> None:
    assert ended.code == code, ended.output
    assert error in ended.output


def test_a_state_comes_back(
    engine: Operator, cloud: LocalCloud, backend: Cloud, spec: Callable[..., Path]
) -> None:
    names = names_for("lab-1", "proj-1", account_id="123456789012")
    wanted = str(spec("efs"))
    engine.run("apply", wanted, "--yes").ok()
    before = cloud.left_over()
    document = engine.run("state", "list", PROJECT, "--json").ok().output
    sound = json.loads(document)["versions"][0]["version_id"]
    # A version without the subnet, as it was before that was made.
    state = json.loads(backend.s3.get_object(Bucket=STATES, Key=names.state_key)["Body"].read())
    state["resources"] = [one for one in state["resources"] if one["type"] != "aws_subnet"]
    earlier = backend.s3.put_object(Bucket=STATES, Key=names.state_key, Body=json.dumps(state).encode())

    def restore(version: str) -> Run:
        return engine.run("state", "restore", PROJECT, version, "--confirm", PROJECT)

    # GIVEN something else in the state's place
    backend.s3.put_object(Bucket=STATES, Key=names.state_key, Body=b"spoilt")
    refused(engine.run("apply", wanted, "--yes"), 7, "STATE_CORRUPT")

    # WHEN the last sound version is put back, THEN there is nothing to do; the earlier one is not what exists
    refused(restore(earlier["VersionId"]), 3, "STATE_DOES_NOT_FIT")
    restore(sound).ok()
    engine.run("plan", wanted, "--detailed-exitcode").ok()

    # GIVEN no state at all
    backend.s3.delete_object(Bucket=STATES, Key=names.state_key)
    backend.dynamodb.delete_item(
        TableName="provisioner-terraform-locks", Key={"LockID": {"S": f"{STATES}/{names.state_key}-md5"}}
    )
    refused(engine.run("apply", wanted, "--yes"), 7, "STATE_MISSING")

    # WHEN what exists is adopted, THEN a state is made of it, and the next apply makes nothing twice
    assert engine.run("orphans").code == 2
    engine.run("orphans", "--adopt", "--yes").ok()
    engine.run("apply", wanted, "--yes").ok()
    assert problems(cloud, "efs") == []
    assert cloud.left_over() == before
    engine.run("plan", wanted, "--detailed-exitcode").ok()
