"""What the engine refuses before any work: a clear message, the right exit code, and nothing changed.

What is refused by Terraform or in the middle of an apply is in test_failed_applies.py.
"""

from __future__ import annotations

import io
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.aws.keys import ensure_key_pair
from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.local.run_file import RunFiles, RunRecord
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.model.spec import dump_spec, load_spec, spec_digest

pytestmark = pytest.mark.timeout(120)

ACCOUNT = "123456789012"
REGISTRY = "provisioner-registry"
PROJECT = "lab-1/proj-1"
NAMES = names_for("lab-1", "proj-1", account_id=ACCOUNT)
SMALLEST = {"vlab_id": "lab-1", "project_id": "proj-1", "storage": {"kind": "efs"}}

CHANGING = {
    "apply": ["apply", "proj-1.yaml", "--yes"],
    "release": ["release", PROJECT, "--yes"],
    "destroy": ["destroy", PROJECT, "--confirm", PROJECT],
    "purge": ["destroy", PROJECT, "--purge-data", "--now", "--confirm", PROJECT],
}
READING = {
    "plan": ["plan", "proj-1.yaml"],
    "status": ["status", PROJECT],
    "list": ["list"],
    "outputs": ["outputs", PROJECT],
    "ssh-key": ["ssh-key", PROJECT, "--out", "key"],
}
# Changes something at AWS, but needs neither Terraform nor the shared ground as a whole.
ROTATING = {"rotate-password": ["rotate-password", PROJECT]}
EVERYTHING = CHANGING | READING | ROTATING


@contextmanager
def nothing_changed(cloud: LocalCloud, folder: Path, *, but: tuple[str, ...] = ()) -> Iterator[None]:
    """The cloud, and the workspaces under the folder, are the same before and after.

    but   changing calls that may have succeeded all the same, such as "dynamodb:UpdateItem"
    """

    def seen() -> tuple[Any, ...]:
        calls = {name: count for name, count in cloud.calls().items() if name not in but}
        files = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "home" not in path.parts}
        return cloud.inventory(), calls, files

    before = seen()
    yield
    for then, now in zip(before, seen(), strict=True):
        assert now == then


@pytest.fixture
def known(backend: Cloud, spec) -> Cloud:
    """An account with its backend and one project in the registry, as after an apply; its spec beside."""
    spec("efs")
    found = load_spec(json.dumps(SMALLEST), source="test")
    Registry(backend, REGISTRY).put_new(
        vlab_id="lab-1",
        project_id="proj-1",
        spec_json=dump_spec(found),
        spec_digest=spec_digest(found),
        phase=Phase.READY,
        cluster=NAMES.cluster,
        now=datetime.now(UTC),
    )
    return backend


BAD_SPECS: list[tuple[dict[str, Any], str, str]] = [
    ({"project_id": "proj_1"}, "project_id: ", "proj_1"),
    ({"vlab_id": "../lab"}, "vlab_id: ", "../lab"),
    ({"vlab_id": 7}, "vlab_id: ", "vlab_id: "),
    ({"tier": "dbug"}, "tier: ", "did you mean debug?"),
    ({"storage": {"kind": "floppy"}}, "storage.kind: ", "floppy"),
    ({"storage": {"kind": "lustre", "capacity_gib": 1300}}, "storage.capacity_gib: ", "1200 and 2400"),
    ({"storage": {"kind": "efs", "capacity_gib": 1200}}, "storage.capacity_gib: ", "efs"),
    ({"storage": {"kind": "lustre", "throughput_mbps_per_tib": 3}}, "throughput_mbps_per_tib: ", "125, 250"),
    ({"compute": {"max_nodes": 0}}, "compute.max_nodes: ", "1 to 1000"),
    ({"compute": {"max_nodes": "many"}}, "compute.max_nodes: ", "many"),
    ({"head_node": {"instance_type": "big one"}}, "head_node.instance_type: ", "big one"),
    ({"queues": []}, "queues: ", "at least one"),
    ({"queues": [{"name": "q"}]}, "queues[0].compute_resources: ", "is missing"),
    ({"colour": "red"}, "colour: ", "colour"),
    ({"tags": {"aws:mine": "x"}}, "tags", "reserved prefix"),
    ({"tags": {"cost": ""}}, "tags.cost: ", "no tag without a value"),
]


def test_bad_specs(cloud, provisioner, backend, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    for change, field, said in BAD_SPECS:
        path.write_text(json.dumps(SMALLEST | change))
        for command in (["plan", path, "--json"], ["apply", path, "--yes"], ["render", path, "--out", "x"]):
            with nothing_changed(cloud, tmp_path):
                refused = provisioner(*command).refused(3, "INVALID_SPEC", field, said)
            assert refused.out == ""
            assert "examples/" in refused.err, "no hint"


P3 = {"name": "q", "compute_resources": [{"name": "r", "instance_types": ["p3.8xlarge"], "max_count": 1}]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"head_node": {"instance_type": "m7g.large"}}, "head_node.instance_type: "),
        ({"queues": [P3]}, "queues[0].compute_resources[0].instance_types[0]: "),
    ],
    ids=["head node", "no driver"],
)
def test_nodes_that_make_no_cluster(
    cloud, provisioner, backend, tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    # GIVEN a spec whose fields are fine, whose nodes would be refused by AWS half way through the apply
    path = tmp_path / "bad.yaml"
    path.write_text(json.dumps(SMALLEST | change))
    # WHEN it is used THEN it is refused, and there is no record of it, no address block and no folder
    for command in (["plan", path], ["apply", path, "--yes"], ["render", path, "--out", "x"]):
        with nothing_changed(cloud, tmp_path):
            provisioner(*command).refused(3, "INVALID_SPEC", field)


@pytest.mark.parametrize("text", ["", "- a\n- list", "vlab_id: [", "vlab_id: a\nvlab_id: b\n", "\x00"])
def test_a_spec_that_is_no_mapping(cloud, provisioner, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with nothing_changed(cloud, tmp_path):
        provisioner("apply", "bad.yaml", "--yes").refused(3, "INVALID_SPEC", "bad.yaml")


@pytest.mark.parametrize("binary", ["nowhere", "too old"])
def test_no_usable_terraform(cloud, provisioner, known, tmp_path: Path, monkeypatch, binary: str) -> None:
    # GIVEN settings that name a Terraform that is not there, or is from before 1.11
    named = tmp_path / "bin" / "terraform"
    if binary == "too old":
        named.parent.mkdir()
        named.write_text('#!/bin/sh\necho \'{"terraform_version":"1.5.7","platform":"linux_amd64"}\'\n')
        named.chmod(0o755)
    monkeypatch.setenv("PROVISIONER_TERRAFORM", str(named))

    # WHEN any command that needs it is run THEN it says which one, why, and what to do
    why = "1.5.7; >= 1.11" if binary == "too old" else "not there"
    for command in (EVERYTHING["plan"], *CHANGING.values()):
        with nothing_changed(cloud, tmp_path):
            provisioner(*command).refused(6, "TERRAFORM_MISSING", str(named), why, "PROVISIONER_TERRAFORM")

    # AND what only reads goes without, and doctor says what is missing
    assert provisioner("list", "--json").ok().json["projects"]
    assert why in provisioner("doctor").refused(7).out


def test_an_account_without_the_backend(cloud, provisioner, spec, tmp_path: Path) -> None:
    # GIVEN an account where bootstrap never ran
    spec("efs")
    for name, command in EVERYTHING.items():
        with nothing_changed(cloud, tmp_path):
            refused = provisioner(*command).refused(7, "NOT_BOOTSTRAPPED", "`provisioner bootstrap`")
        assert refused.out == "", name


@pytest.mark.parametrize("missing", ["state bucket", "lock table", "registry table"])
def test_a_backend_that_is_not_whole(
    cloud, provisioner, spec, known: Cloud, tmp_path: Path, missing: str
) -> None:
    # GIVEN settings of which one names something that is not there
    named = {
        "state bucket": "state_bucket=none-of-that-name",
        "lock table": "lock_table=none-of-that-name",
        "registry table": "registry_table=none-of-that-name",
    }[missing]
    for command in (EVERYTHING["plan"], EVERYTHING["apply"], EVERYTHING["release"]):
        with nothing_changed(cloud, tmp_path):
            provisioner("-s", named, *command).refused(
                7, "NOT_BOOTSTRAPPED", f"missing {missing} none-of-that-name", "`provisioner bootstrap`"
            )


def test_a_state_bucket_in_another_region(cloud, provisioner, known: Cloud, tmp_path: Path) -> None:
    cloud.client("s3", "eu-west-1").create_bucket(
        Bucket="states-elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    for command in (EVERYTHING["plan"], EVERYTHING["outputs"], *CHANGING.values(), ["bootstrap"]):
        with nothing_changed(cloud, tmp_path):
            provisioner("-s", "state_bucket=states-elsewhere", *command).refused(
                7, "WRONG_REGION", "stands in eu-west-1, the settings say us-east-1", "Set the region"
            )


def test_a_region_where_nothing_is(cloud, provisioner, known: Cloud, tmp_path: Path) -> None:
    for name, command in EVERYTHING.items():
        with nothing_changed(cloud, tmp_path):
            refused = provisioner("--region", "eu-west-1", *command).refused(7, "NOT_BOOTSTRAPPED")
        assert "region" in refused.err, name


def test_an_endpoint_where_nobody_answers(
    cloud, provisioner, known: Cloud, closed_port: int, tmp_path: Path
) -> None:
    endpoint = f"http://127.0.0.1:{closed_port}"
    for command in (*EVERYTHING.values(), ["bootstrap"]):
        begun = time.monotonic()
        with nothing_changed(cloud, tmp_path):
            provisioner("-s", f"endpoint_url={endpoint}", *command).refused(
                7, "UNREACHABLE", endpoint, "`provisioner local status`"
            )
        assert time.monotonic() - begun < 20, command


def test_no_local_cloud(cloud, provisioner, known: Cloud, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("PROVISIONER_ENDPOINT_URL")
    for command in (*EVERYTHING.values(), ["bootstrap"], ["doctor"]):
        with nothing_changed(cloud, tmp_path):
            provisioner(*command).refused(
                7, "UNREACHABLE", "The local cloud is not running", "`provisioner local up`", "--cloud aws"
            )


def test_a_local_cloud_that_died(cloud, provisioner, spec, closed_port: int, tmp_path: Path, monkeypatch):
    # GIVEN the run file of a local cloud, and nobody at its port
    monkeypatch.delenv("PROVISIONER_ENDPOINT_URL")
    files = RunFiles(tmp_path / "home")
    files.folder.mkdir(parents=True)
    endpoint = f"http://127.0.0.1:{closed_port}"
    files.write(RunRecord(os.getpid(), closed_port, endpoint, "", "", "gone", "us-east-1", ACCOUNT))

    path = spec("efs")

    # THEN
    with nothing_changed(cloud, tmp_path):
        provisioner("apply", path, "--yes").refused(
            7, "UNREACHABLE", "has died; what it held is gone", "`provisioner local up`"
        )


def test_another_account_than_the_settings_say(cloud, provisioner, known: Cloud, tmp_path: Path) -> None:
    for command in (EVERYTHING["plan"], EVERYTHING["outputs"], *CHANGING.values(), ["bootstrap"]):
        with nothing_changed(cloud, tmp_path):
            provisioner("-s", "account_id=210987654321", *command).refused(
                7, "BACKEND_ERROR", f"belong to account {ACCOUNT}, the settings say 210987654321"
            )


@pytest.mark.parametrize("cloud", [{"seeded": False}], indirect=True)
def test_no_shared_ground(cloud, provisioner, known: Cloud, tmp_path: Path) -> None:
    for command in (EVERYTHING["plan"], *CHANGING.values()):
        with nothing_changed(cloud, tmp_path):
            refused = provisioner(*command).refused(7, "SHARED_GROUND_MISSING", "`provisioner doctor`")
        # Everything that is missing is listed at once.
        for name in ("VPC", "accounting database", "accounting function", "provider stack", "public data"):
            assert name in refused.err


def test_part_of_the_shared_ground_is_missing(cloud, provisioner, known: Cloud, tmp_path: Path) -> None:
    with nothing_changed(cloud, tmp_path):
        refused = provisioner("-s", "accounting_function=no-such", *EVERYTHING["apply"])
    refused.refused(7, "SHARED_GROUND_MISSING", "no-such")
    assert "VPC" not in refused.err


def test_a_project_nobody_knows(cloud, provisioner, backend, tmp_path: Path) -> None:
    for name in ("status", "outputs", "ssh-key", "release", "destroy", "purge", "rotate-password"):
        with nothing_changed(cloud, tmp_path):
            refused = provisioner(*EVERYTHING[name]).refused(3, "UNKNOWN_PROJECT", PROJECT)
        assert "`provisioner list`" in refused.err, name


def test_a_password_of_a_project_without_a_cluster(cloud, provisioner, known: Cloud, tmp_path: Path) -> None:
    with nothing_changed(cloud, tmp_path):
        refused = provisioner("rotate-password", PROJECT).refused(3, "NO_CLUSTER", "`provisioner apply`")
    assert refused.out == ""


def test_a_destroy_that_is_not_confirmed(cloud, provisioner, known: Cloud, tmp_path: Path, monkeypatch):
    for purge in ([], ["--purge-data"], ["--purge-data", "--now"]):
        # WHEN another name is given, or nobody is there to type one
        for more, said in (
            (["--confirm", "lab-1/proj-2"], "'lab-1/proj-2' is not 'lab-1/proj-1'"),
            (["--confirm", "proj-1"], "'proj-1' is not 'lab-1/proj-1'"),
            (["--confirm", ""], "'' is not 'lab-1/proj-1'"),
            ([], "--confirm lab-1/proj-1"),
        ):
            # THEN
            with nothing_changed(cloud, tmp_path):
                provisioner("destroy", PROJECT, *purge, *more).refused(
                    3, "NOT_CONFIRMED", "Nothing was changed", said
                )

    # WHEN somebody is there and types the wrong name, or just "y"
    for typed in ("y\n", "lab-1\n", "\n"):
        for more, said in (([], "in 7 days every file"), (["--now"], "for good, with every file")):
            monkeypatch.setattr("sys.stdin", Terminal(typed))
            with nothing_changed(cloud, tmp_path):
                provisioner("destroy", PROJECT, "--purge-data", *more).refused(3, "NOT_CONFIRMED", said)
    with nothing_changed(cloud, tmp_path):
        provisioner("destroy", PROJECT, "--now", "--confirm", PROJECT).refused(
            3, "BAD_REQUEST", "--purge-data"
        )
        assert "was not to go" in provisioner("keep", PROJECT).ok().out


class Terminal(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


def test_a_folder_that_holds_something_else(cloud, provisioner, backend, spec, tmp_path: Path) -> None:
    # GIVEN folders with somebody's files, and with another project's workspace
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter-1.tex").write_text("Call me Ishmael.")
    (tmp_path / "file").write_text("not a folder")
    provisioner("render", spec("efs", "proj-2"), "--out", "of-proj-2", "--offline").ok()
    spec("efs")

    # THEN nothing is written there, and no address block is reserved for it
    for folder, code, said in (
        ("thesis", "FOLDER_IN_USE", "holds no workspace of ours"),
        ("of-proj-2", "FOLDER_IN_USE", "holds the workspace of lab-1/proj-2, not of lab-1/proj-1"),
    ):
        with nothing_changed(cloud, tmp_path):
            provisioner("render", "proj-1.yaml", "--out", folder).refused(3, code, said, "Name a")
    with nothing_changed(cloud, tmp_path):
        assert provisioner("render", "proj-1.yaml", "--out", "file").code == 3


def test_no_address_left(cloud, provisioner, backend, spec, tmp_path: Path) -> None:
    # GIVEN a range with room for one project, and that project
    tiny = ("-s", "address_ranges=10.42.64.0/24")
    provisioner(*tiny, "render", spec("efs", "proj-1"), "--out", "one").ok()
    second = spec("efs", "proj-2")

    # THEN there is none for the next, whose command says who has it; the counter of claims moves on
    with nothing_changed(cloud, tmp_path, but=("dynamodb:UpdateItem",)):
        provisioner(*tiny, "render", second, "--out", "two").refused(5, "NO_ADDRESS_LEFT", "lab-1/proj-1")

    # AND the first keeps its own
    again = provisioner(*tiny, "render", spec("efs", "proj-1"), "--out", "one").ok()
    assert again.out.strip() == "one"


def test_the_private_key_goes_into_a_private_file_only(
    cloud, provisioner, known: Cloud, tmp_path: Path
) -> None:
    # GIVEN a key
    ensure_key_pair(known, key_name=NAMES.key_pair, secret_name=NAMES.key_secret, tags={})
    secret = known.secretsmanager.get_secret_value(SecretId=NAMES.key_secret)["SecretString"]
    key = tmp_path / "key"

    # WHEN it is fetched, under the loosest mask
    mask = os.umask(0)
    try:
        fetched = provisioner("ssh-key", PROJECT, "--out", key).ok()
    finally:
        os.umask(mask)
    # THEN only its owner may read it, and it was not shown
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() == secret
    assert "PRIVATE" not in fetched.out + fetched.err

    # WHEN the file is there already THEN it is left alone
    key.write_text("another key of mine")
    with nothing_changed(cloud, tmp_path):
        provisioner("ssh-key", PROJECT, "--out", key).refused(3, "exists already", "--force")
    assert key.read_text() == "another key of mine"

    # WHEN it may be replaced THEN its mode is right even if it was not before
    key.chmod(0o644)
    provisioner("ssh-key", PROJECT, "--out", key, "--force").ok()
    assert key.read_text() == secret
    assert stat.S_IMODE(key.stat().st_mode) == 0o600

    # WHEN no file is named THEN the secret's name is shown, not the key
    named = provisioner("ssh-key", PROJECT).ok()
    assert named.out.strip() == NAMES.key_secret
    assert provisioner("ssh-key", PROJECT, "--user").ok().out.strip() == NAMES.user_key_secret
    # AND the workflow's user has another key, which there is none of here
    provisioner("ssh-key", PROJECT, "--user", "--out", key, "--force").refused(
        7, "user-key", "does not exist"
    )
    # AND a folder that is not there is no crash
    provisioner("ssh-key", PROJECT, "--out", "no/such/folder/key").refused(3, "cannot be written")


def test_a_key_that_is_gone(cloud, provisioner, known: Cloud, tmp_path: Path) -> None:
    with nothing_changed(cloud, tmp_path):
        provisioner(*EVERYTHING["ssh-key"]).refused(7, "does not exist", "`provisioner apply`")
