"""ParallelCluster moves on: running clusters keep their release until they are made again."""

from __future__ import annotations

import pytest

from engine.local.provider_stack import CAPABILITIES, template_url

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]
PROJECT = "lab-1/proj-1"


def test_a_cluster_keeps_its_release_until_it_is_released(
    cloud, provisioner, backend, spec, monkeypatch
) -> None:
    # GIVEN a running cluster, the provider of a newer release, and settings that name it
    provisioner("apply", spec("efs"), "--yes").ok()
    cloud.client("cloudformation").create_stack(
        StackName="parallelcluster-provider-3-16-3",
        TemplateURL=template_url("3.16.3", "us-east-1"),
        Capabilities=list(CAPABILITIES),
    )
    cloud.client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName="parallelcluster-provider-3-16-3", WaiterConfig={"Delay": 1}
    )
    monkeypatch.setenv("PROVISIONER_PCLUSTER_VERSION", "3.16.3")

    # WHEN it is planned again THEN nothing changes, and its status says what would
    planned = provisioner("plan", spec("efs"), "--detailed-exitcode")
    assert planned.code == 0, planned.out
    assert "keeps ParallelCluster 3.16.1" in planned.err
    cluster = provisioner("status", PROJECT, "--json").ok().json["cluster"]
    assert (cluster["version"], cluster["newer_version"]) == ("3.16.1", "3.16.3")
    assert "release and apply" in provisioner("status", PROJECT).ok().out

    # WHEN it is released and applied again THEN it is of the newer release
    provisioner("release", PROJECT, "--yes").ok()
    provisioner("apply", spec("efs"), "--yes").ok()
    cluster = provisioner("status", PROJECT, "--json").ok().json["cluster"]
    assert (cluster["version"], cluster["newer_version"]) == ("3.16.3", None)
    assert provisioner("list", "--json").ok().json["projects"][0]["cluster_version"] == "3.16.3"
