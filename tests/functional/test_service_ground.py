"""workspaces/service on the ground of bootstrap and shared: up, nothing left to do, and down again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.aws.session import Cloud
from engine.local.server import LocalCloud
from tests.functional.by_hand import ByHand, by_hand
from tests.functional.conftest import QUICK, make_table
from tests.functional.iam_decisions import allowed, attached_statements
from tests.policies.permissions import permitted

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
ACCOUNT, REGION = "123456789012", "us-east-1"
STATE_BUCKET = f"provisioner-state-{ACCOUNT}-{REGION}"
CALLER = f"arn:aws:iam::{ACCOUNT}:role/workflow-service"
HERE = f"{REGION}:{ACCOUNT}"
QUEUE = f"arn:aws:sqs:{HERE}:provisioner-operations.fifo"
STACK = f"arn:aws:cloudformation:{HERE}:stack/pc-lab-1-proj-1-fzz74kmepm/1"
VARIABLES = {
    "account_id": ACCOUNT,
    "region": REGION,
    "image_tag": "0.1.0",
    "caller_role_arns": [CALLER],
    "settings": {
        "jwks_url": "https://sso.example.org/certs",
        "jwt_issuer": "https://sso.example.org",
        "jwt_audience": "slurm",
    },
    "event_bus_name": "default",
    "s3_use_path_style": True,
}


@pytest.fixture
def empty() -> Iterator[LocalCloud]:
    with LocalCloud(durations=QUICK, seeded=False) as cloud:
        yield cloud


def lay_ground(cloud: LocalCloud) -> None:
    """What the service looks up of bootstrap and shared, which would take minutes to apply."""
    cloud.client("s3").create_bucket(Bucket=STATE_BUCKET)
    aws = Cloud(region=REGION, endpoint_url=cloud.endpoint, local=True)
    make_table(aws, "provisioner-terraform-locks", "LockID")
    make_table(aws, "provisioner-registry", "pk", "sk")
    kms = cloud.client("kms")
    key = kms.create_key(Description="of bootstrap")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/provisioner", TargetKeyId=key)
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="provisioner")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": "sha256:0",
            "size": 1,
        },
        "layers": [],
    }
    ecr.put_image(repositoryName="provisioner", imageManifest=json.dumps(manifest), imageTag="0.1.0")
    cloud.client("sns").create_topic(Name="provisioner-alarms")
    logs = cloud.client("logs")
    for function in ("api", "worker"):
        logs.create_log_group(logGroupName=f"/aws/lambda/provisioner-{function}")
        logs.put_retention_policy(logGroupName=f"/aws/lambda/provisioner-{function}", retentionInDays=365)


@pytest.fixture
def run(empty: LocalCloud, tmp_path: Path) -> Iterator[ByHand]:
    """Terraform in a copy of workspaces/service beside a copy of the modules."""
    folder = tmp_path / "workspaces" / "service"
    untracked = shutil.ignore_patterns(".terraform", "terraform.tfvars")
    shutil.copytree(ROOT / "workspaces" / "service", folder, ignore=untracked)
    shutil.copytree(ROOT / "modules", tmp_path / "modules")
    (folder / "terraform.tfvars.json").write_text(json.dumps(VARIABLES))
    with by_hand(folder, empty, tmp_path) as terraform:
        yield terraform


def test_the_service_comes_up_on_its_ground_and_goes_without_a_trace(empty: LocalCloud, run: ByHand) -> None:
    lay_ground(empty)
    ground = empty.inventory()
    backend = {
        "bucket": STATE_BUCKET,
        "region": REGION,
        "dynamodb_table": "provisioner-terraform-locks",
        "encrypt": "true",
        "use_path_style": "true",
    }
    run("init", *(f"-backend-config={name}={value}" for name, value in backend.items()))

    # WHEN who may apply it does so THEN their policies are enough, and a second plan changes nothing
    with permitted(empty, "service"):
        run("apply", "-auto-approve")
        run("plan", "-detailed-exitcode")

    # AND functions, queue and API are as the Workflow Service needs them
    functions = empty.client("lambda")
    for name, handler in (("api", "engine.service.api.handler"), ("worker", "engine.service.worker.handler")):
        function = functions.get_function(FunctionName=f"provisioner-{name}")
        configuration = function["Configuration"]
        assert configuration["ImageConfigResponse"]["ImageConfig"]["Command"] == [handler]
        assert configuration["MemorySize"] <= 3008, "Lambda gives a new account no more"
        assert "@sha256:" in function["Code"]["ImageUri"], "an image is pinned by its digest"
    (source,) = functions.list_event_source_mappings(EventSourceArn=QUEUE)["EventSourceMappings"]
    assert source["FunctionArn"].endswith(":provisioner-worker") and source["BatchSize"] == 1
    loops = functions.get_function_recursion_config(FunctionName="provisioner-worker")
    assert loops["RecursiveLoop"] == "Allow", "an operation of many runs sends itself its next message"
    require_front(empty)
    require_roles(empty)
    require_clock(empty, run)

    # WHEN it is taken down THEN the ground is as it was
    with permitted(empty, "service"):
        run("destroy", "-auto-approve", "-refresh=false")
    assert [item["name"] for item in empty.inventory() if item not in ground] == ["service/terraform.tfstate"]


def require_clock(cloud: LocalCloud, run: ByHand) -> None:
    """Without a word data goes in time and keys are refreshed; with one, that word counts."""
    rules = cloud.client("events").list_rules()["Rules"]
    assert {rule["Name"]: rule["ScheduleExpression"] for rule in rules} == {
        "provisioner-keys": "rate(1 hour)",
        "provisioner-sweep": "rate(1 hour)",
    }
    assert clock(run, schedules={"drift": "rate(1 day)"}) == {
        "drift": "rate(1 day)",
        "keys": "rate(1 hour)",
        "sweep": "rate(1 hour)",
    }
    assert clock(run, settings={}) == {"sweep": "rate(1 hour)"}
    assert clock(run, schedules={"sweep": None, "keys": "rate(5 minutes)"}) == {"keys": "rate(5 minutes)"}


def clock(run: ByHand, **inputs: Any) -> dict[str, str]:
    """What the worker would do by the clock with these inputs."""
    given = [f"-var={name}={json.dumps(value)}" for name, value in inputs.items()]
    run(
        "plan",
        "-refresh=false",
        "-target=module.service.aws_cloudwatch_event_rule.this",
        "-out=clock.tfplan",
        *given,
    )
    shown = json.loads(run("show", "-json", "clock.tfplan"))
    (service,) = shown["planned_values"]["root_module"]["child_modules"]
    return {
        one["index"]: one["values"]["schedule_expression"]
        for one in service["resources"]
        if one["type"] == "aws_cloudwatch_event_rule"
    }


def require_front(cloud: LocalCloud) -> None:
    """Every way in asks for a signature, and leads to the API function."""
    gateway = cloud.client("apigateway")
    (api,) = gateway.get_rest_apis()["items"]
    ways: dict[str, Any] = {
        f"{method} {resource['path']}": gateway.get_method(
            restApiId=api["id"], resourceId=resource["id"], httpMethod=method
        )
        for resource in gateway.get_resources(restApiId=api["id"])["items"]
        for method in resource.get("resourceMethods", {})
    }
    assert set(ways) == {
        "GET /hpc-provisioner/pcluster",
        "POST /hpc-provisioner/pcluster",
        "DELETE /hpc-provisioner/pcluster",
        "GET /hpc-provisioner/version",
        "ANY /v1",
        "ANY /v1/{proxy+}",
    }
    assert {way["authorizationType"] for way in ways.values()} == {"AWS_IAM"}
    assert all("provisioner-api" in way["methodIntegration"]["uri"] for way in ways.values())
    assert [stage["stageName"] for stage in gateway.get_stages(restApiId=api["id"])["item"]] == ["production"]


def require_roles(cloud: LocalCloud) -> None:
    """The API asks for work and does none; the worker works, and takes nobody's shared ground apart."""
    iam = cloud.client("iam")
    api = attached_statements(iam, f"provisioner-api-{REGION}")
    worker = attached_statements(iam, f"provisioner-worker-{REGION}")
    assert allowed(api, "sqs:SendMessage", QUEUE, {}) and not allowed(api, "sqs:ReceiveMessage", QUEUE, {})
    assert allowed(worker, "sqs:ReceiveMessage", QUEUE, {})
    assert allowed(worker, "cloudformation:CreateStack", STACK, {})
    assert not allowed(api, "cloudformation:CreateStack", STACK, {})
    for statements in (api, worker):
        assert not allowed(
            statements, "dynamodb:DeleteTable", f"arn:aws:dynamodb:{HERE}:table/provisioner-registry", {}
        )
        assert not allowed(statements, "iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/administrator", {})
        assert not allowed(statements, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/administrator", {})
