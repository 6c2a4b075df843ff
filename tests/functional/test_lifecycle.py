"""The main job, by real Terraform on the local cloud: up, again, changed, parked, up again, gone."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from engine.aws.registry import Registry
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model import tags
from engine.model.names import names_for
from engine.operations import folders
from tests.policies.permissions import with_policies

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
NODES_BUCKET = "provisioner-nodes-123456789012-us-east-1"
ENGINE_MADE = {"provisioner-state-123456789012-us-east-1", NAMES.key_secret, NAMES.user_key_secret}
MADE_BY_MODULES = {
    ("cloudformation", "stack"),
    ("ec2", "security-group"),
    ("ec2", "subnet"),
    ("efs", "file-system"),
    ("fsx", "data-repository-association"),
    ("fsx", "file-system"),
    ("s3", "bucket"),
    ("secretsmanager", "secret"),
}
BY_THE_HOUR = {"ec2:subnet", "ec2:instance", "fsx:file-system", "efs:mount-target", "cloudformation:stack"}


def kinds(cloud: LocalCloud) -> list[str]:
    return [f"{one['service']}:{one['type']}" for one in cloud.inventory() if not one["seeded"]]


def client(cloud: LocalCloud) -> Cloud:
    return Cloud(region="us-east-1", endpoint_url=cloud.endpoint, local=True)


def require_tags(cloud: LocalCloud, tmp_path: Path) -> None:
    """Project, owner and Terraform address on all that recovery after a crash would look for."""
    report = json.loads((tmp_path / "projects" / NAMES.directory / "plan.json").read_text("utf-8"))
    planned = {tags.address_tag(change["address"]) for change in report["changes"]}
    made = [
        item
        for item in cloud.inventory()
        if not item["seeded"] and (item["service"], item["type"]) in MADE_BY_MODULES
    ]
    found = [item for item in made if item["name"] != NAMES.cluster or item["type"] != "stack"]
    assert {(item["service"], item["type"]) for item in found} == MADE_BY_MODULES
    for item in found:
        if item["id"] in ENGINE_MADE:
            continue
        assert item["tags"].get(tags.ADDRESS) in planned, item
        assert item["tags"][tags.PROJECT] == "proj-1", item
        assert item["tags"][tags.OWNER] == "lab-1", item


def node_software(cloud: LocalCloud) -> dict[str, bytes]:
    """Address -> text of the software of the project's nodes: what its bucket holds, which must be what the
    cluster's configuration names."""
    s3 = client(cloud).s3
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=NAMES.bucket, Prefix="scripts/")["Contents"]]
    held = {key: s3.get_object(Bucket=NAMES.bucket, Key=key)["Body"].read() for key in keys}
    template = cloud.client("cloudformation").get_template(StackName=NAMES.stack)["TemplateBody"]
    text = template if isinstance(template, str) else json.dumps(template)
    named = set(re.findall(r"s3://[^\"\\]*/node\.sh", text))
    found = {f"s3://{NAMES.bucket}/{key}": content for key, content in held.items()}
    assert set(found) == named
    return found


def a_later_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's next version, with another software for the nodes."""
    files_of = folders.module_files
    changed = "modules/node-scripts/files/run"

    def later(modules: tuple[str, ...]) -> dict[str, str]:
        files = files_of(modules)
        return files | ({changed: files[changed] + "# later\n"} if changed in files else {})

    monkeypatch.setattr(folders, "module_files", later)


def test_a_lustre_project_from_nothing_to_nothing(
    cloud, provisioner, backend, spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an account with its backend, and nobody with more permissions than docs/policies gives
    provisioner = with_policies(cloud, provisioner)
    empty = cloud.inventory()

    # WHEN the project is planned
    planned = provisioner("plan", spec("lustre")).ok()
    # THEN the plan names what is made, and only the registry has moved
    assert "aws_fsx_lustre_file_system" in planned.out
    assert not set(kinds(cloud)) & BY_THE_HOUR

    # WHEN it is applied
    applied = provisioner("apply", spec("lustre"), "--yes").ok()
    # THEN it is ready, by AWS's own word
    assert "is ready" in applied.out
    status = provisioner("status", "lab-1/proj-1", "--json").ok().json
    assert status["phase"] == "READY"
    assert status["cluster"]["status"] == "CREATE_COMPLETE"
    assert status["cluster"]["compute_fleet"] == "RUNNING"
    assert status["cluster"]["head_node_private_ip"].startswith("10.42.")
    assert status["lustre"].endswith("AVAILABLE")
    # AND the workflow's user has a key of its own, whose public half waits for the head node
    assert status["user"]["name"] == "sim" and ":secret:" in status["user"]["ssh_key_arn"]
    assert status["user"]["ssh_key_secret"] == NAMES.user_key_secret != NAMES.key_secret
    keys = client(cloud).s3.get_object(Bucket=NODES_BUCKET, Key=NAMES.authorized_keys_key)["Body"].read()
    assert keys.startswith(b"ssh-ed25519 ") and keys.endswith(f" sim@{NAMES.cluster}\n".encode())
    outputs = provisioner("outputs", "lab-1/proj-1", "--json").ok().json
    assert outputs["head_node_private_ip"] == status["cluster"]["head_node_private_ip"]

    # AND everything taggable says whose it is and where it stands in Terraform
    require_tags(cloud, tmp_path)

    # WHEN it is applied again, by a later version of the engine, THEN nothing is planned
    software = node_software(cloud)
    a_later_engine(monkeypatch)
    calls = cloud.calls()
    again = provisioner("plan", spec("lustre"), "--detailed-exitcode")
    assert again.code == 0, again.out
    assert "nothing to do" in provisioner("apply", spec("lustre"), "--yes").ok().out
    assert {name: count for name, count in cloud.calls().items() if ":Create" in name} == {
        name: count for name, count in calls.items() if ":Create" in name
    }

    # WHEN its queue grows THEN the cluster is updated in place
    stack_before = status["cluster"]["name"]
    larger = spec("lustre", compute={"max_nodes": 16})
    changed = provisioner("plan", larger, "--json", "--detailed-exitcode")
    assert changed.code == 2
    assert {change["action"] for change in changed.json["changes"] if change["action"] != "no-change"} == {
        "update"
    }
    provisioner("apply", larger, "--yes").ok()
    status = provisioner("status", "lab-1/proj-1", "--json").ok().json
    assert status["cluster"]["status"] == "UPDATE_COMPLETE"
    assert status["cluster"]["name"] == stack_before
    # AND its nodes go on with the software it was made with
    assert node_software(cloud) == software

    # WHEN somebody else changes what root on the nodes runs THEN nothing goes on until it is put back
    ((address, text),) = software.items()
    key = address.removeprefix(f"s3://{NAMES.bucket}/")
    client(cloud).s3.put_object(Bucket=NAMES.bucket, Key=key, Body=b"#!/bin/bash\n")
    refused = provisioner("plan", larger)
    assert refused.code != 0 and "was changed by somebody else" in " ".join(
        (refused.out + refused.err).split()
    )
    client(cloud).s3.put_object(Bucket=NAMES.bucket, Key=key, Body=text)

    # WHEN a job has written results and the cluster is released
    lustre_id = status["lustre"].split()[0]
    cloud.write_lustre(lustre_id, "/project/private/results/run-1.dat", b"forty-two")
    released = provisioner("release", "lab-1/proj-1", "--yes").ok()
    # THEN the results are in the bucket, and nothing that costs by the hour is left
    assert "exported" in released.out
    body = client(cloud).s3.get_object(Bucket=NAMES.bucket, Key="private/results/run-1.dat")["Body"].read()
    assert body == b"forty-two"
    assert not set(kinds(cloud)) & BY_THE_HOUR
    # AND what is kept is the data: the job records too, but nobody who could log in to them
    assert {"s3:bucket", "efs:file-system", "accounting:database"} <= set(kinds(cloud))
    assert not {"accounting:user", "secretsmanager:secret"} & set(kinds(cloud))
    parked = provisioner("status", "lab-1/proj-1", "--json").json
    assert (parked["phase"], parked["user"]["ssh_key_arn"]) == ("PARKED", None)
    assert "Contents" not in client(cloud).s3.list_objects_v2(Bucket=NODES_BUCKET, Prefix="projects/")
    # AND releasing it again is no error
    provisioner("release", "lab-1/proj-1", "--yes").ok()

    # WHEN it comes back THEN its results are on Lustre again
    provisioner("apply", larger, "--yes").ok()
    lustre_id = provisioner("status", "lab-1/proj-1", "--json").json["lustre"].split()[0]
    # AND the new cluster has the new software
    ((new_address, new_text),) = node_software(cloud).items()
    assert new_address != address and b"# later\n" in new_text
    assert "/project/private/results/run-1.dat" in str(cloud.list_lustre(lustre_id))

    # WHEN it is destroyed with its data
    gone = provisioner("destroy", "lab-1/proj-1", "--purge-data", "--now", "--confirm", "lab-1/proj-1").ok()
    # THEN the account is as it was before
    assert "is gone" in gone.out
    assert cloud.inventory() == empty
    provisioner("status", "lab-1/proj-1").refused(3, "UNKNOWN_PROJECT")
    assert provisioner("list", "--json").json == {"projects": []}


@pytest.mark.long
def test_efs_projects_side_by_side(cloud, provisioner, backend, spec) -> None:
    def of_the_first() -> list[object]:
        return [item for item in cloud.inventory() if "proj-1" in str(item)]

    provisioner("apply", spec("efs", "proj-1"), "--yes").ok()
    assert "fsx:file-system" not in kinds(cloud)
    first = of_the_first()

    # WHEN a second project comes and goes THEN the first is not touched
    provisioner("apply", spec("efs", "proj-2"), "--yes").ok()
    assert of_the_first() == first
    marked = provisioner("destroy", "lab-1/proj-2", "--purge-data", "--confirm", "lab-1/proj-2").ok()
    assert "Its data goes at" in marked.out and "provisioner keep" in marked.out
    assert of_the_first() == first
    # AND its data is still there until its time has come, as both commands say
    assert provisioner("status", "lab-1/proj-2", "--json").json["purge_at"]
    assert "PARKED, data goes" in provisioner("list").ok().out
    assert any(item["type"] == "bucket" and "proj-2" in item["name"] for item in cloud.inventory())
    registry = Registry(backend, table="provisioner-registry")
    record = registry.get("lab-1", "proj-2")
    assert record and record.purge_at
    registry.replace(record, now=record.updated_at, purge_at=record.updated_at)
    gone = provisioner("destroy", "lab-1/proj-2", "--purge-data", "--confirm", "lab-1/proj-2").ok()
    assert "is gone" in gone.out and not any("proj-2" in str(item) for item in cloud.inventory())
    assert of_the_first() == first


def test_a_spec_is_enough_for_a_person_with_terraform(
    cloud, provisioner, backend, spec, tmp_path: Path
) -> None:
    """`terraform init && terraform plan` in a rendered folder, by the local cloud's environment alone."""
    from engine.operations.engine import open_engine
    from engine.operations.reporting import Silent

    folder = tmp_path / "by-hand"
    provisioner("render", spec("lustre"), "--out", folder).ok()
    engine = open_engine_for(cloud, tmp_path, open_engine, Silent())
    runner = engine.runner(NAMES, folder)

    runner.init()
    assert runner.plan(folder / "by-hand.tfplan").has_changes


def open_engine_for(cloud: LocalCloud, tmp_path: Path, open_engine, reporter):
    from engine.model.settings import load_settings

    settings = load_settings(
        file=None, file_source="", environ={}, flags={"endpoint_url": cloud.endpoint}
    ).settings
    return open_engine(settings, base=tmp_path, environ=os.environ, reporter=reporter)
