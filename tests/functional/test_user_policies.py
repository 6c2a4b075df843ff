"""The installation's own policies: run, told as findings, never silently left out.

conftest is a program of ours here that answers in conftest's format, since the real one is no Python package;
checkov is the real one.
"""

from __future__ import annotations

import json
import os
import stat
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import RuleBroken
from engine.model.rules import Waiver
from engine.operations.reporting import Silent
from engine.operations.user_policies import PolicyCheckFailed, PolicyToolMissing, check_plan
from engine.review.context import Context, PolicyResult
from engine.review.findings import refuse_broken_rules
from engine.review.plan import build_review

CHECKOV = Path(__file__).parents[2] / ".venv-checkov" / "bin"
HOME = "module.efs.aws_efs_file_system.this"
# Notes what it was given, as a program that looks around would see it.
CONFTEST = """#!/usr/bin/env python3
import json, os, sys
plan = sys.argv[-1]
seen = {"arguments": sys.argv[1:], "mode": os.stat(plan).st_mode, "environ": dict(os.environ),
        "resources": len(json.load(open(plan))["resource_changes"])}
json.dump(seen, open(os.path.join(os.environ["HOME"], "seen.json"), "w"))
print(open(os.path.join(os.environ["HOME"], "answer.json")).read())
sys.exit(1)
"""
ANSWER = [
    {
        "filename": "plan.json",
        "namespace": "homes",
        "successes": 3,
        "failures": [
            {"msg": "homes need our key", "metadata": {"address": HOME}},
            {"msg": "no plan on Fridays"},
        ],
        "warnings": [{"msg": "bursting is slow"}],
    }
]


def plan() -> dict[str, Any]:
    values = {"creation_token": "x", "encrypted": True, "tags": {"a": "b"}}
    resource = {
        "address": HOME,
        "mode": "managed",
        "type": "aws_efs_file_system",
        "name": "this",
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "schema_version": 0,
        "values": values,
    }
    change = {"actions": ["create"], "before": None, "after": values, "after_unknown": {}}
    configuration = {"address": "aws_efs_file_system.this", "mode": "managed", "type": "aws_efs_file_system"}
    module = {"resources": [{**configuration, "name": "this", "expressions": {}}]}
    modules = [{"address": "module.efs", "resources": [resource]}]
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "planned_values": {"root_module": {"child_modules": modules}},
        "resource_changes": [{**resource, "module_address": "module.efs", "change": change}],
        "configuration": {"root_module": {"module_calls": {"efs": {"source": "./efs", "module": module}}}},
    }


def engine(tmp_path: Path, path: Path | str, **files: str) -> Any:
    folder = tmp_path / "policies"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    environ = {
        "PATH": f"{path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LD_LIBRARY_PATH": "/var/lang/lib",
        "AWS_SECRET_ACCESS_KEY": "no",
    }
    return SimpleNamespace(policies=folder, environ=environ, reporter=Silent())


def conftest(tmp_path: Path, answer: str) -> Path:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "conftest").write_text(CONFTEST)
    (programs / "conftest").chmod(0o755)
    (tmp_path / "answer.json").write_text(answer)
    return programs


def test_what_conftest_says_becomes_findings(tmp_path: Path) -> None:
    found = check_plan(
        engine(tmp_path, conftest(tmp_path, json.dumps(ANSWER)), homes__rego="package homes"), plan()
    )
    assert found == (
        PolicyResult("conftest homes", "homes need our key", HOME),
        PolicyResult("conftest homes", "no plan on Fridays"),
        PolicyResult("conftest homes", "bursting is slow", blocks=False),
    )
    seen = json.loads((tmp_path / "seen.json").read_text())
    # It was given the whole plan in a file for this user alone, which is gone, and no credentials.
    assert seen["resources"] == 1
    assert stat.S_IMODE(seen["mode"]) == 0o600
    assert not Path(seen["arguments"][-1]).exists()
    assert not [name for name in seen["environ"] if name.startswith("AWS_")]
    assert str(tmp_path / "policies") in seen["arguments"]
    # What Python needs in the service's image, for checkov.
    assert seen["environ"]["LD_LIBRARY_PATH"] == "/var/lang/lib"

    # AND an apply is refused for what blocks, unless the spec waives it
    def review(*waivers: Waiver) -> Any:
        context = Context(today=date(2026, 3, 1), policy_results=found, waivers=waivers)
        return build_review(plan(), project="lab-1/proj-1", context=context)

    with pytest.raises(RuleBroken, match="homes need our key"):
        refuse_broken_rules(review())
    refuse_broken_rules(review(Waiver(rule="user-policy", reason="agreed", until="2026-03-01")))
    advice = [one for one in review().findings if one.rule == "user-policy-advice"]
    assert [(one.message, one.stands_against) for one in advice] == [
        ("conftest homes: bursting is slow", False)
    ]


@pytest.mark.parametrize("answer", ["", "Error: load policies", "{}", "[1]", '[{"failures": [{"x": 1}]}]'])
def test_an_answer_that_cannot_be_read_is_an_error(tmp_path: Path, answer: str) -> None:
    with pytest.raises(PolicyCheckFailed, match="conftest gave no answer"):
        check_plan(engine(tmp_path, conftest(tmp_path, answer), homes__rego="package homes"), plan())


def test_a_tool_that_is_missing_is_an_error(tmp_path: Path) -> None:
    without = engine(tmp_path, "", homes__rego="package homes", homes_test__rego="package homes")
    without.environ["PATH"] = str(tmp_path)
    with pytest.raises(PolicyToolMissing, match="conftest is not"):
        check_plan(without, plan())


def test_a_folder_without_policies_is_an_error(tmp_path: Path) -> None:
    empty = engine(tmp_path, "", README__md="x", homes_test__rego="x")
    with pytest.raises(PolicyCheckFailed, match="neither Rego nor checks"):
        check_plan(empty, plan())
    empty.policies = tmp_path / "elsewhere"
    with pytest.raises(PolicyCheckFailed, match="not there"):
        check_plan(empty, plan())
    empty.policies = None
    assert check_plan(empty, plan()) == ()


def test_checkov_runs_the_installation_s_checks_and_no_others(tmp_path: Path) -> None:
    if not (CHECKOV / "checkov").exists():
        missing = "checkov is not set up: run `make setup-checkov`, which makes .venv-checkov."
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    check = {
        "metadata": {"id": "ACME_1", "name": "Homes are encrypted with our key", "category": "ENCRYPTION"},
        "definition": {
            "cond_type": "attribute",
            "resource_types": ["aws_efs_file_system"],
            "attribute": "kms_key_id",
            "operator": "exists",
        },
    }
    found = check_plan(engine(tmp_path, CHECKOV, homes__yaml=json.dumps(check)), plan())
    assert found == (PolicyResult("checkov ACME_1", "Homes are encrypted with our key", HOME),)
