"""What workspaces/shared hands on to its modules, by its plan in an account that has its key alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.local.server import LocalCloud
from tests.functional.by_hand import ByHand, by_hand
from tests.functional.conftest import QUICK

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
VARIABLES = {"account_id": "123456789012", "region": "us-east-1", "s3_use_path_style": True}
Planned = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """Terraform in a copy of workspaces/shared beside a copy of the modules; its state is a file."""
    home = tmp_path_factory.mktemp("shared")
    folder = home / "workspaces" / "shared"
    shutil.copytree(
        ROOT / "workspaces" / "shared", folder, ignore=shutil.ignore_patterns(".terraform", "*.tfvars")
    )
    shutil.copytree(ROOT / "modules", home / "modules")
    (folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    (home / "dist").mkdir()
    (home / "dist" / "accounting-function.zip").touch()
    with LocalCloud(durations=QUICK, seeded=False) as cloud:
        kms = cloud.client("kms")
        key = kms.create_key(Description="of bootstrap")["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName="alias/provisioner", TargetKeyId=key)
        with by_hand(folder, cloud, home) as terraform:
            terraform("init")
            yield terraform


@pytest.fixture
def planned(shared: ByHand) -> Planned:
    """`planned(name="lab")` plans with these inputs; gives what each resource would be, by its address."""

    def plan(**inputs: Any) -> dict[str, Any]:
        give(shared, inputs)
        shared("plan", "-out=shared.tfplan")
        shown = json.loads(shared("show", "-json", "shared.tfplan"))
        return {one["address"]: one["values"] for one in resources(shown["planned_values"]["root_module"])}

    return plan


def give(shared: ByHand, inputs: dict[str, Any]) -> None:
    (shared.folder / "terraform.tfvars.json").write_text(json.dumps(VARIABLES | inputs))


def resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [one for child in module.get("child_modules", []) for one in resources(child)]
    return [*module.get("resources", []), *inner]


def test_what_is_watched_has_the_name_of_the_service(planned: Planned) -> None:
    plan = planned(name="lab")
    watched = "module.observability.aws_cloudwatch_metric_alarm.this"
    for role in ("api", "worker"):
        group = plan[f'module.observability.aws_cloudwatch_log_group.function["{role}"]']
        assert group["name"] == f"/aws/lambda/lab-{role}", "workspaces/service looks for it"
        assert plan[f'{watched}["{role}-errors"]']["dimensions"] == {"FunctionName": f"lab-{role}"}
    assert plan[f'{watched}["queue-age"]']["dimensions"] == {"QueueName": "lab-operations.fifo"}
    assert plan[f'{watched}["queue-dead-letters"]']["dimensions"] == {"QueueName": "lab-operations-dead.fifo"}


@pytest.mark.parametrize("name", ["Lab", "lab_1", "1-lab", "l" * 26])
def test_a_name_that_the_service_could_not_have_is_refused(shared: ByHand, name: str) -> None:
    give(shared, {"name": name})
    said = " ".join(shared("plan", code=1).split())
    assert "at most 25 characters" in said.replace("│ ", "")


BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def test_a_small_account_has_it_as_it_needs(planned: Planned) -> None:
    """A new account has no concurrency to reserve; small classes have no Performance Insights."""
    plan = planned(
        function_concurrency=-1,
        permissions_boundary=BOUNDARY,
        database={
            "instance_class": "db.t4g.micro",
            "max_allocated_storage_gib": 40,
            "performance_insights": False,
            "apply_immediately": True,
        },
    )
    assert plan["module.slurm_accounting.aws_lambda_function.this"]["reserved_concurrent_executions"] == -1
    database = plan["module.slurm_accounting.aws_db_instance.this"]
    assert database["max_allocated_storage"] == 40
    assert database["performance_insights_enabled"] is False
    assert database["apply_immediately"] is True
    role = plan['module.pcluster_provider["3.16.1"].aws_iam_role.this']
    assert role["permissions_boundary"] == BOUNDARY


def test_what_is_left_out_is_as_the_modules_have_it(planned: Planned) -> None:
    plan = planned()
    function = plan["module.slurm_accounting.aws_lambda_function.this"]
    assert function["reserved_concurrent_executions"] == 5
    alarm = plan['module.observability.aws_cloudwatch_metric_alarm.this["accounting-duration"]']
    assert alarm["threshold"] == function["timeout"] * 1000 * 0.8, "it is watched by its own limit"
    database = plan["module.slurm_accounting.aws_db_instance.this"]
    assert (database["max_allocated_storage"], database["performance_insights_enabled"]) == (200, True)
    assert database["apply_immediately"] is False
    assert plan['module.pcluster_provider["3.16.1"].aws_iam_role.this']["permissions_boundary"] is None
