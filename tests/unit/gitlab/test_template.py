"""The template's own pipeline."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.model.settings import Settings
from tests.policies.permissions import COMMANDS

ROOT = Path(__file__).parents[3]
HEADER: dict[str, Any]
TEMPLATE: dict[str, Any]
HEADER, TEMPLATE = yaml.safe_load_all((ROOT / "templates" / "projects.yml").read_text("utf-8"))
MAIN, BRANCHED, BEFORE = "main-as-it-is", "where-it-branched", "last-push"


def test_a_merge_is_compared_even_when_the_next_one_follows_at_once() -> None:
    rules = {rule["if"]: rule.get("auto_cancel") for rule in TEMPLATE["workflow"]["rules"]}
    assert rules["$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"] == {"on_new_commit": "none"}
    assert rules['$CI_PIPELINE_SOURCE == "merge_request_event"'] is None


@pytest.mark.parametrize(
    ("variables", "base"),
    [
        ({"CI_COMMIT_BEFORE_SHA": BEFORE}, BEFORE),
        ({"CI_COMMIT_BEFORE_SHA": "0" * 40, "CI_MERGE_REQUEST_DIFF_BASE_SHA": BRANCHED}, BRANCHED),
        (
            {
                "CI_COMMIT_BEFORE_SHA": "0" * 40,
                "CI_MERGE_REQUEST_DIFF_BASE_SHA": BRANCHED,
                "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": MAIN,
            },
            MAIN,
        ),
    ],
    ids=["push", "merge request", "merged results"],
)
def test_a_review_shows_what_the_merge_request_changes_and_nobody_elses_merges(
    variables: dict[str, str], base: str
) -> None:
    line, *_ = TEMPLATE["provisioner-before"]["script"]
    done = subprocess.run(
        ["sh", "-ec", f'{line}\necho "$base"'], env=variables, capture_output=True, check=True, text=True
    )
    assert done.stdout == f"{base}\n"


@pytest.mark.parametrize("setting", ["tiers", "prices", "policies"])
def test_what_the_settings_name_beside_them_affects_all_projects(setting: str) -> None:
    default = HEADER["spec"]["inputs"]["affects_all"]["default"].split()
    (usual,) = Settings.model_fields[setting].examples or ()
    assert {".gitlab-ci.yml", "provisioner.yaml", usual} <= set(default)


@pytest.mark.parametrize(
    ("only", "jobs"),
    [
        ("", {"provisioner-drift", "provisioner-keys"}),
        ("keys", {"provisioner-keys"}),
        ("drift", {"provisioner-drift"}),
    ],
)
def test_a_schedule_looks_for_drift_and_refreshes_keys_or_does_the_one_it_names(
    only: str, jobs: set[str]
) -> None:
    def holds(condition: str) -> bool:
        terms = [term.split() for term in condition.split(" && ")]
        known = {"$CI_PIPELINE_SOURCE": '"schedule"', "$ONLY": f'"{only}"'}
        return all((known[left] == right) == (sign == "==") for left, sign, right in terms)

    rules = {name: job["rules"] for name, job in TEMPLATE.items() if name.startswith("provisioner-")}
    assert {name for name, (rule,) in rules.items() if holds(rule["if"])} == jobs


def test_keys_are_refreshed_as_who_may_write_them_and_drift_is_looked_for_as_who_may_read() -> None:
    keys, drift = TEMPLATE["provisioner-keys"], TEMPLATE["provisioner-drift"]
    assert keys["variables"]["SIGN_IN_ROLE"] == f"$[[ inputs.{COMMANDS['refresh-jwks']}_role ]]"
    assert drift["variables"]["SIGN_IN_ROLE"] == f"$[[ inputs.{COMMANDS['drift']}_role ]]"
    assert keys["script"][-1] == "provisioner refresh-jwks --if-set", "most installations have no keys"
    assert keys["script"][0] == drift["script"][0]
    assert keys["needs"] == [], "what drift ends with is no matter of the keys"


def test_the_state_before_has_all_files_of_a_folder_that_affects_all(tmp_path: Path) -> None:
    for name in ("policies/deep/own.rego", "provisioner.yaml", "workspaces/projects/a.yaml", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    variables = {
        "PATH": os.environ["PATH"],
        "CI_COMMIT_BEFORE_SHA": "HEAD",
        "SPECS": "workspaces/projects",
        "AFFECTS_ALL": "provisioner.yaml tiers.yaml policies",
    }
    script = "\n".join(TEMPLATE["provisioner-before"]["script"])
    subprocess.run(["sh", "-ec", script], env=variables, cwd=tmp_path, check=True)
    before = tmp_path / "provisioner-before"
    assert {one.relative_to(before).as_posix() for one in before.rglob("*") if one.is_file()} == {
        "policies/deep/own.rego",
        "provisioner.yaml",
        "workspaces/projects/a.yaml",
    }
