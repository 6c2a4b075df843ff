"""A saved plan is applied exactly as it was reviewed, once, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.errors import PlanTampered
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.model.settings import Settings
from engine.operations import versions
from engine.operations.place import Place
from engine.operations.saved_plans import approve_plan
from tests.functional.conftest import Ended, Provisioner
from tests.policies.permissions import permitted

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

BUCKET = "provisioner-state-123456789012-us-east-1"
TABLE = "provisioner-registry"
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")


@contextmanager
def changed(aws: Cloud, key: str, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """An object with other bytes while the block runs."""
    s3: Any = aws.s3
    before = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=key, Body=change(before))
    try:
        yield
    finally:
        s3.put_object(Bucket=BUCKET, Key=key, Body=before)


@contextmanager
def recorded(aws: Cloud, digest: str, **values: str) -> Iterator[None]:
    """The plan's record with other values while the block runs."""
    key = {"pk": {"S": "PLAN"}, "sk": {"S": digest.removeprefix("sha256:")}}
    before = aws.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    others = {name: {"S": value} for name, value in values.items()}
    aws.dynamodb.put_item(TableName=TABLE, Item={**before, **others})
    try:
        yield
    finally:
        aws.dynamodb.put_item(TableName=TABLE, Item=before)


def parts(aws: Cloud) -> list[str]:
    listed = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="plans/")
    return [one["Key"] for one in listed["Contents"]]


def one_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_saved_plan_is_applied_exactly_or_refused(
    provisioner: Provisioner,
    spec: Callable[..., Path],
    cloud: LocalCloud,
    backend: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = spec("efs")
    folder = tmp_path / "projects" / NAMES.directory

    # WHEN a plan is saved
    with permitted(cloud, "plan"):
        made = provisioner("plan", wanted, "--save", "--json", "--reports", tmp_path / "reports").ok().json
    digest = made["digest"]
    # THEN it lies encrypted under the project's own prefix, and its file is nowhere on this disk
    assert made["project"] == "lab-1/proj-1"
    assert made["has_changes"]
    assert (tmp_path / "reports" / "plan.md").is_file()
    keys = parts(backend)
    assert all(key.startswith(f"plans/lab-1/proj-1/{digest[7:]}/") for key in keys)
    heads = [backend.s3.head_object(Bucket=BUCKET, Key=key) for key in keys]
    assert all(head.get("ServerSideEncryption") for head in heads)
    assert not list(tmp_path.rglob("*.tfplan"))
    with permitted(cloud, "reader"):
        (listed,) = provisioner("plans", "lab-1/proj-1", "--json").ok().json["plans"]
    assert (listed["digest"], listed["state"], listed["approvals"]) == (digest, "waiting", [])

    def apply(*more: str | Path) -> Ended:
        return provisioner("apply", *more, "--plan", digest, "--yes")

    # THEN every other byte of every part refuses it
    place = Place(settings=Settings(), cloud=backend, now=lambda: datetime.now(UTC))
    for key in keys:
        with changed(backend, key, one_bit):
            with pytest.raises(PlanTampered) as refused:
                approve_plan(place, digest)
            assert key.rsplit("/", 1)[1].removesuffix(".json") in refused.value.message
    with changed(backend, f"plans/lab-1/proj-1/{digest[7:]}/project.tfplan", one_bit):
        apply().refused(3, "PLAN_TAMPERED", "project.tfplan")
    backend.s3.put_object(Bucket=BUCKET, Key=keys[0].replace("proj-1", "proj-2"), Body=b"x")
    with recorded(backend, digest, project_id="proj-2"), pytest.raises(PlanTampered):
        approve_plan(place, digest)

    # THEN it is refused for whatever has moved
    provisioner("apply", "--plan", "sha256:" + "0" * 64, "--yes").refused(3, "UNKNOWN_PLAN")
    apply("lab-1/proj-2").refused(3, "PLAN_OF_ANOTHER_PROJECT", "lab-1/proj-1")
    apply(spec("efs", tags={"a": "b"})).refused(3, "PLAN_SPEC_MOVED", "tags")
    spec("efs")
    with state_at(backend, serial=7):
        apply().refused(3, "PLAN_STATE_MOVED", "serial 7")
    for field, code in (
        ("engine", "PLAN_ENGINE_MOVED"),
        ("code", "PLAN_ENGINE_MOVED"),
        ("modules", "PLAN_MODULES_MOVED"),
        ("terraform", "PLAN_PROVIDER_MOVED"),
        ("providers", "PLAN_PROVIDER_MOVED"),
    ):
        with monkeypatch.context() as patch:
            other_versions(patch, field)
            apply().refused(3, code)
    with monkeypatch.context() as patch:
        later(patch, days=30)
        apply().refused(3, "PLAN_EXPIRED")
    monkeypatch.setenv("PROVISIONER_LOG_RETENTION_DAYS", "30")
    apply().refused(3, "PLAN_SETTINGS_MOVED", "cluster-config.yaml")
    monkeypatch.delenv("PROVISIONER_LOG_RETENTION_DAYS")
    monkeypatch.setenv("PROVISIONER_PLAN_APPROVAL", "required")
    apply().refused(3, "PLAN_NOT_APPROVED", f"approve {digest}")
    provisioner("apply", wanted, "--yes").refused(3, "PLAN_NOT_APPROVED")
    assert backend.s3.list_objects_v2(Bucket=BUCKET, Prefix="projects/").get("KeyCount") == 0

    # WHEN somebody approves it, by as much of the digest as is shown, and it is applied from another machine,
    # whose folder holds something else
    (folder / "main.tf.json").write_text("{}")
    (folder / "modules" / "efs" / "main.tf").write_text("")
    short = provisioner("plans", "lab-1/proj-1").ok().out.splitlines()[1].split()[0]
    assert digest.startswith(short) and short != digest
    with permitted(cloud, "apply"):
        approved = provisioner("approve", short, "--as", "ada@example.org", "--yes", "--json").ok().json
    assert approved["digest"] == digest
    assert approved["approvals"][0]["name"] == "ada@example.org"
    assert approved["approvals"][0]["by"].startswith("arn:aws:")
    with permitted(cloud, "apply"):
        done = provisioner("apply", "--plan", short).ok()

    # THEN the project is made of what was saved, nothing of the plan stays here, and the operation tells
    assert "is ready" in done.out
    assert not list(tmp_path.rglob("*.tfplan"))
    assert json.loads((folder / "main.tf.json").read_text())["module"]
    (operation,) = provisioner("operations", "lab-1/proj-1", "--json").ok().json["operations"]
    events = provisioner("operations", "lab-1/proj-1", operation["id"], "--json").ok().out
    assert digest in events
    assert "ada@example.org" in events
    # AND it is applied once
    apply().refused(3, "PLAN_APPLIED")
    provisioner("approve", digest, "--yes").refused(3, "PLAN_APPLIED")
    (listed,) = provisioner("plans", "--json").ok().json["plans"]
    assert (listed["state"], listed["operation_id"]) == ("applied", operation["id"])

    # AND the next change is planned and kept on the state that is there now
    changed_spec = spec("efs", tags={"a": "b"})
    assert provisioner("plan", changed_spec, "--save", "--json").ok().json["counts"]["change"] > 0
    spec("efs")

    # AND when somebody opens a port, that is the only drift
    ec2: Any = backend.ec2
    named = [{"Name": "group-name", "Values": [f"{NAMES.cluster}-efs"]}]
    (group,) = ec2.describe_security_groups(Filters=named)["SecurityGroups"]
    anywhere = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[anywhere])
    ended = provisioner("drift", "lab-1/proj-1", "--json")
    assert ended.code == 2
    (drifted,) = ended.json["projects"][0]["drifted"]
    assert [one["after"] for one in drifted["attributes"]] == ["tcp 22 from 0.0.0.0/0"]


@contextmanager
def state_at(aws: Cloud, *, serial: int) -> Iterator[None]:
    state = {"version": 4, "serial": serial, "lineage": "another", "resources": []}
    aws.s3.put_object(Bucket=BUCKET, Key=NAMES.state_key, Body=json.dumps(state).encode())
    try:
        yield
    finally:
        s3: Any = aws.s3
        for one in s3.list_object_versions(Bucket=BUCKET, Prefix=NAMES.state_key)["Versions"]:
            s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])


def other_versions(patch: pytest.MonkeyPatch, field: str) -> None:
    """An engine that makes plans with something else."""
    from dataclasses import replace

    from engine.operations import saved_plans

    now = versions.made_with
    patch.setattr(saved_plans, "made_with", lambda engine: replace(now(engine), **{field: "another"}))


def later(monkeypatch: pytest.MonkeyPatch, *, days: int) -> None:
    from datetime import timedelta

    from engine.cli.invocation import Invocation

    opened = Invocation.engine

    def engine(invocation: Invocation, reporter: Any) -> Any:
        from dataclasses import replace

        return replace(opened(invocation, reporter), now=lambda: datetime.now(UTC) + timedelta(days=days))

    monkeypatch.setattr(Invocation, "engine", engine)
