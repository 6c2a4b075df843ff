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


@pytest.mark.parametrize(
    ("service", "operation", "path", "body", "resource"),
    [
        # CloudWatch Logs asks for ":*" behind a group's name, but for its tags.
        (
            "logs",
            "CreateLogGroup",
            "/",
            {"logGroupName": "g"},
            "logs:us-east-1:123456789012:log-group:g:log-stream:",
        ),
        (
            "logs",
            "GetLogEvents",
            "/",
            {"logGroupName": "g", "logStreamName": "s"},
            "log-group:g:log-stream:s",
        ),
        ("logs", "TagResource", "/", {"resourceArn": "arn:of:g"}, "arn:of:g"),
        ("rds", "DescribeDBInstances", "/", b"DBInstanceIdentifier=d", "rds:us-east-1:123456789012:db:d"),
        ("rds", "DescribeDBInstances", "/", b"Filters.Filter.1.Name=dbi-resource-id", ":db:*"),
        ("rds", "ListTagsForResource", "/", b"ResourceName=arn:of:d", "arn:of:d"),
        ("iam", "GetRolePolicy", "/", b"RoleName=r&PolicyName=p", "arn:aws:iam::123456789012:role/r"),
        ("iam", "AttachRolePolicy", "/", b"RoleName=r&PolicyArn=arn:of:p", ":role/r"),
        ("iam", "CreatePolicy", "/", b"PolicyName=p&Path=/a/", ":policy/a/p"),
        ("iam", "GetPolicy", "/", b"PolicyArn=arn:of:p", "arn:of:p"),
        ("lambda", "CreateFunction", "/2015-03-31/functions", {"FunctionName": "f"}, ":function:f"),
        ("lambda", "ListTags", "/2017-03-31/tags/arn:of:f", b"", "arn:of:f"),
        ("sqs", "SendMessage", "/", {"QueueUrl": "https://sqs/123456789012/q.fifo"}, ":123456789012:q.fifo"),
        ("events", "PutTargets", "/", {"Rule": "r"}, ":rule/r"),
        ("dynamodb", "Query", "/", {"TableName": "t", "IndexName": "i"}, ":table/t/index/i"),
        (
            "apigateway",
            "GetStage",
            "/restapis/a/stages/b",
            b"",
            "arn:aws:apigateway:us-east-1::/restapis/a/stages/b",
        ),
        ("ec2", "DeleteKeyPair", "/", b"KeyName=k", ":key-pair/k"),
    ],
)
def test_what_a_call_is_about(service: str, operation: str, path: str, body: Any, resource: str) -> None:
    ((_, found),) = wanted(service, operation, path, body)
    assert found.endswith(resource)


def test_a_database_is_made_of_several_things() -> None:
    body = b"DBInstanceIdentifier=d&DBParameterGroupName=p&DBSubnetGroupName=s"
    made = [
        on for action, on in wanted("rds", "CreateDBInstance", body=body) if action == "rds:CreateDBInstance"
    ]
    assert made == [f"arn:aws:rds:us-east-1:123456789012:{one}" for one in ("db:d", "pg:p", "subgrp:s")]


@pytest.mark.parametrize(
    "role", ["arn:aws:iam::123456789012:role/r", "arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr"]
)
def test_who_hands_a_role_to_a_service_must_be_let(role: str) -> None:
    needed = ("iam:PassRole", "arn:aws:iam::123456789012:role/r")
    assert needed in wanted("rds", "CreateDBInstance", body=f"MonitoringRoleArn={role}".encode())
    assert needed in wanted("lambda", "UpdateFunctionConfiguration", "/functions/f", {"Role": role})
    assert needed not in wanted("lambda", "UpdateFunctionConfiguration", "/functions/f", {"Timeout": 3})


def test_a_template_is_fetched_and_expanded_in_the_caller_s_name() -> None:
    body = (
        b"StackName=s&TemplateURL=https%3A%2F%2Fus-east-1-aws-parallelcluster.s3.us-east-1.amazonaws.com%2Fa%2Fb.yaml"
        b"&Capabilities.member.1=CAPABILITY_AUTO_EXPAND&Tags.member.1.Key=a&Tags.member.1.Value=b"
    )
    stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/s/id"
    asked = wanted("cloudformation", "CreateStack", body=body)
    assert {one for one in asked if one[1]} == {
        ("cloudformation:CreateStack", stack),
        ("cloudformation:TagResource", stack),
        ("s3:GetObject", "arn:aws:s3:::us-east-1-aws-parallelcluster/a/b.yaml"),
        (
            "cloudformation:CreateChangeSet",
            "arn:aws:cloudformation:us-east-1:aws:transform/Serverless-2016-10-31",
        ),
    }


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
    role = ("iam:TagRole", "arn:aws:iam::123456789012:role/r")
    assert role in wanted("iam", "CreateRole", body=b"RoleName=r&Tags.member.1.Key=a")
    group = {"logGroupName": "g", "tags": {"a": "b"}}
    # Tags are looked up by the plain ARN.
    tagged = ("logs:TagResource", "arn:aws:logs:us-east-1:123456789012:log-group:g")
    assert tagged in wanted("logs", "CreateLogGroup", body=group)
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
