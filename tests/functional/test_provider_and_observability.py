"""Providers side by side, and what watches over the service, on an account without anything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.local.server import LocalCloud
from tests.functional.by_hand import ByHand, by_hand
from tests.functional.conftest import QUICK
from tests.functional.iam_decisions import allowed, attached_statements

pytestmark = [pytest.mark.long, pytest.mark.terraform, pytest.mark.timeout(900)]
ROOT = Path(__file__).parent / "local" / "observed.tf"
MODULES = Path(__file__).parents[2] / "modules"

CLUSTER = "pc-lab-1-proj-1-fzz74kmepm"
ACCOUNT = "123456789012"
HERE = f"us-east-1:{ACCOUNT}"
NODE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/parallelcluster/{CLUSTER}/{CLUSTER}-RoleHeadNode-1A2B"
CLEANER_ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/parallelcluster/{CLUSTER}-CleanupResourcesFunctionExecutionRole-1"
)
AGENT = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"
TAGGED = {"aws:TagKeys": ["team", "parallelcluster:cluster-name"]}
OURS = {"aws:ResourceTag/parallelcluster:cluster-name": CLUSTER}
OWN_BUCKET = {"aws:ResourceAccount": ACCOUNT}

NEEDED = [
    ("cloudformation:CreateStack", f"arn:aws:cloudformation:{HERE}:stack/{CLUSTER}/1", TAGGED),
    ("cloudformation:CreateStack", f"arn:aws:cloudformation:{HERE}:stack/{CLUSTER}-QueuesNested-1/2", TAGGED),
    ("cloudformation:DescribeStacks", f"arn:aws:cloudformation:{HERE}:stack/{CLUSTER}-stack/1", {}),
    ("iam:CreateRole", NODE_ROLE, {}),
    ("iam:CreateRole", CLEANER_ROLE, {}),
    ("iam:AttachRolePolicy", NODE_ROLE, {"iam:PolicyARN": AGENT}),
    ("iam:PassRole", NODE_ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
    ("iam:PassRole", CLEANER_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("dynamodb:CreateTable", f"arn:aws:dynamodb:{HERE}:table/parallelcluster-{CLUSTER}", {}),
    ("dynamodb:CreateTable", f"arn:aws:dynamodb:{HERE}:table/parallelcluster-slurm-{CLUSTER}", {}),
    ("lambda:CreateFunction", f"arn:aws:lambda:{HERE}:function:pcluster-CleanupResources-1a2b", {}),
    ("ec2:RunInstances", "arn:aws:ec2:us-east-1::image/ami-1", {}),
    ("ec2:CreateSecurityGroup", f"arn:aws:ec2:{HERE}:vpc/vpc-1", {}),
    ("ec2:TerminateInstances", f"arn:aws:ec2:{HERE}:instance/i-1", OURS),
    ("logs:PutRetentionPolicy", f"arn:aws:logs:{HERE}:log-group:/aws/parallelcluster/{CLUSTER}-2026:*", {}),
    ("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/aws/lambda/pcluster-cfn-1:log-stream:x", {}),
    ("cloudwatch:PutDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{CLUSTER}-us-east-1", {}),
    ("cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{HERE}:alarm:{CLUSTER}-HeadNode-Cpu", {}),
    ("s3:CreateBucket", "arn:aws:s3:::parallelcluster-0a1b-v1-do-not-delete", {}),
    ("s3:PutObject", "arn:aws:s3:::parallelcluster-0a1b-v1-do-not-delete/parallelcluster/x", OWN_BUCKET),
    ("s3:GetObject", "arn:aws:s3:::us-east-1-aws-parallelcluster/parallelcluster/3.16.1/x", {}),
    ("s3:GetObject", f"arn:aws:s3:::pc-{ACCOUNT}-lab-1-proj-1-fzz74kmepm/scripts/head-node.sh", {}),
    ("secretsmanager:DescribeSecret", f"arn:aws:secretsmanager:{HERE}:secret:provisioner/{CLUSTER}/x-1", {}),
    ("fsx:DescribeFileSystems", f"arn:aws:fsx:{HERE}:file-system/fs-1", {}),
    ("events:PutRule", f"arn:aws:events:{HERE}:rule/ClusterAbCdEfGh", {}),
    (
        "lambda:AddPermission",
        f"arn:aws:lambda:{HERE}:function:pcluster-cfn-1",
        {"lambda:Principal": "events.amazonaws.com"},
    ),
]
REFUSED = [
    ("cloudformation:CreateStack", f"arn:aws:cloudformation:{HERE}:stack/{CLUSTER}/1", {}),
    ("cloudformation:DeleteStack", f"arn:aws:cloudformation:{HERE}:stack/provisioner-shared/1", {}),
    (
        "cloudformation:DeleteStack",
        f"arn:aws:cloudformation:{HERE}:stack/parallelcluster-provider-3-16-1/1",
        {},
    ),
    ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/administrator", {}),
    ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/parallelcluster-provider-3-16-1-us-east-1", {}),
    ("iam:AttachRolePolicy", NODE_ROLE, {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ("iam:PassRole", NODE_ROLE, {"iam:PassedToService": "glue.amazonaws.com"}),
    (
        "iam:PassRole",
        f"arn:aws:iam::{ACCOUNT}:role/administrator",
        {"iam:PassedToService": "ec2.amazonaws.com"},
    ),
    ("dynamodb:DeleteTable", f"arn:aws:dynamodb:{HERE}:table/provisioner-registry", {}),
    ("ec2:TerminateInstances", f"arn:aws:ec2:{HERE}:instance/i-1", {}),
    ("ec2:CreateTags", f"arn:aws:ec2:{HERE}:vpc/vpc-1", {}),
    ("logs:DeleteLogGroup", f"arn:aws:logs:{HERE}:log-group:/aws/lambda/provisioner-api", {}),
    ("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:{HERE}:alarm:provisioner-database-cpu", {}),
    ("s3:GetObject", f"arn:aws:s3:::pc-{ACCOUNT}-lab-1-proj-1-fzz74kmepm/private/results.dat", {}),
    ("s3:PutObject", "arn:aws:s3:::parallelcluster-0a1b/x", {"aws:ResourceAccount": "210987654321"}),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:provisioner/{CLUSTER}/x-1", {}),
    ("elasticfilesystem:DeleteFileSystem", f"arn:aws:elasticfilesystem:{HERE}:file-system/fs-1", {}),
    ("fsx:DeleteFileSystem", f"arn:aws:fsx:{HERE}:file-system/fs-1", {}),
]


@pytest.fixture
def empty() -> Iterator[LocalCloud]:
    with LocalCloud(durations=QUICK, seeded=False) as cloud:
        yield cloud


@pytest.fixture
def run(empty: LocalCloud, tmp_path: Path) -> Iterator[ByHand]:
    shutil.copy(ROOT, tmp_path / "main.tf")
    shutil.copytree(MODULES, tmp_path / "modules")
    with by_hand(tmp_path, empty, tmp_path) as terraform:
        yield terraform


def test_providers_side_by_side_and_what_watches_over_them(empty: LocalCloud, run: ByHand) -> None:
    before = empty.inventory()
    cloudformation = empty.client("cloudformation")

    # WHEN two releases and the watch are applied THEN both give out a token, and nothing is left to do
    run("init")
    run("apply", "-auto-approve")
    tokens = json.loads(run("output", "-json", "tokens"))
    assert set(tokens) == {"3.16.1", "3.16.3"}
    assert tokens["3.16.1"] != tokens["3.16.3"]
    run("plan", "-detailed-exitcode")

    # AND the role may do what a cluster needs, and not more
    role = "parallelcluster-provider-3-16-1-us-east-1"
    statements = attached_statements(empty.client("iam"), role)
    assert [call for call in NEEDED if not allowed(statements, *call)] == []
    assert [call for call in REFUSED if allowed(statements, *call)] == []

    # AND every alarm says what to do, and goes where people are
    alarms = empty.client("cloudwatch").describe_alarms()["MetricAlarms"]
    topics = {topic["TopicArn"] for topic in empty.client("sns").list_topics()["Topics"]}
    assert len(alarms) == 15
    assert all(len(alarm["AlarmDescription"]) > 60 for alarm in alarms)
    assert all(set(alarm["AlarmActions"]) == set(alarm["OKActions"]) == topics for alarm in alarms)

    # WHEN a release is taken out while its stack stands THEN Terraform refuses
    only = ("-var", 'releases=["3.16.3"]')
    assert "prevent_destroy" in run("plan", *only, code=1)
    # AND retires it once the stack is gone
    cloudformation.delete_stack(StackName="parallelcluster-provider-3-16-1")
    run("apply", "-auto-approve", *only)
    assert role not in {item["id"] for item in empty.inventory()}
    assert tokens["3.16.3"] in run("output", "-json", "tokens")

    # WHEN all of it is destroyed THEN only what AWS's template keeps is left: the functions' log groups
    cloudformation.delete_stack(StackName="parallelcluster-provider-3-16-3")
    run("destroy", "-auto-approve", *only)
    left = [item for item in empty.inventory() if item not in before]
    assert {(item["type"], item["name"].rsplit("-", 5)[0]) for item in left} == {
        ("log-group", "/aws/lambda/pcluster-cfn")
    }
