"""What a plan of the backend came to, thing by thing."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws import buckets
from engine.aws.existing_backend import BACKEND_NAME, MODULE
from engine.aws.steps import Outcome, Step
from engine.model.settings import load_settings
from engine.operations.bootstrap import remove_local_state, steps_of
from engine.operations.folders import BOOTSTRAP_FILES, bootstrap_root
from engine.review.findings import refuse_data_loss
from engine.review.plan import build_review

REPOSITORY = Path(__file__).parents[3]
MAIN = (REPOSITORY / "modules" / "state-backend" / "main.tf").read_text("utf-8")
RESOURCES = [".".join(found) for found in re.findall(r'(?m)^resource "(\w+)" "(\w+)"', MAIN)]
SETTINGS = load_settings(environ={}, flags={"state_bucket": "states", "lock_table": "locks"}).settings


def entry(resource: str, *actions: str, **change: Any) -> dict[str, Any]:
    kind, name = resource.split(".")
    tags = {"tags_all": {"provisioner:managed-by": "parallelcluster-provisioner"}}
    return {
        "address": f"{MODULE}.{resource}",
        "module_address": MODULE,
        "mode": "managed",
        "type": kind,
        "name": name,
        "change": {"actions": list(actions), "before": tags, "after": tags, **change},
    }


def steps(*entries: dict[str, Any]) -> dict[str, Outcome]:
    plan = {"format_version": "1.2", "resource_changes": list(entries)}
    found = steps_of(build_review(plan, project="bootstrap"), SETTINGS)
    return {step.name: step.outcome for step in found}


def test_everything_that_the_module_makes_has_a_name_for_people() -> None:
    found = steps(*(entry(resource, "create") for resource in RESOURCES))

    assert len(found) == len(RESOURCES)
    assert not [name for name in found if name.startswith("module.")]
    assert set(found.values()) == {Outcome.CREATED}


def test_bucket_first_and_settings_behind_their_thing() -> None:
    found = list(steps(*(entry(resource, "no-op") for resource in sorted(RESOURCES))))

    assert found[:2] == ["state bucket states", "state bucket states: ownership"]
    assert found.index("lock table locks") < found.index("registry table provisioner-registry")
    assert found.index("key alias/provisioner") + 1 == found.index("key alias/provisioner: alias")


@pytest.mark.parametrize(
    ("action", "more", "outcome"),
    [
        (["no-op"], {}, Outcome.UNCHANGED),
        (["no-op"], {"importing": {"id": "states"}}, Outcome.UNCHANGED),
        (["update"], {}, Outcome.REPAIRED),
        (["update"], {"importing": {"id": "states"}}, Outcome.REPAIRED),
        (["create"], {}, Outcome.CREATED),
        (["delete", "create"], {}, Outcome.REPAIRED),
    ],
)
def test_what_an_action_came_to(action: list[str], more: dict[str, Any], outcome: Outcome) -> None:
    assert steps(entry("aws_s3_bucket.this", *action, **more)) == {"state bucket states": outcome}


def test_a_setting_that_had_gone_was_mended() -> None:
    found = steps(entry("aws_s3_bucket.this", "no-op"), entry("aws_s3_bucket_policy.this", "create"))

    assert found["state bucket states: TLS only"] is Outcome.REPAIRED


def test_what_the_module_may_make_one_day_is_told_by_its_address() -> None:
    review = build_review(
        {"format_version": "1.2", "resource_changes": [entry("aws_sns_topic.this", "create")]},
        project="bootstrap",
    )
    assert steps_of(review, SETTINGS) == (Step(f"{MODULE}.aws_sns_topic.this", Outcome.CREATED),)


def test_the_backend_is_not_asked_for_the_tags_of_a_project() -> None:
    plan = {"format_version": "1.2", "resource_changes": [entry("aws_s3_bucket.this", "create")]}

    review = build_review(plan, project="bootstrap")

    assert review.findings == ()
    refuse_data_loss(review)


@pytest.mark.parametrize(
    ("in_bucket", "kept"),
    [(["key-1", "alias-1"], False), (["key-1", "alias-1", "key-2"], False), (["key-2"], True), ([], True)],
)
def test_a_state_file_goes_only_when_the_bucket_knows_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_bucket: list[str], kept: bool
) -> None:
    def state(*ids: str) -> bytes:
        of_key = [{"index_key": found, "attributes": {"id": found}} for found in ids]
        key = {"mode": "managed", "type": "aws_kms_key", "name": "this", "instances": of_key}
        return json.dumps({"version": 4, "resources": [key]}).encode()

    notes: list[str] = []
    engine: Any = SimpleNamespace(cloud=None, settings=SETTINGS, reporter=SimpleNamespace(note=notes.append))
    monkeypatch.setattr(buckets, "find_object", lambda *_: state(*in_bucket))
    for name in ("terraform.tfstate", "terraform.tfstate.backup"):
        (tmp_path / name).write_bytes(state("key-1", "alias-1"))

    remove_local_state(engine, tmp_path)

    assert (tmp_path / "terraform.tfstate").exists() is kept
    assert (tmp_path / "terraform.tfstate.backup").exists() is kept
    assert len(notes) == kept


def test_the_root_is_copied_whole_and_without_what_a_person_keeps_beside_it() -> None:
    configuration = {path.name for path in bootstrap_root().glob("*.tf") if "override" not in path.name}

    assert configuration | {".terraform.lock.hcl"} == set(BOOTSTRAP_FILES)


def test_the_wheel_carries_the_root() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    for name in BOOTSTRAP_FILES:
        assert included[f"workspaces/bootstrap/{name}"] == f"engine/_workspaces/bootstrap/{name}"


def test_the_names_that_the_engine_looks_for_are_those_of_the_root() -> None:
    main = (bootstrap_root() / "main.tf").read_text("utf-8")

    assert f'name                = "{BACKEND_NAME}"' in main
    assert f'module "{MODULE.removeprefix("module.")}"' in main
    assert f'address = "{MODULE}"' in main
