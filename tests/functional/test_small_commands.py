"""The commands beside a project's life ask for no more than the policies of who runs them give."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from engine.aws.registry import Phase, Registry
from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from engine.model.names import names_for
from engine.operations.engine import Engine
from tests.functional.conftest import Provisioner
from tests.functional.test_orphans import make_things, register
from tests.policies.permissions import with_policies

PROJECT = "lab-1/proj-1"
NAMES = names_for("lab-1", "proj-1", account_id="123456789012")
STATES = "provisioner-state-123456789012-us-east-1"


def test_who_may_keep_and_who_may_unlock(
    backend: Cloud, cloud: LocalCloud, engine: Engine, provisioner: Provisioner
) -> None:
    provisioner = with_policies(cloud, provisioner)
    # GIVEN a project whose data is to go
    register(backend, NAMES, Phase.PARKED)
    registry = Registry(backend, "provisioner-registry")
    record = registry.get("lab-1", "proj-1")
    assert record is not None
    registry.replace(record, now=datetime.now(UTC), purge_at=datetime.now(UTC))
    # THEN it is kept
    provisioner("keep", PROJECT).ok()
    record = registry.get("lab-1", "proj-1")
    assert record is not None and record.purge_at is None
    # AND all may look
    for command in (["operations", PROJECT], ["plans", PROJECT], ["state", "list", PROJECT]):
        provisioner(*command).ok()

    assert provisioner("unlock", PROJECT, "--json").ok().json == {"held": None, "removed": False}
    # GIVEN a lock that a dead holder has left THEN it is shown to all, and taken away with the proof
    item = {"LockID": {"S": f"{STATES}/{NAMES.state_key}"}, "Info": {"S": '{"ID": "1-2", "Who": "ada"}'}}
    backend.dynamodb.put_item(TableName=engine.settings.lock_table, Item=item)
    assert "ada" in provisioner("unlock", PROJECT).ok().out
    held = {"id": "1-2", "who": "ada", "since": "an unknown time", "operation": "unknown"}
    assert provisioner("unlock", PROJECT, "--json").ok().json == {"held": held, "removed": False}
    taken = provisioner("unlock", PROJECT, "--id", "1-2", "--confirm", PROJECT, "--json").ok()
    assert taken.json == {"held": held, "removed": True}


def test_who_may_render_and_clear_up(
    backend: Cloud, cloud: LocalCloud, provisioner: Provisioner, spec, tmp_path: Path
) -> None:
    provisioner = with_policies(cloud, provisioner)
    provisioner("render", spec("efs"), "--out", tmp_path / "rendered").ok()
    make_things(backend, names_for("lab-1", "proj-2", account_id="123456789012"))
    provisioner("orphans").refused(2)
    provisioner("orphans", "--delete", "--purge-data", "--confirm", "123456789012").ok()
