"""Canaries: no private key and no database password anywhere but in Secrets Manager.

Everything that a project's life leaves behind is searched: every file the commands wrote (workspaces,
plans, reports, logs, Terraform's own folder), all they printed or logged, every version of every S3
object, every DynamoDB item, every stack, and the tags of everything.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.local.server import LocalCloud
from engine.model.names import names_for

PASSWORD = "canary-6b1f0c57e9a24d8b"
PROJECT = "lab-1/proj-1"
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
_SPARED_LINES = 20  # characters; shorter lines of a key could stand anywhere by chance

Texts = Iterator[tuple[str, bytes]]


def key_lines(key: str) -> list[str]:
    """The lines of a private key that are its body, without the frame around it."""
    body = [line for line in key.splitlines() if "-----" not in line]
    return [line for line in body if len(line) > _SPARED_LINES]


def unpacked(name: str, content: bytes) -> Texts:
    """A file, and what is inside it: a saved plan is a zip, and a zip may hold another one."""
    yield name, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.namelist():
                yield from unpacked(f"{name}!{entry}", archive.read(entry))
    elif content[:2] == b"\x1f\x8b":
        yield from unpacked(f"{name}!gzip", gzip.decompress(content))


def on_disk(folder: Path) -> Texts:
    """Every file; links are not followed (Terraform links its provider into the workspace)."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield from unpacked(str(path.relative_to(folder)), path.read_bytes())


def in_the_cloud(cloud: LocalCloud) -> Texts:
    """Everything that others than Secrets Manager and RDS hold."""
    yield "inventory", json.dumps(cloud.inventory(), default=str).encode()
    yield "functions", json.dumps(cloud.client("lambda").list_functions(), default=str).encode()
    s3 = cloud.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        versions = s3.get_paginator("list_object_versions").paginate(Bucket=bucket["Name"])
        for one in (one for page in versions for one in page.get("Versions", [])):
            got = s3.get_object(Bucket=bucket["Name"], Key=one["Key"], VersionId=one["VersionId"])
            yield from unpacked(f"s3://{bucket['Name']}/{one['Key']}@{one['VersionId']}", got["Body"].read())
    dynamodb = cloud.client("dynamodb")
    for table in dynamodb.list_tables()["TableNames"]:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table):
            yield f"table {table}", json.dumps(page["Items"], default=str).encode()
    cloudformation = cloud.client("cloudformation")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        template = cloudformation.get_template(StackName=stack["StackName"])["TemplateBody"]
        events = cloudformation.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
        told = json.dumps([stack, template, events], default=str)
        # A template may itself be text inside text.
        yield f"stack {stack['StackName']}", told.replace("\\n", "\n").encode()


def leaks(texts: Texts, canaries: list[str]) -> list[str]:
    """Where a canary was found, as it is or in base64."""
    wanted = [form for one in canaries for form in (one.encode(), base64.b64encode(one.encode()))]
    return [name for name, content in texts if any(form in content for form in wanted)]


@pytest.mark.terraform
@pytest.mark.timeout(600)
def test_no_secret_is_anywhere_but_in_secrets_manager(
    cloud, provisioner, backend, spec, tmp_path: Path, monkeypatch, caplog
) -> None:
    # GIVEN a user whose shell asks Terraform and Python for all that they can tell
    monkeypatch.setenv("TF_LOG", "TRACE")
    monkeypatch.setenv("TF_LOG_PATH", str(tmp_path / "terraform-trace.log"))
    caplog.set_level(logging.DEBUG)
    said = []

    def run(*arguments: str | Path) -> Any:
        ended = provisioner(*arguments)
        said.append(ended.out + ended.err)
        return ended

    # WHEN a project lives
    run("doctor", "--json").ok()
    run("render", spec("efs"), "--out", tmp_path / "rendered").ok()
    run("plan", spec("efs"), "--json").ok()
    run("apply", spec("efs"), "--yes").ok()
    secrets = cloud.client("secretsmanager")
    key, user_key = (
        secrets.get_secret_value(SecretId=name)["SecretString"]
        for name in (NAMES.key_secret, NAMES.user_key_secret)
    )
    passwords = [secrets.get_secret_value(SecretId=NAMES.accounting_secret)["SecretString"]]
    run("rotate-password", PROJECT).ok()
    passwords += [secrets.get_secret_value(SecretId=NAMES.accounting_secret)["SecretString"]]
    master = next(one for one in secrets.list_secrets()["SecretList"] if one["Name"].startswith("rds!"))
    passwords += [json.loads(secrets.get_secret_value(SecretId=master["ARN"])["SecretString"])["password"]]
    for command in (["status", PROJECT], ["list"], ["outputs", PROJECT], ["settings"]):
        run(*command).ok()
        run(*command, "--json").ok()
    run("ssh-key", PROJECT).ok()
    run("ssh-key", PROJECT, "--user").ok()
    run("ssh-key", PROJECT, "--json").ok()
    run("plan", spec("efs", compute={"max_nodes": 4})).ok()
    run("plan", spec("efs", head_node={"instance_type": "no-such.size"}))

    # THEN its canaries are what they should be, and there was something to search
    canaries = [*passwords, *key_lines(key), *key_lines(user_key)]
    assert len(set(passwords)) == 3 and len(canaries) >= 6
    names = [name for name, _ in on_disk(tmp_path)]
    for expected in ("project.tfplan", "project.tfplan!tfstate", "plan.json", "main.tf.json", ".log"):
        assert any(name.endswith(expected) for name in names), f"{expected} was not searched: {names}"
    assert any(NAMES.state_key in name for name, _ in in_the_cloud(cloud)), "no state was searched"

    # AND none of them is anywhere
    assert leaks(on_disk(tmp_path), canaries) == []
    assert leaks(in_the_cloud(cloud), canaries) == []
    assert leaks(iter([("output", "\n".join(said).encode())]), canaries) == []
    assert leaks(iter([("python's log", caplog.text.encode())]), canaries) == []
    # but in Secrets Manager, each under its own name
    holders = {
        secret["Name"]
        for secret in secrets.list_secrets()["SecretList"]
        if leaks(
            iter([("", secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"].encode())]), canaries
        )
    }
    assert holders == {NAMES.key_secret, NAMES.user_key_secret, NAMES.accounting_secret, master["Name"]}

    # WHEN the key is fetched THEN the file that was asked for is the only one that has it
    fetched = run("ssh-key", PROJECT, "--out", tmp_path / "id_lab_1", "--json").ok().json
    assert fetched == {"secret": NAMES.key_secret, "file": str(tmp_path / "id_lab_1")}
    assert leaks(on_disk(tmp_path), canaries) == ["id_lab_1"]
    assert leaks(iter([("output", "\n".join(said).encode())]), canaries) == []


def test_the_search_finds_what_is_planted(cloud, tmp_path: Path) -> None:
    """A search that finds nothing proves nothing; this one finds a canary wherever one could hide."""
    # GIVEN a canary in plain sight, and in all the places where one could hide
    plan = io.BytesIO()
    with zipfile.ZipFile(plan, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfstate", json.dumps({"values": {"password": PASSWORD}}))
    hidden = tmp_path / ".terraform" / "deep"
    hidden.mkdir(parents=True)
    (hidden / "state.json").write_text(f'{{"password": "{PASSWORD}"}}')
    (tmp_path / "project.tfplan").write_bytes(plan.getvalue())
    (tmp_path / "log.gz").write_bytes(gzip.compress(PASSWORD.encode()))
    (tmp_path / "user-data").write_bytes(base64.b64encode(PASSWORD.encode()))
    (tmp_path / "innocent").write_text(PASSWORD[:-1])

    # THEN each is found, and nothing else
    assert sorted(leaks(on_disk(tmp_path), [PASSWORD])) == [
        ".terraform/deep/state.json",
        "log.gz!gzip",
        "project.tfplan!tfstate",
        "user-data",
    ]

    # GIVEN one in an old version of an object, in a table, in a stack, in a tag
    assert leaks(in_the_cloud(cloud), [PASSWORD]) == []
    plant_in(cloud)

    # THEN
    found = leaks(in_the_cloud(cloud), [PASSWORD])
    assert sorted(name.split("@")[0] for name in found) == [
        "inventory",
        "s3://planted/state",
        "stack planted",
        "table planted",
    ]


def plant_in(cloud: LocalCloud) -> None:
    s3, dynamodb = cloud.client("s3"), cloud.client("dynamodb")
    s3.create_bucket(Bucket="planted")
    s3.put_bucket_versioning(Bucket="planted", VersioningConfiguration={"Status": "Enabled"})
    for body in (PASSWORD, "cleaned up since"):
        s3.put_object(Bucket="planted", Key="state", Body=body.encode())
    s3.put_bucket_tagging(Bucket="planted", Tagging={"TagSet": [{"Key": "note", "Value": PASSWORD}]})
    dynamodb.create_table(
        TableName="planted",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="planted", Item={"pk": {"S": "1"}, "info": {"S": PASSWORD}})
    resources = {"Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"/{PASSWORD}"}}}
    cloud.client("cloudformation").create_stack(
        StackName="planted", TemplateBody=json.dumps({"Resources": resources})
    )


def test_the_lines_of_a_key() -> None:
    frame = "-----BEGIN SOMETHING-----\n{}\n-----END SOMETHING-----\n"
    assert key_lines(frame.format("a" * 70 + "\n" + "b" * 70 + "\nshort")) == ["a" * 70, "b" * 70]
