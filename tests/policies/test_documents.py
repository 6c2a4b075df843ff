"""The policies of people and pipelines: what they may hold, and what AWS's own reference says of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from engine.model.settings import Settings
from tests.policies.permissions import (
    ACTIONS,
    BESIDES,
    FOLDER,
    NAMES,
    ROLES,
    TAGGING,
    asks_for_tags,
    document,
    listed,
)

ROOT = Path(__file__).parents[2]
# Findings of parliament that are meant, by their beginning.
MEANT = {
    "RESOURCE_POLICY_PRIVILEGE_ESCALATION": "who makes a bucket and its policy can give himself access to it",
    "RESOURCE_STAR ['kms:TagResource']": "EVERYWHERE says why",
    "INVALID_ARN Account expected": "AWS owns the transform of AWS::Serverless; its ARN says so: aws",
}
# What stands on "*" although AWS can limit it: under a condition, for this reason.
EVERYWHERE = {"kms:TagResource": "a key that is being made has no ARN yet"}
# Dependent actions of AWS's reference that none of our calls comes to.
NOT_REACHED = {
    "autoscaling:DescribeAccountLimits": "for quotas of that service, and we ask for EC2's, VPC's and FSx's",
    "cloudformation:DescribeAccountLimits": "as above",
    "dynamodb:DescribeLimits": "as above",
    "elasticloadbalancing:DescribeAccountLimits": "as above",
    "iam:GetAccountSummary": "as above",
    "kinesis:DescribeLimits": "as above",
    "rds:DescribeAccountAttributes": "as above",
    "route53:GetAccountLimit": "as above",
    "cloudformation:ListStacks": "for describing stacks without naming one",
    "ecs:ListClusters": "for flow logs with fields of ECS",
    "ecs:ListContainerInstances": "as above",
    "ecs:ListServices": "as above",
    "ecs:ListTaskDefinitions": "as above",
    "ecs:ListTasks": "as above",
    "fsx:CreateBackup": "for a last backup, which file systems linked to S3 have none of",
    "iam:CreateServiceLinkedRole": "by KMS: for keys of several regions, and key stores outside",
    "rds:CreateTenantDatabase": "for Oracle",
    "rds:DeleteTenantDatabase": "for Oracle",
    "secretsmanager:RotateSecret": "for a rotation out of turn; RDS rotates the secret by itself",
}


def statements(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(name)["Statement"]
    return found


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """What parliament and the reference say of each document (checker.py)."""
    python = ROOT / ".venv-checkov" / "bin" / "python"
    if not python.exists():
        missing = "parliament is not set up: run `make setup-checkov`, which makes .venv-checkov."
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(
        [python, Path(__file__).with_name("checker.py")],
        input=json.dumps({name: document(name) for name in NAMES}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_document_is_attached_somewhere() -> None:
    assert {name for names in ROLES.values() for name in names} == set(NAMES)


def test_the_page_on_setting_up_says_who_has_which_document() -> None:
    page = (ROOT / "docs" / "setup.md").read_text("utf-8")
    rows = [set(re.findall(r"`([a-z-]+)`", row)) for row in page.splitlines() if row.startswith("| ")]
    assert [name for name in NAMES if not any(name in row for row in rows)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_document_names_what_it_allows(name: str) -> None:
    for statement in statements(name):
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}, statement["Sid"]
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            assert re.fullmatch(r"[a-z0-9]+:[A-Z][A-Za-z]+", action), f"{statement['Sid']}: {action}"
        assert statement["Action"] == sorted(set(statement["Action"])), f"{statement['Sid']} is not in order"
        for resource in listed(statement["Resource"]):
            assert resource == "*" or re.match(
                r"arn:aws:[a-z0-9]+:[a-z0-9-]*:([0-9]{12}|aws)?:.", resource
            ), resource
    sids = [statement["Sid"] for statement in statements(name)]
    assert len(set(sids)) == len(sids)


@pytest.mark.parametrize("name", NAMES)
def test_a_document_fits_into_a_managed_policy(name: str) -> None:
    # IAM User Guide, "IAM and AWS STS quotas": 6,144 characters, white space not counted.
    assert len(re.sub(r"\s", "", json.dumps(document(name)))) <= 6144


@pytest.mark.parametrize("name", NAMES)
def test_accounts_and_regions_are_placeholders(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    assert not re.search(r"[0-9]{12}|[a-z]{2}-[a-z]+-[0-9]", text)
    assert set(re.findall(r"<\w+>", text)) <= {"<account>", "<region>"}


def test_names_are_the_defaults_of_the_settings() -> None:
    settings = Settings()
    text = json.dumps([document(name) for name in NAMES])
    for name in (
        f"s3:::{settings.state_bucket}",
        f"s3:::{settings.public_bucket}",
        f"s3:::{settings.nodes_bucket}",
        f"table/{settings.lock_table}",
        f"table/{settings.registry_table}",
        f"db:{settings.accounting_database}",
    ):
        assert f":{name}" in text, f"no policy names {name}"
    assert settings.pcluster_provider_stack.startswith("parallelcluster-provider-")


def test_a_reader_reads() -> None:
    reading = re.compile(r":(Describe|Filter|Get|List|Query)")
    for statement in statements("reader"):
        assert all(reading.search(action) for action in statement["Action"]), statement["Sid"]
    actions = {action for statement in statements("reader") for action in statement["Action"]}
    assert "secretsmanager:GetSecretValue" not in actions


@pytest.mark.parametrize("name", NAMES)
def test_parliament_finds_nothing(name: str, said: dict[str, Any]) -> None:
    findings = [one for one in said[name]["findings"] if not one.startswith(tuple(MEANT))]
    assert findings == []


@pytest.mark.parametrize("name", NAMES)
def test_everything_stands_only_where_aws_has_nothing_narrower(name: str, said: dict[str, Any]) -> None:
    assert set(said[name]["unlimited"]) <= set(EVERYWHERE)
    for statement in statements(name):
        if set(statement["Action"]) & set(EVERYWHERE) and statement["Resource"] == "*":
            assert "aws:RequestTag/" in json.dumps(statement["Condition"]), statement["Sid"]


@pytest.mark.parametrize("role", ROLES)
def test_who_makes_things_with_tags_may_tag_what_has_none_yet(role: str) -> None:
    """AWS looks up the permission to tag while it makes the thing, which has no tags at that moment."""
    granted = [one for name in ROLES[role] for one in statements(name)]
    for prefix, tagging in TAGGING.items():
        action = f"{prefix}:{tagging}"
        allowing = [one for one in granted if action in one["Action"]]
        assert not allowing or not all(map(asks_for_tags, allowing)), f"{action} on new things"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_what_its_actions_depend_on(role: str, said: dict[str, Any]) -> None:
    allowed = {
        action for name in ROLES[role] for statement in statements(name) for action in statement["Action"]
    }
    lacking = {
        f"{other} for {action}"
        for name in ROLES[role]
        for action, others in said[name]["dependent"].items()
        for other in others
        if other not in allowed and other not in NOT_REACHED
    }
    assert lacking == set()


def test_no_waiver_is_left_over(said: dict[str, Any]) -> None:
    findings = [one for name in NAMES for one in said[name]["findings"]]
    assert [begin for begin in MEANT if not any(one.startswith(begin) for one in findings)] == []
    named = {other for name in NAMES for others in said[name]["dependent"].values() for other in others}
    assert set(NOT_REACHED) - named == set()
    assert {one for name in NAMES for one in said[name]["unlimited"]} == set(EVERYWHERE)


def test_the_tables_name_actions_that_exist() -> None:
    for action in [one for many in (*ACTIONS.values(), *BESIDES.values()) for one in many]:
        assert re.fullmatch(r"[a-z0-9]+:[A-Z][A-Za-z]+", action)
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", action) for action in TAGGING.values())


@pytest.mark.parametrize("role", ROLES)
def test_saved_plans_are_read_by_those_who_apply_them_and_by_nobody_else(role: str) -> None:
    """A plan file holds what the state holds. The key is needed beside the object, and given for S3 alone."""
    plan = f"arn:aws:s3:::{Settings().state_bucket}/plans/lab-1/proj-1/abc/project.tfplan"
    granted = [one for name in ROLES[role] for one in statements(name) if one["Effect"] == "Allow"]
    reads = any(
        fnmatchcase(action, pattern)
        for one in granted
        for pattern in listed(one["Action"])
        for action in ("s3:GetObject", "s3:GetObjectVersion")
        if any(fnmatchcase(plan, resource) for resource in listed(one["Resource"]))
    )
    decrypts = [one for one in granted if "kms:Decrypt" in listed(one["Action"])]
    via_s3 = [one for one in decrypts if "s3" in str(one.get("Condition", {}))]
    assert reads is (role in ("apply", "orphans", "service-worker"))
    assert bool(via_s3) is reads
