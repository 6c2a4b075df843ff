"""A state that is lost, spoilt or half written is told or mended before Terraform sees it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture

from engine.aws.registry import Phase
from engine.aws.session import Cloud
from engine.aws.state_store import StateCorrupt, StateStore, digest_of
from engine.errors import InvalidSettings, StateLocked, TerraformError
from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.model.settings import load_settings
from engine.model.spec import dump_spec, load_spec
from engine.operations import destroy, records, recovery, release, state_versions, states
from engine.operations.engine import Engine, open_engine
from engine.operations.folders import Installation, hand_over
from engine.operations.holding import WorkspaceBusy
from engine.operations.orphans import adopt_project
from engine.operations.outputs import project_outputs
from engine.operations.planning import make_plan, write_project
from engine.operations.reporting import Silent
from engine.operations.state_versions import NoSuchVersion, StateDoesNotFit
from engine.operations.states import StateMissing, StateOfOpenTofu
from engine.terraform.mirror import REGISTRIES
from engine.workspace.stack import Presence
from tests.functional.conftest import Provisioner, _make_backend
from tests.functional.digests import refuse_digests
from tests.policies.permissions import permitted

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
BUCKET = "provisioner-state-123456789012-us-east-1"
LOCKS = "provisioner-terraform-locks"
DIGEST = {"LockID": {"S": f"{BUCKET}/{NAMES.state_key}-md5"}}
SPEC = load_spec(
    json.dumps({"vlab_id": "lab-1", "project_id": "proj-1", "storage": {"kind": "efs"}}), source="test"
)


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(durations=INSTANT) as cloud:
        _make_backend(Cloud(region=cloud.region, endpoint_url=cloud.endpoint, local=True))
        yield cloud


@pytest.fixture
def engine(cloud: LocalCloud, tmp_path: Path) -> Iterator[Engine]:
    """One project that came to its end; what is written of it goes with the test."""
    settings = load_settings(environ={}, flags={"endpoint_url": cloud.endpoint, "lock_wait_s": "0"}).settings
    engine = open_engine(settings, base=tmp_path, environ=os.environ, reporter=Silent())
    engine.registry.put_new(
        vlab_id="lab-1",
        project_id="proj-1",
        spec_json=dump_spec(SPEC),
        spec_digest="x",
        phase=Phase.READY,
        cluster=NAMES.cluster,
        now=engine.now(),
    )
    yield engine
    s3 = engine.cloud.s3
    for one in engine.state_store.versions(NAMES.state_key):
        s3.delete_object(Bucket=BUCKET, Key=NAMES.state_key, VersionId=one.version_id)
    engine.cloud.dynamodb.delete_item(TableName=LOCKS, Key=DIGEST)
    record = engine.registry.get("lab-1", "proj-1")
    assert record is not None
    engine.registry.remove(record)


def state(serial: int, *ids: str, lineage: str = "one") -> bytes:
    resources = [
        {"mode": "managed", "type": "aws_subnet", "name": id_, "instances": [{"attributes": {"id": id_}}]}
        for id_ in ids
    ]
    return json.dumps({"version": 4, "serial": serial, "lineage": lineage, "resources": resources}).encode()


def put(engine: Engine, content: bytes, *, digest: str | None = None) -> str:
    """Write a state as Terraform does; gives its version."""
    made = engine.cloud.s3.put_object(Bucket=BUCKET, Key=NAMES.state_key, Body=content)
    item = {**DIGEST, "Digest": {"S": digest or digest_of(content)}}
    engine.cloud.dynamodb.put_item(TableName=LOCKS, Item=item)
    return str(made["VersionId"])


def end_in(engine: Engine, phase: Phase) -> None:
    record = engine.registry.get("lab-1", "proj-1")
    assert record is not None
    engine.registry.replace(record, now=engine.now(), phase=phase)


def test_a_sound_state_passes(engine: Engine) -> None:
    put(engine, state(3, "a"))
    states.require_sound(engine, NAMES)
    assert [one["name"] for one in states.read_state(engine, NAMES)["resources"]] == ["a"]


def test_an_adoption_has_the_workspace_for_itself(engine: Engine) -> None:
    """Else it would apply what somebody plans there meanwhile, or replace what somebody is shown."""
    lock = engine.home / "locks" / f"{NAMES.directory}.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(WorkspaceBusy):
            adopt_project(engine, "lab-1", "proj-1")
    assert engine.operations.latest("lab-1/proj-1") is None


def test_outputs_are_those_of_the_stored_state_and_need_no_workspace(engine: Engine) -> None:
    assert project_outputs(engine, "lab-1", "proj-1") == {}
    outputs = {"size": {"value": 7, "type": "number"}, "key": {"value": "x", "sensitive": True}}
    put(engine, json.dumps({**json.loads(state(3, "a")), "outputs": outputs}).encode())
    # GIVEN a workspace that another run was interrupted in before it was initialised
    folder = engine.folder(NAMES)
    (folder / ".terraform").mkdir(parents=True)
    # THEN nothing of it is asked, and nothing is written
    assert project_outputs(engine, "lab-1", "proj-1") == {"size": 7}
    assert [path.name for path in folder.iterdir()] == [".terraform"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 3}', state(1).replace(b"4", b"5")])
def test_what_is_no_state_is_told(engine: Engine, content: bytes) -> None:
    put(engine, content)
    with pytest.raises(StateCorrupt, match="The state of lab-1/proj-1 cannot be read"):
        states.require_sound(engine, NAMES)
    assert engine.state_store.read(NAMES.state_key) == content


@pytest.mark.parametrize("product", ["terraform", "tofu"])
def test_terraform_is_not_handed_what_opentofu_wrote(engine: Engine, product: str) -> None:
    other = "terraform" if product == "tofu" else "tofu"
    for registry in (REGISTRIES[other], REGISTRIES[product]):
        written = json.loads(state(3, "a"))
        written["resources"][0]["provider"] = f'module.home.provider["{registry}/hashicorp/aws"]'
        put(engine, json.dumps(written).encode())
        vars(engine)["toolchain"] = replace(engine.toolchain, product=product)
        if product == "terraform" and registry == REGISTRIES["tofu"]:
            with pytest.raises(StateOfOpenTofu, match="lab-1/proj-1 was written by OpenTofu"):
                states.require_sound(engine, NAMES)
        else:
            states.require_sound(engine, NAMES)


def test_a_state_that_is_lost_is_told_only_where_there_was_one(engine: Engine) -> None:
    with pytest.raises(StateMissing, match=f"its state is not in the bucket {BUCKET}") as missing:
        states.require_sound(engine, NAMES)
    # Where another bucket is named, the project lives on: that comes before any other way out.
    assert missing.value.hint.index("`state_bucket`") < missing.value.hint.index("orphans --adopt")
    assert missing.value.details["state_bucket"] == BUCKET
    for phase in (Phase.PLANNED, Phase.APPLYING, Phase.FAILED):
        end_in(engine, phase)
        states.require_sound(engine, NAMES)


@pytest.mark.parametrize("phase", [Phase.READY, Phase.FAILED])
@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: make_plan(engine, SPEC, Presence.RUNNING),
        lambda engine: make_plan(engine, SPEC, Presence.PARKED),
        lambda engine: recovery.take_in(engine, SPEC, always=True),
    ],
    ids=["apply", "release", "adopt"],
)
def test_a_project_stays_with_its_accounting_function(
    engine: Engine, ask: Callable[[Engine], object], phase: Phase
) -> None:
    """Terraform would refuse it, in words that name neither the setting nor the way back."""
    end_in(engine, phase)
    database = {
        "mode": "managed",
        "module": "module.accounting",
        "type": "aws_lambda_invocation",
        "name": "database",
        "instances": [{"attributes": {"id": "x", "function_name": "first-accounting"}}],
    }
    put(engine, json.dumps({**json.loads(state(3)), "resources": [database]}).encode())

    with pytest.raises(InvalidSettings, match="lab-1/proj-1 cannot have another") as refused:
        ask(engine)
    assert "accounting_function: is provisioner-accounting" in refused.value.message
    assert "back to first-accounting" in refused.value.hint


@pytest.mark.parametrize("phase", [Phase.READY, Phase.PARKED])
def test_nothing_is_given_back_over_a_state_that_is_lost(
    engine: Engine, mocker: MockerFixture, phase: Phase
) -> None:
    """What stands would be imported into a new state, and that there was another one never told."""
    end_in(engine, phase)
    for module in (release, destroy):
        mocker.patch.object(module, "check_ground", side_effect=lambda engine, *_: engine)
    take_in = mocker.patch("engine.operations.recovery.take_in")
    for give_back in (
        lambda: release.plan_release(engine, "lab-1", "proj-1"),
        lambda: release.release(engine, "lab-1", "proj-1", approve=lambda _: None),
        lambda: destroy.destroy(
            engine, "lab-1", "proj-1", purge_data=True, purge_now=True, approve=lambda _: None
        ),
    ):
        with pytest.raises(StateMissing):
            give_back()
    take_in.assert_not_called()
    assert engine.state_store.versions(NAMES.state_key) == []


def test_a_release_that_is_only_shown_takes_nothing_in(engine: Engine, mocker: MockerFixture) -> None:
    # GIVEN a run that died
    put(engine, state(1, "a"))
    end_in(engine, Phase.FAILED)
    mocker.patch.object(release, "check_ground", side_effect=lambda engine, *_: engine)
    mocker.patch.object(release, "make_plan")
    mocker.patch.object(release, "refuse_data_loss")
    take_in = mocker.patch("engine.operations.recovery.take_in")
    # WHEN its release is shown THEN nothing is imported, and that is said
    told = Told()
    release.plan_release(engine.reporting_to(told), "lab-1", "proj-1")
    take_in.assert_not_called()
    assert "is not in this plan" in "".join(told.notes)
    # WHEN it came to its end THEN there is nothing to say
    end_in(engine, Phase.READY)
    told.notes.clear()
    release.plan_release(engine.reporting_to(told), "lab-1", "proj-1")
    assert told.notes == []


def test_a_digest_is_mended_only_where_a_run_died(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a state whose digest is that of the one before
    content = state(4, "a")
    put(engine, content, digest="0" * 32)
    store = engine.state_store

    # WHEN the last run came to its end, THEN somebody has replaced the state: Terraform is to say so
    states.require_sound(engine, NAMES)
    assert store.digest(NAMES.state_key) == "0" * 32

    # WHEN it died, THEN the digest is made to fit, unless somebody writes it at this moment
    end_in(engine, Phase.APPLYING)
    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "digest", lambda *_: "1" * 32)
        assert not store.settle_digest(NAMES.state_key)
    assert store.digest(NAMES.state_key) == "0" * 32
    states.require_sound(engine, NAMES)
    assert store.digest(NAMES.state_key) == digest_of(content)


@pytest.mark.terraform
def test_a_digest_that_terraform_could_not_write_is_written(
    engine: Engine, cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a table that takes no digest from Terraform, which says nothing of that and ends well
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "main.tf").write_text(
        f'''
        terraform {{
          backend "s3" {{
            bucket                      = "{BUCKET}"
            key                         = "{NAMES.state_key}"
            region                      = "us-east-1"
            dynamodb_table              = "{LOCKS}"
            use_path_style              = true
            skip_credentials_validation = true
            skip_requesting_account_id  = true
          }}
        }}
        variable "size" {{}}
        resource "terraform_data" "this" {{
          input = var.size
        }}
        '''
    )
    runner = engine.runner(NAMES, folder)

    def apply(size: int) -> None:
        (folder / "terraform.tfvars").write_text(f"size = {size}")
        runner.plan(tmp_path / "plan")
        runner.apply(tmp_path / "plan")

    runner.init()
    apply(1)
    refused = refuse_digests(monkeypatch)

    # WHEN it writes the state, THEN the digest is that of what it wrote
    apply(2)
    content = engine.state_store.read(NAMES.state_key)
    assert content is not None and refused == [digest_of(content)]
    assert engine.state_store.digest(NAMES.state_key) == digest_of(content)

    # AND the next run goes on
    apply(3)
    assert len(refused) == 2


def test_the_digest_of_a_lost_state_goes_for_a_new_one(engine: Engine) -> None:
    store = engine.state_store
    content = state(1, "a")
    put(engine, content)
    assert not store.drop_lost_digest(NAMES.state_key)
    assert store.digest(NAMES.state_key) == digest_of(content)
    engine.cloud.s3.delete_object(Bucket=BUCKET, Key=NAMES.state_key)
    assert store.drop_lost_digest(NAMES.state_key)
    assert store.digest(NAMES.state_key) is None
    assert not store.drop_lost_digest(NAMES.state_key)


class _Runner:
    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.pushed: list[bytes] = []

    def push_state(self, path: Path) -> None:
        self.pushed.append(path.read_bytes())


@pytest.mark.parametrize(
    ("stored", "left", "handed_in"),
    [
        (None, state(1, "a"), True),
        (state(3, "a"), state(4, "a", "b"), True),
        (state(4, "a"), state(4, "a", "b"), False),
        (state(5, "a"), state(4, "a", "b"), False),
    ],
)
def test_a_state_left_on_the_disk_is_handed_in_when_it_is_newer(
    engine: Engine, tmp_path: Path, stored: bytes | None, left: bytes, handed_in: bool
) -> None:
    if stored:
        put(engine, stored)
    end_in(engine, Phase.FAILED)
    (tmp_path / "errored.tfstate").write_bytes(left)
    runner: Any = _Runner(tmp_path)
    assert states.push_errored(engine, NAMES, runner) is handed_in
    assert runner.pushed == ([left] if handed_in else [])
    assert not (tmp_path / "errored.tfstate").exists()
    assert (tmp_path / "errored.tfstate.1.done").read_bytes() == left
    assert not states.push_errored(engine, NAMES, runner)


def test_a_state_of_another_lineage_on_the_disk_is_told(engine: Engine, tmp_path: Path) -> None:
    put(engine, state(1, "a"))
    (tmp_path / "errored.tfstate").write_bytes(state(9, "a", lineage="other"))
    runner: Any = _Runner(tmp_path)
    with pytest.raises(TerraformError, match="another lineage"):
        states.push_errored(engine, NAMES, runner)
    assert runner.pushed == []
    assert (tmp_path / "errored.tfstate").exists()


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.APPLYING, Phase.FAILED])
def test_a_first_state_is_handed_in_only_where_one_was_being_made(
    engine: Engine, tmp_path: Path, phase: Phase
) -> None:
    # GIVEN a file of which nothing says what it was made for, and a project without a state
    end_in(engine, phase)
    (tmp_path / "errored.tfstate").write_bytes(state(2, "a"))
    runner: Any = _Runner(tmp_path)
    assert states.push_errored(engine, NAMES, runner) is (phase is not Phase.PLANNED)
    assert len(runner.pushed) == (phase is not Phase.PLANNED)
    ending = "kept" if phase is Phase.PLANNED else "done"
    assert (tmp_path / f"errored.tfstate.1.{ending}").read_bytes() == state(2, "a")


def test_a_state_of_another_installation_is_put_aside_until_that_one_is_back(
    engine: Engine, cloud: LocalCloud, tmp_path: Path
) -> None:
    # GIVEN two installations that are worked on from one checkout, both in the middle of an apply
    names = {"state_bucket": "production", "lock_table": "locks-2", "registry_table": "registry-2"}
    _make_backend(engine.cloud, **names)
    told = Told()
    settings = load_settings(environ={}, flags={"endpoint_url": cloud.endpoint, **names}).settings
    production = open_engine(settings, base=tmp_path, environ=os.environ, reporter=told)
    record = records.first_record(production, SPEC)
    production.registry.replace(record, now=engine.now(), phase=Phase.FAILED)
    end_in(engine, Phase.FAILED)
    folder = write_project(engine, SPEC, Presence.PARKED)
    runner: Any = _Runner(folder)
    # AND the state of the one could not be saved
    left = state(4, "staging")
    (folder / "errored.tfstate").write_bytes(left)
    (folder / ".terraform" / "provisioner-init.json").write_text("{}")

    # WHEN the other one is planned THEN its first state is not the first one's, which is kept
    assert write_project(production, SPEC, Presence.PARKED) == folder
    assert not states.push_errored(production, NAMES, runner) and runner.pushed == []
    [kept] = folder.parent.glob("*.errored.tfstate")
    assert kept.read_bytes() == left and str(kept) in told.notes[0]
    # AND Terraform is initialised anew
    assert not (folder / ".terraform" / "provisioner-init.json").exists()

    # WHEN the first one is planned again THEN it is handed in there
    write_project(engine, SPEC, Presence.PARKED)
    assert states.push_errored(engine, NAMES, runner) and runner.pushed == [left]
    assert not kept.exists()


def test_a_second_state_that_is_put_aside_leaves_the_first(tmp_path: Path) -> None:
    one, other = Installation("1", "one"), Installation("1", "other")
    folder = tmp_path / "project"
    folder.mkdir()
    assert hand_over(folder, one) is None
    (tmp_path / "project.1.one.errored.tfstate").write_text("first")
    (folder / "errored.tfstate").write_text("second")
    aside = hand_over(folder, other)
    assert aside is not None and aside.read_text() == "second"
    assert (tmp_path / "project.1.one.errored.tfstate").read_text() == "first"
    assert not (folder / "errored.tfstate").exists()


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_versions_are_listed_shown_and_compared(engine: Engine) -> None:
    first = put(engine, state(1, "a", "b"))
    second = put(engine, state(2, "b", "c"))
    found = state_versions.list_versions(engine, NAMES)
    assert [(one.version_id, one.is_latest) for one in found] == [(second, True), (first, False)]
    shown = state_versions.show_version(engine, NAMES, first)
    assert (shown["serial"], list(shown["resources"])) == (1, ["aws_subnet.a", "aws_subnet.b"])
    difference = state_versions.compare_versions(engine, NAMES, first, None)
    assert (difference.added, difference.removed) == ({"aws_subnet.c": "c"}, {"aws_subnet.a": "a"})
    with pytest.raises(NoSuchVersion):
        state_versions.show_version(engine, NAMES, "nonsense")


def fits(mocker: Any, *actions: str) -> None:
    """A plan with the restored state does this."""
    changes = [SimpleNamespace(address=f"aws_subnet.{action}", action=action) for action in actions]
    review = SimpleNamespace(nothing_to_do=not actions, changes=changes)
    mocker.patch("engine.operations.state_versions._planned_with", return_value=review)


def restore(engine: Engine, version: str, *, force: bool = False) -> int:
    return state_versions.restore(engine, "lab-1", "proj-1", version, force=force).serial


def test_a_version_that_is_what_exists_is_restored(engine: Engine, mocker: Any) -> None:
    first = put(engine, state(1, "a"))
    put(engine, state(7))
    fits(mocker)
    assert restore(engine, first) == 8
    latest = states.read_state(engine, NAMES)
    assert (latest["serial"], latest["resources"][0]["name"]) == (8, "a")
    store = engine.state_store
    content = store.read(NAMES.state_key)
    assert content is not None
    assert store.digest(NAMES.state_key) == digest_of(content)
    assert len(store.versions(NAMES.state_key)) == 3
    # A spoilt latest version is what restoring is for.
    put(engine, b"spoilt")
    assert restore(engine, first) == 2


def test_a_version_that_is_not_what_exists_needs_force(engine: Engine, mocker: Any) -> None:
    first = put(engine, state(1, "a"))
    latest = put(engine, state(2, "b"))
    fits(mocker, "delete")
    with pytest.raises(StateDoesNotFit, match=r"delete aws_subnet\.delete"):
        restore(engine, first)
    assert state_versions.list_versions(engine, NAMES)[0].version_id == latest
    assert restore(engine, first, force=True) == 3


def test_another_lineage_or_a_held_lock_stops_it(engine: Engine, mocker: Any) -> None:
    first = put(engine, state(1, "a", lineage="other"))
    put(engine, state(2, "a"))
    fits(mocker)
    with pytest.raises(StateDoesNotFit, match="another lineage"):
        restore(engine, first)
    item = {"LockID": {"S": f"{BUCKET}/{NAMES.state_key}"}, "Info": {"S": "{}"}}
    engine.cloud.dynamodb.put_item(TableName=LOCKS, Item=item)
    with pytest.raises(StateLocked):
        restore(engine, first, force=True)
    engine.cloud.dynamodb.delete_item(TableName=LOCKS, Key={"LockID": item["LockID"]})
    assert restore(engine, first, force=True) == 3


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "newer", [state(8, "a", "c"), state(7, "a", lineage="another")], ids=["serial", "lineage"]
)
def test_a_state_that_was_written_meanwhile_is_not_written_over(
    engine: Engine, mocker: Any, newer: bytes, force: bool
) -> None:
    # GIVEN an apply that writes its state while the plan with the earlier one is made
    first = put(engine, state(1, "a"))
    put(engine, state(7))
    fits(mocker)
    planned: Any = state_versions._planned_with
    planned.side_effect = lambda *_: put(engine, newer) and planned.return_value
    # THEN what it wrote stays, forced or not
    with pytest.raises(StateDoesNotFit, match="while"):
        restore(engine, first, force=force)
    assert engine.state_store.read(NAMES.state_key) == newer
    # AND the next time it is what was looked at first
    planned.side_effect = None
    assert restore(engine, first, force=True) == json.loads(newer)["serial"] + 1


def test_the_command_line_shows_no_value(engine: Engine, cloud: LocalCloud, provisioner: Provisioner) -> None:
    first = put(engine, state(1, "a", "b").replace(b'"id": "a"', b'"id": "a", "password": "hush"'))
    second = put(engine, state(2, "b", "c"))
    with permitted(cloud, "reader"):
        listed = provisioner("state", "list", "lab-1/proj-1", "--json").ok().json["versions"]
        provisioner("state", "diff", "lab-1/proj-1", first, second).ok()
    assert [one["version_id"] for one in listed] == [second, first]
    assert "latest" in provisioner("state", "list", "lab-1/proj-1").ok().out
    for options in ([], ["--json"]):
        shown = provisioner("state", "show", "lab-1/proj-1", first, *options).ok().out
        assert "aws_subnet.a" in shown
        assert "hush" not in shown
    text = provisioner("state", "diff", "lab-1/proj-1", first).ok().out
    assert text.splitlines() == ["+ aws_subnet.c  c", "- aws_subnet.a  a"]
    provisioner("state", "show", "lab-1/proj-1", "nonsense").refused(3, "NO_SUCH_STATE_VERSION")
    provisioner("state", "restore", "lab-1/proj-1", first).refused(3, "needs the project's name typed")
    assert state_versions.list_versions(engine, NAMES)[0].version_id == second
