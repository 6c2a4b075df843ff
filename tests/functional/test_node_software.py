"""A cluster keeps the node software it was made with, whatever the engine brings meanwhile."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import engine.operations.folders
from engine.aws.session import Cloud
from engine.model.names import names_for

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
PROJECT = "lab-1/proj-1"


def software(s3) -> dict[str, bytes]:
    """Key -> text of what lies under scripts/ in the project's bucket."""
    found = s3.list_objects_v2(Bucket=NAMES.bucket, Prefix="scripts/").get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket=NAMES.bucket, Key=one["Key"])["Body"].read() for one in found}


def scripts_of_the_cluster(cloud) -> set[str]:
    """The addresses that the cluster's configuration names."""
    template = cloud.client("cloudformation").get_template(StackName=NAMES.stack)["TemplateBody"]
    return set(
        re.findall(r"s3://[^\"\\]*/node\.sh", template if isinstance(template, str) else json.dumps(template))
    )


def test_an_upgrade_of_the_engine_reaches_a_running_cluster_only_when_it_comes_back(
    cloud, provisioner, backend, spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = Cloud(region="us-east-1", endpoint_url=cloud.endpoint, local=True).s3
    # GIVEN a cluster of a project with more tags than an S3 object takes
    many = spec("efs", tags={f"tag-{number}": "x" for number in range(9)})
    provisioner("apply", many, "--yes").ok()
    first = software(s3)
    (key,) = first
    assert scripts_of_the_cluster(cloud) == {f"s3://{NAMES.bucket}/{key}"}
    assert len(s3.get_object_tagging(Bucket=NAMES.bucket, Key=key)["TagSet"]) == 2

    # WHEN the engine brings another node software
    module_files = engine.operations.folders._module_files
    later = "modules/node-scripts/files/run"

    def changed(modules: tuple[str, ...]) -> dict[str, str]:
        files = module_files(modules)
        return files | ({later: files[later] + "# later\n"} if later in files else {})

    monkeypatch.setattr(engine.operations.folders, "_module_files", changed)
    # THEN nothing is to be done: the cluster goes on with what it was made with
    again = provisioner("plan", many, "--detailed-exitcode")
    assert again.code == 0, again.out
    # AND a change of the cluster leaves text and address alone
    larger = spec("efs", tags={f"tag-{number}": "x" for number in range(9)}, compute={"max_nodes": 12})
    provisioner("apply", larger, "--yes").ok()
    assert software(s3) == first
    assert scripts_of_the_cluster(cloud) == {f"s3://{NAMES.bucket}/{key}"}

    # WHEN somebody else changes what root on the nodes runs THEN the plan stops
    s3.put_object(Bucket=NAMES.bucket, Key=key, Body=b"#!/bin/bash\n")
    refused = provisioner("plan", larger)
    assert refused.code != 0 and "was changed by somebody else" in refused.out + refused.err
    s3.put_object(Bucket=NAMES.bucket, Key=key, Body=first[key])

    # WHEN the project is released and comes back
    provisioner("release", PROJECT, "--yes").ok()
    assert software(s3) == {}
    provisioner("apply", larger, "--yes").ok()
    # THEN the new cluster has the new one
    ((new_key, text),) = software(s3).items()
    assert new_key != key and text != first[key]
    assert text.endswith(b'exec "$home/run" "$@"\n') and b"# later\n" in text
    assert scripts_of_the_cluster(cloud) == {f"s3://{NAMES.bucket}/{new_key}"}
