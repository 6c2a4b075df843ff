"""How calls become permissions, and permissions meet policies."""

from __future__ import annotations

import json
import re
from typing import Any

import click
import pytest

from engine.cli.main import cli
from engine.local.calls import Request
from engine.local.server import LocalCloud
from tests.policies.permissions import (
    COMMANDS,
    FOLDER,
    NO_ACCOUNT,
    ROLES,
    Need,
    Policies,
    needs,
    permitted,
    with_policies,
)

BUCKET = "arn:aws:s3:::pc-123456789012-lab-1-proj-1-abc"
NODES = "arn:aws:s3:::provisioner-nodes-123456789012-us-east-1"
REPOSITORIES = "arn:aws:ecr:us-east-1:123456789012:repository"
PUBLIC = "arn:aws:s3:::provisioner-public-123456789012-us-east-1"
# As AWS names it for FilterLogEvents when it refuses.
NODE_LOGS = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/parallelcluster/pc-a-202611231200:log-stream:"
DATABASES = "arn:aws:rds:us-east-1:123456789012:db"
INTERFACE = "arn:aws:ec2:us-east-1:123456789012:network-interface/eni-0a1b"


def request(service: str, operation: str, path: str = "/", body: Any = b"", **more: Any) -> Request:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(service, operation, path, more.get("query", {}), more.get("headers", {}), content)


def wanted(*arguments: Any, **more: Any) -> list[tuple[str, str]]:
    return [(need.action, need.resource) for need in needs(request(*arguments, **more))]


def test_most_calls_need_the_action_of_their_name() -> None:
    assert wanted("ec2", "DescribeVpcs") == [("ec2:DescribeVpcs", "")]
    assert wanted("efs", "DescribeFileSystems") == [("elasticfilesystem:DescribeFileSystems", "")]


def test_s3_names_many_otherwise() -> None:
    path = "/pc-123456789012-lab-1-proj-1-abc"
    assert wanted("s3", "HeadBucket", path) == [("s3:ListBucket", BUCKET)]
    assert wanted("s3", "HeadObject", f"{path}/a/b") == [("s3:GetObject", f"{BUCKET}/a/b")]
    assert wanted("s3", "DeleteObject", f"{path}/a", query={"versionId": "1"}) == [
        ("s3:DeleteObjectVersion", f"{BUCKET}/a")
    ]
    assert wanted("s3", "PutObject", f"{path}/a", headers={"x-amz-tagging": "a=b"}) == [
        ("s3:PutObject", f"{BUCKET}/a"),
        ("s3:PutObjectTagging", f"{BUCKET}/a"),
    ]


def test_a_function_is_called_by_its_version() -> None:
    """Terraform's provider names a version, boto3 does not: Lambda compares each with an ARN of its form."""
    function = "arn:aws:lambda:us-east-1:123456789012:function:provisioner-accounting"
    plain = "/2015-03-31/functions/provisioner-accounting/invocations"
    for path, query, resource in (
        (plain, {}, function),
        (plain, {"Qualifier": "$LATEST"}, f"{function}:$LATEST"),
        (f"/2015-03-31/functions/{function}/invocations", {}, function),
        (f"/2015-03-31/functions/{function}:7/invocations", {}, f"{function}:7"),
    ):
        assert wanted("lambda", "Invoke", path, query=query) == [("lambda:InvokeFunction", resource)]


@pytest.mark.parametrize("role", ["apply", "orphans", "service-worker"])
@pytest.mark.parametrize(("version", "allowed"), [("", True), (":$LATEST", True), (":7", False)])
def test_who_deploys_may_call_the_accounting_function(role: str, version: str, allowed: bool) -> None:
    function = f"arn:aws:lambda:us-east-1:123456789012:function:provisioner-accounting{version}"
    assert Policies(*ROLES[role]).allow(Need("lambda:InvokeFunction", function, "lambda:Invoke")) is allowed


def test_a_transaction_needs_what_its_writes_need() -> None:
    body = {"TransactItems": [{"Put": {"TableName": "t"}}, {"Delete": {"TableName": "t"}}]}
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/t"
    assert wanted("dynamodb", "TransactWriteItems", body=body) == [
        ("dynamodb:PutItem", arn),
        ("dynamodb:DeleteItem", arn),
    ]


def test_what_is_made_with_tags_needs_the_right_to_tag() -> None:
    tagged = b"Action=CreateSubnet&TagSpecification.1.ResourceType=subnet&TagSpecification.1.Tag.1.Key=a"
    assert ("ec2:CreateTags", "") in wanted("ec2", "CreateSubnet", body=tagged)
    assert ("ec2:CreateTags", "") not in wanted("ec2", "CreateSubnet", body=b"Action=CreateSubnet")
    assert ("fsx:TagResource", "") in wanted("fsx", "CreateFileSystem", body={"Tags": [{"Key": "a"}]})
    assert ("fsx:TagResource", "") not in wanted("fsx", "CreateFileSystem", body={"Tags": []})


def test_a_condition_on_tags_does_not_allow_to_tag_what_has_none_yet() -> None:
    policies = Policies()
    of_ours = {
        "Action": ["kms:TagResource"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/a": "b"}},
    }
    policies.statements = [of_ours]
    new = next(
        need for need in needs(request("kms", "CreateKey", body={"Tags": [{"TagKey": "a"}]})) if need.on_new
    )
    old = Need(new.action, "", "kms:TagResource")
    assert policies.allow(old)
    assert not policies.allow(new)
    policies.statements.append({**of_ours, "Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}})
    assert policies.allow(new)


def test_looking_at_every_stack_needs_the_right_to_all_of_them() -> None:
    every = "arn:aws:cloudformation:us-east-1:123456789012:stack/*/*"
    assert wanted("cloudformation", "DescribeStacks", body=b"Action=DescribeStacks") == [
        ("cloudformation:DescribeStacks", every)
    ]
    for role in ("reader", "service-api", "service-worker"):
        assert Policies(*ROLES[role]).allow(Need("cloudformation:DescribeStacks", every, "test:Test"))


@pytest.mark.parametrize(
    "path", ["pc-123456789012-lab-1-proj-1-abc/private", "provisioner-public-123456789012-us-east-1"]
)
def test_linking_lustre_to_a_bucket_needs_rights_on_its_objects(path: str) -> None:
    asked = list(needs(request("fsx", "CreateDataRepositoryAssociation", body=link(f"s3://{path}/"))))
    bucket = path.partition("/")[0]
    assert {(need.action, need.resource) for need in asked if need.action.startswith("s3:")} == {
        ("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}"),
        ("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
        ("s3:GetObject", f"arn:aws:s3:::{path}/*"),
        ("s3:PutObject", f"arn:aws:s3:::{path}/*"),
    }
    for role in ("apply", "service-worker"):
        assert [str(need) for need in asked if not Policies(*ROLES[role]).allow(need)] == []


def link(path: str) -> dict[str, Any]:
    return {"FileSystemId": "fs-0a1b", "FileSystemPath": "/project/public", "DataRepositoryPath": path}


def test_asking_who_one_is_needs_nothing() -> None:
    assert wanted("sts", "GetCallerIdentity") == []


@pytest.mark.parametrize(
    ("role", "action", "resource", "allowed"),
    [
        ("reader", "s3:ListBucket", BUCKET, True),
        ("reader", "s3:GetObject", f"{BUCKET}/scripts/x.sh", True),
        ("reader", "s3:GetObject", f"{BUCKET}/private/results.dat", False),
        ("reader", "s3:ListBucket", "arn:aws:s3:::somebody-else", False),
        ("reader", "ec2:CreateSubnet", "", False),
        ("reader", "logs:FilterLogEvents", NODE_LOGS, True),
        ("service-api", "logs:FilterLogEvents", NODE_LOGS, True),
        ("service-worker", "logs:FilterLogEvents", NODE_LOGS, True),
        (
            "reader",
            "logs:FilterLogEvents",
            "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/x",
            False,
        ),
        # `prices` asks the Price List API, which the local cloud has not.
        ("reader", "pricing:GetProducts", "", True),
        ("plan", "ec2:CreateSubnet", "", False),
        ("apply", "ec2:CreateSubnet", "", True),
        ("apply", "rds:DeleteDBInstance", "", False),
        ("apply", "dynamodb:DeleteTable", "", False),
        ("shared", "rds:DeleteDBInstance", "", True),
        # Terraform asks for it by its DbiResourceId, with a filter: RDS holds that against all instances.
        ("shared", "rds:DescribeDBInstances", f"{DATABASES}:*", True),
        ("shared", "rds:DeleteDBInstance", f"{DATABASES}:another", False),
        # The provider removes what Lambda has left, and let go of, before a subnet or a group can go.
        ("shared", "ec2:DeleteNetworkInterface", INTERFACE, True),
        # docs/setup.md, "Packages for the nodes": root installs them, so nobody else may put any there.
        ("shared", "s3:PutObject", f"{NODES}/packages/alinux2023/x86_64/mount-s3.rpm", True),
        ("shared", "s3:PutObject", f"{NODES}/projects/a/authorized_keys", False),
        ("apply", "s3:PutObject", f"{NODES}/packages/alinux2023/x86_64/mount-s3.rpm", False),
        ("image", "ecr:PutImage", f"{REPOSITORIES}/provisioner", True),
        ("image", "ecr:PutImage", f"{REPOSITORIES}/another", False),
        ("shared", "s3:PutObject", f"{PUBLIC}/atlas/mouse.h5", True),
    ],
)
def test_a_role_may_what_its_policies_say(role: str, action: str, resource: str, allowed: bool) -> None:
    assert Policies(*ROLES[role]).allow(Need(action, resource, "test:Test")) is allowed


def test_every_command_is_somebody_s_who_may_run_it() -> None:
    words = {command.partition(" ")[0] for command in COMMANDS}
    assert words | set(NO_ACCOUNT) == set(cli.list_commands(click.Context(cli)))
    assert not words & set(NO_ACCOUNT)


def test_the_page_says_which_policies_each_command_takes() -> None:
    """docs/setup.md, "Who may do what": | who | does | policies |"""
    told: dict[str, list[str]] = {}
    for line in (FOLDER.parent / "setup.md").read_text("utf-8").splitlines():
        _, *cells, _ = line.split("|") if line.startswith("|") else ("", "")
        if len(cells) == 3:
            policies = re.findall(r"`([^`]+)`", cells[2])
            told |= dict.fromkeys(re.findall(r"`([^`]+)`", cells[1]), policies)
    assert {command: told.get(command) for command in COMMANDS} == {
        command: ROLES[role] for command, role in COMMANDS.items()
    }


def test_who_pushes_an_image_may_do_each_step_of_it() -> None:
    """Amazon ECR User Guide, "IAM permissions for pushing an image"; the login is for the whole registry."""
    pushing = Policies(*ROLES["image"])
    steps = (
        "BatchCheckLayerAvailability",
        "BatchGetImage",
        "CompleteLayerUpload",
        "GetDownloadUrlForLayer",
        "InitiateLayerUpload",
        "PutImage",
        "UploadLayerPart",
    )
    asked = [Need(f"ecr:{step}", f"{REPOSITORIES}/provisioner", "docker push") for step in steps]
    asked.append(Need("ecr:GetAuthorizationToken", "*", "docker login"))
    assert [str(need) for need in asked if not pushing.allow(need)] == []


def test_a_call_that_nobody_allows_is_told() -> None:
    with LocalCloud(seeded=False) as cloud:
        ec2 = cloud.client("ec2")
        with permitted(cloud, "reader"):
            ec2.describe_vpcs()
        with (
            pytest.raises(
                AssertionError, match=r"`reader` do not allow\nec2:CreateVpc .*\(for ec2:CreateVpc\)"
            ),
            permitted(cloud, "reader"),
        ):
            ec2.create_vpc(CidrBlock="10.0.0.0/16")
        with pytest.raises(AssertionError, match="nothing was asked"), permitted(cloud, "reader"):
            pass
        # AND a request that fails was asked all the same
        with pytest.raises(AssertionError, match="s3:ListBucket on arn:aws:s3:::nobodys "):
            with_policies(cloud, lambda *_: fails(cloud))("status")


def fails(cloud: LocalCloud) -> None:
    s3 = cloud.client("s3")
    with pytest.raises(s3.exceptions.ClientError):
        s3.head_bucket(Bucket="nobodys")
