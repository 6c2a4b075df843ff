"""Bootstrap by real Terraform: from nothing, again, after drift, after a kill, over an older backend, down.

Few and long: the AWS provider watches the lifecycle rules of a new bucket for most of a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.aws.buckets import empty_bucket, find_object
from engine.aws.session import Cloud
from engine.errors import EngineError, NotConfirmed
from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.operations.bootstrap import bootstrap, plan_backend
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent
from engine.review.model import Review
from tests.functional.conftest import interrupted_after
from tests.functional.digests import refuse_digests

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

BUCKET = "provisioner-state-123456789012-us-east-1"
LOCKS = "provisioner-terraform-locks"
STATE = "bootstrap/terraform.tfstate"
LOCKING = ("dynamodb:PutItem", "dynamodb:DeleteItem")
WORKSPACES = Path(__file__).parents[2] / "workspaces"


def outcomes(printed: str) -> dict[str, str]:
    """The table's rows, the bucket's long name cut: {"TLS only": "created"}."""
    rows = [line.rsplit(maxsplit=1) for line in printed.splitlines()[1:]]
    return {thing.strip().removeprefix(f"state bucket {BUCKET}: "): outcome for thing, outcome in rows}


def calls(cloud: LocalCloud, kind: str = "") -> dict[str, int]:
    """Changing calls, without those that take and release the state's lock."""
    return {name: n for name, n in cloud.calls().items() if kind in name and name not in LOCKING}


def changed(printed: str) -> dict[str, str]:
    return {thing: outcome for thing, outcome in outcomes(printed).items() if outcome != "unchanged"}


def made(cloud: LocalCloud) -> list[tuple[str, str, str]]:
    return [(one["service"], one["type"], one["name"]) for one in cloud.inventory() if not one["seeded"]]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_from_nothing_to_nothing(cloud, provisioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Cloud(region="us-east-1", endpoint_url=cloud.endpoint, local=True)
    empty = cloud.inventory()

    # WHEN it is only planned THEN the plan is shown, and nothing is made
    planned = provisioner("bootstrap", "--plan", "--json").ok()
    assert planned.json["counts"]["add"] == 13
    assert cloud.inventory() == empty

    # WHEN it is run
    first = provisioner("bootstrap").ok()
    # THEN everything is made, and says whose it is
    assert set(outcomes(first.out).values()) == {"created"}
    assert made(cloud) == [
        ("dynamodb", "table", "provisioner-registry"),
        ("dynamodb", "table", LOCKS),
        ("ecr", "repository", "provisioner"),
        ("kms", "alias", "alias/provisioner"),
        ("kms", "key", "provisioner"),
        ("s3", "bucket", BUCKET),
        ("s3", "object", STATE),
    ]
    for item in cloud.inventory():
        if not item["seeded"] and item["type"] not in ("alias", "object"):
            assert item["tags"]["provisioner:address"].startswith("module.state_backend."), item
    # AND the state is in the bucket, nowhere else
    state = json.loads(find_object(aws, BUCKET, STATE) or b"{}")
    assert len([one for one in state["resources"] if one["mode"] == "managed"]) == 13
    assert [path for path in tmp_path.rglob("terraform.tfstate*") if path.parent.name != ".terraform"] == []
    # AND the backend is one that projects and doctor accept
    assert provisioner("list", "--json").ok().json == {"projects": []}
    checks = provisioner("doctor", "--json").json["checks"]
    assert all(check["ok"] for check in checks if check["name"].split()[0] in ("state", "lock", "registry"))

    # WHEN it is run again THEN nothing is changed, and no lock is left behind
    before = cloud.inventory(), calls(cloud)
    again = provisioner("bootstrap").ok()
    assert set(outcomes(again.out).values()) == {"unchanged"}
    assert (cloud.inventory(), calls(cloud)) == before
    assert [item["LockID"]["S"] for item in aws.dynamodb.scan(TableName=LOCKS)["Items"]] == [
        f"{BUCKET}/{STATE}-md5"
    ]

    # WHEN Terraform cannot write the checksum of the state THEN the engine does, and the next run goes on
    aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    with monkeypatch.context() as patch:
        refused = refuse_digests(patch)
        assert changed(provisioner("bootstrap").ok().out) == {"versioning": "repaired"}
    assert refused
    assert changed(provisioner("bootstrap").ok().out) == {}

    # WHEN somebody changed things by hand
    aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    aws.s3.delete_bucket_policy(Bucket=BUCKET)
    aws.dynamodb.update_table(TableName="provisioner-registry", DeletionProtectionEnabled=False)
    # AND the lock table is gone, with which Terraform would lock the state
    aws.dynamodb.update_table(TableName=LOCKS, DeletionProtectionEnabled=False)
    aws.dynamodb.delete_table(TableName=LOCKS)
    # THEN these things are put right, and only these
    repaired = provisioner("bootstrap").ok()
    assert changed(repaired.out) == {
        "versioning": "repaired",
        "TLS only": "repaired",
        "registry table provisioner-registry": "repaired",
        f"lock table {LOCKS}": "created",
    }
    assert aws.s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"

    # WHEN it is taken down as workspaces/bootstrap/README.md says THEN the account is as it was
    take_down(cloud, provisioner, aws, tmp_path)
    assert cloud.inventory() == empty


def take_down(cloud: LocalCloud, provisioner: Any, aws: Cloud, tmp_path: Path) -> None:
    """The steps of the README, in a copy of the repository's Terraform."""
    root = tmp_path / "checkout" / "workspaces" / "bootstrap"
    shutil.copytree(WORKSPACES / "bootstrap", root, ignore=shutil.ignore_patterns(".terraform", "*.tfvars"))
    shutil.copytree(WORKSPACES.parent / "modules", tmp_path / "checkout" / "modules")
    variables = {"account_id": "123456789012", "region": "us-east-1", "s3_use_path_style": True}
    (root / "terraform.tfvars.json").write_text(json.dumps(variables | {"deletion_protection": False}))
    runner = engine_in(cloud, tmp_path).runner_in(root, project="by hand", log_path=tmp_path / "by-hand.log")
    plan = root / "by-hand.tfplan"

    # A person with plain Terraform sees the same as the engine: nothing to do but what was asked for.
    runner.init(backend_config=tmp_path / "backend.hcl")
    runner.plan(plan)
    changes = runner.show_plan(plan)["resource_changes"]
    assert {one["address"] for one in changes if one["change"]["actions"] == ["update"]} == {
        "module.state_backend.aws_dynamodb_table.lock",
        "module.state_backend.aws_dynamodb_table.registry",
    }
    runner.apply(plan)

    (root / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    runner.migrate_state()
    for name in ("main.tf", "outputs.tf"):
        (root / name).unlink()
    empty_bucket(aws, BUCKET)
    runner.plan(plan)
    runner.apply(plan)


def engine_in(cloud: LocalCloud, folder: Path, **more: str) -> Engine:
    flags = {"endpoint_url": cloud.endpoint, "home": str(folder / "home"), **more}
    settings = load_settings(environ={}, flags=flags).settings
    return open_engine(settings, base=folder, environ=os.environ, reporter=Silent())


def test_an_older_backend_is_adopted_by_runs_that_are_killed(
    cloud, provisioner, backend, tmp_path: Path
) -> None:
    # GIVEN a backend of an earlier version with a project's state in it; its lifecycle rules are today's, so
    # that nobody waits for them
    backend.s3.put_object(Bucket=BUCKET, Key="projects/lab-1/proj-1/terraform.tfstate", Body=b"{}")
    put_lifecycle(backend)

    # WHEN a run is stopped while the key is being made
    engine = engine_in(cloud, tmp_path)
    with interrupted_after(cloud, "CreateKey", engine.interrupt):
        bootstrap(engine, approve=lambda review: None)
    # THEN its state is a file, and the bucket holds none
    [file] = [path for path in tmp_path.rglob("terraform.tfstate") if path.parent.name != ".terraform"]
    assert find_object(backend, BUCKET, STATE) is None

    # WHEN it is run again THEN it goes on: the one key is kept, nothing is replaced
    done = provisioner("bootstrap").ok()
    assert outcomes(done.out)["lifecycle"] == "unchanged"
    assert cloud.calls()["kms:CreateKey"] == 1
    assert calls(cloud, "Delete") == {}
    assert find_object(backend, BUCKET, "projects/lab-1/proj-1/terraform.tfstate") == b"{}"
    assert not file.exists()

    # WHEN a run was killed before its state was in the bucket, and the table has the digest of an earlier one
    file.write_bytes(find_object(backend, BUCKET, STATE) or b"")
    backend.s3.delete_object(Bucket=BUCKET, Key=STATE)
    # THEN the next one finds everything in place, and moves the state
    again = provisioner("bootstrap").ok()
    assert set(outcomes(again.out).values()) == {"unchanged"}
    assert find_object(backend, BUCKET, STATE) is not None
    assert not file.exists()

    # WHEN the state is lost altogether THEN everything is adopted from what AWS says; what AWS does not know
    # (force_destroy) counts as a change
    backend.s3.delete_object(Bucket=BUCKET, Key=STATE)
    creations = calls(cloud, "Create")
    assert "created" not in outcomes(provisioner("bootstrap").ok().out).values()
    assert calls(cloud, "Create") == creations


def put_lifecycle(aws: Cloud) -> None:
    rules: list[Any] = [
        {
            "ID": "abort-incomplete-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {
            "ID": "expire-saved-plans",
            "Status": "Enabled",
            "Filter": {"Prefix": "plans/"},
            "Expiration": {"Days": 30},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        },
    ]
    aws.s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})


def test_what_was_shown_is_what_is_applied(cloud, tmp_path: Path) -> None:
    # GIVEN a run that has shown its plan and waits for a person
    engine = engine_in(cloud, tmp_path, lock_wait_s="0")
    met: list[str] = []

    def others() -> None:
        for another in (plan_backend, lambda engine: bootstrap(engine, approve=lambda review: None)):
            try:
                another(engine)
            except EngineError as error:
                met.append(error.code)

    def approve(_: Review) -> None:
        # WHEN others of this machine plan the same backend meanwhile
        thread = threading.Thread(target=others)
        thread.start()
        thread.join()
        raise NotConfirmed("Nobody confirmed.")

    # THEN they are refused, since they would write over that plan
    with pytest.raises(NotConfirmed):
        bootstrap(engine, approve=approve)
    assert met == ["WORKSPACE_BUSY"] * 2
    assert made(cloud) == []
