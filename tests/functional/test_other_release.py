"""A state that is put back or made anew while the settings name another release than the cluster's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.names import names_for
from tests.functional.conftest import Provisioner
from tests.functional.test_second_cluster import offer_release
from tests.policies.permissions import with_policies

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

PROJECT = "lab-1/proj-1"
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
STATES = "provisioner-state-123456789012-us-east-1"


def test_what_stands_keeps_its_release(
    cloud: LocalCloud,
    backend: Cloud,
    provisioner: Provisioner,
    spec: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stack() -> dict[str, Any]:
        found: dict[str, Any] = backend.cloudformation.describe_stacks(StackName=NAMES.stack)["Stacks"][0]
        template = backend.cloudformation.get_template(StackName=NAMES.stack)["TemplateBody"]
        return {"status": found["StackStatus"], "template": json.dumps(template)}

    provisioner = with_policies(cloud, provisioner)

    # GIVEN a cluster, and settings that name a newer release
    offer_release(cloud, "3.16.3")
    provisioner("apply", spec("efs"), "--yes").ok()
    made = stack()
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
    with monkeypatch.context() as patch:
        # What would update the cluster unreviewed is refused, whatever the reason.
        patch.setattr("engine.operations.orphans.on_its_release", lambda engine, _: engine)
        provisioner("orphans", "--adopt", "--yes").refused(7, "ORPHAN_CONFLICT", "aws_cloudformation_stack")
    assert stack() == made
    provisioner("orphans", "--adopt", "--yes").ok()
    assert stack() == made
    provisioner("apply", spec("efs"), "--yes").ok()
    provisioner("rotate-password", PROJECT).ok()
    assert stack() == made
    assert cloud.left_over() == before
