"""Which permissions a call to AWS needs, and whether the policies in docs/policies give them.

    with permitted(cloud, "plan"):
        provisioner("plan", spec)

fails with everything that was asked of the local cloud and that the policies of that role would have
refused. Conditions are not evaluated, but for one: what is being made has no tags yet, so a statement that
asks for them (aws:ResourceTag) does not allow to tag it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from engine.local.calls import Request
from engine.local.connection import environment_for
from engine.local.server import LocalCloud

FOLDER = Path(__file__).parents[2] / "docs" / "policies"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
ACCOUNT, REGION = "123456789012", "us-east-1"
CALLER = environment_for("", REGION, ACCOUNT)["AWS_ACCESS_KEY_ID"]

ROLES = {
    "reader": ["reader"],
    "plan": ["reader", "pipeline-plan"],
    "apply": ["reader", "pipeline-plan", "pipeline-apply", "pipeline-apply-storage"],
    "orphans": ["reader", "pipeline-plan", "pipeline-apply", "pipeline-apply-storage", "orphans"],
    "ssh": ["reader", "ssh-keys"],
    "ssh-user": ["reader", "user-keys"],
    "bootstrap": ["administrator-bootstrap"],
    "image": ["image-push"],
    "redrive": ["reader", "service-redrive"],
    "service": ["administrator-service", "administrator-service-roles"],
    "service-api": ["service-api"],
    "service-worker": [
        "reader",
        "pipeline-plan",
        "pipeline-apply",
        "pipeline-apply-storage",
        "service-worker",
    ],
    "shared": ["administrator-shared", "administrator-shared-network", "administrator-shared-providers"],
}
"""Who -> the policies that are attached together for that (docs/setup.md)."""

COMMANDS = {
    "adopt": "apply",
    "apply": "apply",
    "approve": "apply",
    "bootstrap": "bootstrap",
    "destroy": "apply",
    "doctor": "reader",
    "drift": "plan",
    "keep": "plan",
    "list": "reader",
    "operations": "reader",
    "orphans": "reader",
    "orphans --adopt": "apply",
    "orphans --delete": "orphans",
    "outputs": "reader",
    "plan": "plan",
    "plans": "reader",
    "prices": "reader",
    "redrive": "redrive",
    "refresh-jwks": "apply",
    "release": "apply",
    "render": "plan",
    "rotate-password": "apply",
    "ssh-key": "ssh",
    "ssh-key --user": "ssh-user",
    "state diff": "reader",
    "state list": "reader",
    "state restore": "apply",
    "state show": "reader",
    "status": "reader",
    "unlock": "reader",
    "unlock --id": "plan",
}
"""Command, where its word or option asks for more with that -> who runs it (docs/setup.md)."""

NO_ACCOUNT = ("demo", "gitlab", "local", "package", "serve", "settings", "setup")
"""Commands that ask no account: they work on this machine, with the local cloud, or ask GitLab."""

PREFIXES = {"efs": "elasticfilesystem", "monitoring": "cloudwatch", "tagging": "tag"}
"""Service as the local cloud calls it -> as IAM does, where they differ."""

ACTIONS: dict[str, list[str]] = {
    # Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
    "s3:AbortMultipartUpload": ["s3:AbortMultipartUpload"],
    "s3:CompleteMultipartUpload": ["s3:PutObject"],
    "s3:CreateMultipartUpload": ["s3:PutObject"],
    "s3:DeleteBucketEncryption": ["s3:PutEncryptionConfiguration"],
    "s3:DeleteBucketLifecycle": ["s3:PutLifecycleConfiguration"],
    "s3:DeleteBucketOwnershipControls": ["s3:PutBucketOwnershipControls"],
    "s3:DeleteBucketTagging": ["s3:PutBucketTagging"],
    "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "s3:DeletePublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    "s3:GetBucketAccelerateConfiguration": ["s3:GetAccelerateConfiguration"],
    "s3:GetBucketCors": ["s3:GetBucketCORS"],
    "s3:GetBucketEncryption": ["s3:GetEncryptionConfiguration"],
    "s3:GetBucketLifecycle": ["s3:GetLifecycleConfiguration"],
    "s3:GetBucketLifecycleConfiguration": ["s3:GetLifecycleConfiguration"],
    "s3:GetBucketReplication": ["s3:GetReplicationConfiguration"],
    "s3:GetObjectLockConfiguration": ["s3:GetBucketObjectLockConfiguration"],
    "s3:GetPublicAccessBlock": ["s3:GetBucketPublicAccessBlock"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListBuckets": ["s3:ListAllMyBuckets"],
    "s3:ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:ListObjects": ["s3:ListBucket"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:PutBucketEncryption": ["s3:PutEncryptionConfiguration"],
    "s3:PutBucketLifecycle": ["s3:PutLifecycleConfiguration"],
    "s3:PutBucketLifecycleConfiguration": ["s3:PutLifecycleConfiguration"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    "s3:UploadPart": ["s3:PutObject"],
    # Lambda Developer Guide, "Actions, resources, and condition keys for Lambda".
    "lambda:Invoke": ["lambda:InvokeFunction"],
    # IAM User Guide, "GetCallerIdentity": no permission is required.
    "sts:GetCallerIdentity": [],
}
"""What an operation needs, where it is not the one action of the same name."""

# API Gateway developer guide, "How API Gateway works with IAM": actions are those of HTTP.
_VERBS = {
    "Create": "POST",
    "Delete": "DELETE",
    "Get": "GET",
    "Put": "PUT",
    "Tag": "PUT",
    "Untag": "DELETE",
    "Update": "PATCH",
}

BESIDES: dict[str, list[str]] = {
    # Amazon EFS User Guide, "Amazon EFS API permissions": EFS makes the interface in the caller's name.
    "efs:CreateMountTarget": [
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
    ],
    "efs:DeleteMountTarget": ["ec2:DeleteNetworkInterface"],
    "efs:ModifyMountTargetSecurityGroups": ["ec2:ModifyNetworkInterfaceAttribute"],
    # FSx for Lustre User Guide, "Adding permissions to use data repositories in Amazon S3".
    "fsx:CreateDataRepositoryAssociation": [
        "iam:AttachRolePolicy",
        "iam:CreateServiceLinkedRole",
        "iam:PutRolePolicy",
    ],
    "fsx:CreateFileSystem": ["ec2:GetSecurityGroupsForVpc", "iam:CreateServiceLinkedRole"],
    # Service Authorization Reference, "Dependent actions".
    "ec2:CreateVpcEndpoint": ["route53:AssociateVPCWithHostedZone"],
    "rds:CreateDBInstance": [
        "iam:CreateServiceLinkedRole",
        "secretsmanager:CreateSecret",
        "secretsmanager:TagResource",
    ],
    # CloudFormation calls the function behind a custom resource in the name of who changes the stack.
    "cloudformation:CreateStack": ["lambda:InvokeFunction"],
    "cloudformation:DeleteStack": ["lambda:InvokeFunction"],
    "cloudformation:UpdateStack": ["lambda:InvokeFunction"],
}
"""What AWS checks for the same call elsewhere, on resources of its choice."""

PASSING = {
    "apigateway:UpdateAccount",
    "ec2:CreateFlowLogs",
    "events:PutTargets",
    "lambda:CreateFunction",
    "lambda:UpdateFunctionConfiguration",
    "rds:CreateDBInstance",
    "rds:ModifyDBInstance",
}
"""Calls that hand a role to a service. Source: Service Authorization Reference, "Dependent actions"."""
_ROLE = re.compile(r"arn:aws:iam::[0-9]{12}:role/[\w+=,.@/-]+")
# Which actions have another name for one version of an object.
_OF_OBJECTS = re.compile(r"^(s3:(?:Delete|Get|Put)Object)(Acl|Tagging)?$")

RDS_KINDS = {
    "DBInstanceIdentifier": "db",
    "DBParameterGroupName": "pg",
    "DBSubnetGroupName": "subgrp",
}
"""Parameter -> kind of resource in ARNs. Source: Service Authorization Reference, Amazon RDS."""

TAGGING = {
    "cloudformation": "TagResource",
    "cloudwatch": "TagResource",
    "dynamodb": "TagResource",
    "ec2": "CreateTags",
    "ecr": "TagResource",
    "events": "TagResource",
    "elasticfilesystem": "TagResource",
    "fsx": "TagResource",
    "kms": "TagResource",
    "lambda": "TagResource",
    "logs": "TagResource",
    "rds": "AddTagsToResource",
    "secretsmanager": "TagResource",
    "sns": "TagResource",
    "sqs": "TagQueue",
}
"""What a call needs besides that makes something with tags on it; IAM has an action for each kind."""
_TAGS = re.compile(
    rb'"[Tt]ags"\s*:\s*[\[{]\s*["{]|TagSpecification\.1\.|Tags\.(member|Tag)\.1\.|Tags\.entry\.1\.'
)


@dataclass(frozen=True, order=True)
class Need:
    """A permission that a call needs.

    resource   its ARN, "" where the call does not tell
    on_new     it is for tagging what the same call makes
    """

    action: str
    resource: str
    operation: str
    on_new: bool = False

    def __str__(self) -> str:
        return f"{self.action} on {self.resource or 'its resource'} (for {self.operation})"


class Policies:
    """Policies of docs/policies, attached to one role."""

    def __init__(self, *names: str) -> None:
        self.statements = [one for name in names for one in document(name)["Statement"]]

    def allow(self, need: Need) -> bool:
        return any(
            any(fnmatchcase(need.action, action) for action in listed(statement["Action"]))
            and (
                not need.resource
                or any(fnmatchcase(need.resource, on) for on in listed(statement["Resource"]))
            )
            and not (need.on_new and asks_for_tags(statement))
            for statement in self.statements
        )


@contextmanager
def permitted(cloud: LocalCloud, role: str) -> Iterator[None]:
    """Fail when something was asked of the cloud meanwhile that the role's policies do not allow.

    Functions that run in the cloud ask with keys of their own, and have roles of their own.
    """
    with journal(cloud) as asked:
        yield
    require_allowed(asked, role)


def require_allowed(asked: Iterable[Need], role: str) -> None:
    policies = Policies(*ROLES[role])
    refused = sorted(need for need in asked if not policies.allow(need))
    assert asked, "nothing was asked of the cloud"
    assert not refused, f"The policies of `{role}` do not allow\n" + "\n".join(map(str, refused))


@contextmanager
def journal(cloud: LocalCloud) -> Iterator[set[Need]]:
    """Every permission that is needed for what is asked of the cloud meanwhile."""
    asked: set[Need] = set()

    def hear(request: Request) -> None:
        if request.signer == CALLER:
            asked.update(needs(request))

    with cloud.heard(hear):
        yield asked


def with_policies(cloud: LocalCloud, provisioner: Callable[..., Any]) -> Callable[..., Any]:
    """The command line, each command with no more permissions than who runs it has (COMMANDS)."""

    def call(command: str, *arguments: Any) -> Any:
        closer = (f"{command} {argument}" for argument in arguments)
        role = next((COMMANDS[one] for one in closer if one in COMMANDS), None) or COMMANDS[command]
        with permitted(cloud, role):
            return provisioner(command, *arguments)

    return call


def document(name: str) -> dict[str, Any]:
    """A policy with its placeholders filled in for the local cloud."""
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text.replace("<account>", ACCOUNT).replace("<region>", REGION))
    return found


def needs(request: Request) -> Iterable[Need]:
    """The permissions of one call, the way IAM would look them up."""
    operation = f"{request.service}:{request.operation}"
    prefix = PREFIXES.get(request.service, request.service)
    if operation == "dynamodb:TransactWriteItems":
        # DynamoDB Developer Guide, "Using IAM with DynamoDB transactions": those of its single writes.
        for one in json.loads(request.body)["TransactItems"]:
            for kind, item in one.items():
                action = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
                yield Need(f"dynamodb:{action}", table(item["TableName"]), operation)
        return
    about = resources(request) or [""]
    if prefix == "apigateway":
        verb = re.match(r"[A-Z][a-z]+", request.operation)
        action = _VERBS.get(verb[0]) if verb else None
        assert action, f"no HTTP method is known for {operation}"
        yield Need(f"apigateway:{action}", about[0], operation)
        if request.operation == "UpdateRestApi" and b"/policy" in request.body:
            yield Need("apigateway:UpdateRestApiPolicy", about[0], operation)
    else:
        for action in ACTIONS.get(operation, [f"{prefix}:{request.operation}"]):
            if "versionId" in request.query:
                action = _OF_OBJECTS.sub(r"\1Version\2", action)
            yield from (Need(action, on, operation) for on in about)
    for action in BESIDES.get(operation, []):
        yield Need(action, "", operation)
    if operation in PASSING:
        yield from (Need("iam:PassRole", role, operation) for role in _ROLE.findall(unquoted(request)))
    if operation == "fsx:CreateDataRepositoryAssociation":
        yield from of_linked_bucket(request)
    if operation in ("cloudformation:CreateStack", "cloudformation:UpdateStack"):
        yield from of_template(request)
    tagging = f"Tag{request.operation.removeprefix('Create')}" if prefix == "iam" else TAGGING.get(prefix)
    if (
        tagging
        and request.operation.startswith(("Authorize", "Create", "Import", "Put"))
        and _TAGS.search(request.body)
    ):
        yield Need(f"{prefix}:{tagging}", about[0].removesuffix(":log-stream:"), operation, on_new=True)
    if operation in ("s3:CreateMultipartUpload", "s3:PutObject") and "x-amz-tagging" in request.headers:
        yield Need("s3:PutObjectTagging", about[0], operation)


def of_linked_bucket(request: Request) -> Iterator[Need]:
    """What FSx asks of the caller for the bucket or prefix that is linked, also where it only imports.

    Source   FSx for Lustre User Guide, "Unable to validate access to an S3 bucket when creating a DRA":
             s3:Get*, s3:List* and s3:PutObject
    """
    path = field(request, "DataRepositoryPath").removeprefix("s3://").rstrip("/")
    bucket, objects = f"arn:aws:s3:::{path.partition('/')[0]}", f"arn:aws:s3:::{path}/*"
    operation = f"fsx:{request.operation}"
    for action in ("s3:GetBucketLocation", "s3:ListBucket"):
        yield Need(action, bucket, operation)
    for action in ("s3:GetObject", "s3:PutObject"):
        yield Need(action, objects, operation)


def of_template(request: Request) -> Iterator[Need]:
    """What CloudFormation asks of the caller for a template that it fetches and whose macros it expands.

    Source   CloudFormation User Guide, "Control CloudFormation access with IAM" and "Create a CloudFormation
             macro": who changes the stack reads the template, and may use the transform
    """
    operation = f"cloudformation:{request.operation}"
    if address := form(request, "TemplateURL"):
        url = urlsplit(address)
        yield Need("s3:GetObject", f"arn:aws:s3:::{url.netloc.partition('.s3')[0]}{url.path}", operation)
    if b"CAPABILITY_AUTO_EXPAND" in request.body:
        serverless = f"arn:aws:cloudformation:{REGION}:aws:transform/Serverless-2016-10-31"
        yield Need("cloudformation:CreateChangeSet", serverless, operation)


def resources(request: Request) -> list[str]:
    """The ARNs of what a call is about; none where the call does not name it."""
    if request.service == "rds":
        return of_databases(request)
    named: dict[str, Callable[[Request], str]] = {
        "apigateway": lambda call: f"arn:aws:apigateway:{REGION}::{call.path}",
        "cloudformation": of_stack,
        "dynamodb": of_table,
        "ec2": of_key_pair,
        "events": lambda call: arn("events", "rule/", field(call, "Rule") or field(call, "Name")),
        "iam": of_role_or_policy,
        "lambda": of_function,
        "logs": of_log_group,
        "s3": of_bucket_or_object,
        "secretsmanager": of_secret,
        "sqs": lambda call: arn("sqs", "", field(call, "QueueName") or last(field(call, "QueueUrl"), "/")),
    }
    found = named[request.service](request) if request.service in named else ""
    return [found] if found else []


def of_bucket_or_object(request: Request) -> str:
    every = "/*" if request.operation == "DeleteObjects" else ""
    return f"arn:aws:s3:::{request.path.strip('/')}{every}"


def of_table(request: Request) -> str:
    index = field(request, "IndexName")
    return field(request, "ResourceArn") or (
        table(field(request, "TableName")) + (f"/index/{index}" if index else "")
    )


def of_stack(request: Request) -> str:
    stack = form(request, "StackName")
    if not stack and request.operation == "DescribeStacks":
        # Without a name it is every stack of the region that is described.
        return arn("cloudformation", "stack/", "*/*")
    return stack if stack.startswith("arn:") else arn("cloudformation", "stack/", stack and f"{stack}/id")


def of_secret(request: Request) -> str:
    secret = field(request, "SecretId") or field(request, "Name")
    # A secret's ARN ends with six characters of Secrets Manager's choice.
    return secret if secret.startswith("arn:") else arn("secretsmanager", "secret:", f"{secret}-AbCdEf")


def of_function(request: Request) -> str:
    """With the version, if the call names one.

    Source   Lambda Developer Guide, "Referencing functions in the Resource section of policies": what
             allows a function by its name alone refuses a call that names a version, even $LATEST
    """
    if tagged := re.search(r"/tags/(arn:.+)", request.path):
        return tagged[1]
    if request.operation == "CreateFunction":
        return arn("lambda", "function:", field(request, "FunctionName"))
    if not (found := re.search(r"/functions/([^/]+)", request.path)):
        return ""
    version = f":{request.query['Qualifier']}" if "Qualifier" in request.query else ""
    return arn("lambda", "function:", last(found[1], "function:") + version)


def of_databases(request: Request) -> list[str]:
    """Everything that the call names, by the kind of its name."""
    if tagged := form(request, "ResourceName"):
        return [tagged]
    named = [arn("rds", f"{kind}:", form(request, parameter)) for parameter, kind in RDS_KINDS.items()]
    if request.operation == "DescribeDBInstances" and not any(named):
        # Terraform asks for an instance by its DbiResourceId, with a filter, and RDS holds that against all
        # instances (terraform-provider-aws 5.100.0, findDBInstanceByID).
        return [arn("rds", "db:", "*")]
    return [one for one in named if one]


def of_role_or_policy(request: Request) -> str:
    path = form(request, "Path") or "/"
    for kind, parameter in (("role", "RoleName"), ("policy", "PolicyName")):
        if name := form(request, parameter):
            return f"arn:aws:iam::{ACCOUNT}:{kind}{path}{name}"
    return form(request, "PolicyArn")


def of_key_pair(request: Request) -> str:
    named = request.operation.endswith("KeyPair")
    return arn("ec2", "", f"key-pair/{form(request, 'KeyName')}") if named else ""


def of_log_group(request: Request) -> str:
    """As CloudWatch Logs asks for it, but for the calls about tags, which name it by its plain ARN.

    Source   CloudWatch Logs User Guide, "CloudWatch Logs resources and operations": with ":*" in policies
    """
    group, stream = field(request, "logGroupName"), field(request, "logStreamName")
    return field(request, "resourceArn") or arn(
        "logs", "log-group:", group and f"{group}:log-stream:{stream}"
    )


def asks_for_tags(statement: dict[str, Any]) -> bool:
    """Whether it allows things only on what has a tag already."""
    return "aws:ResourceTag/" in json.dumps(statement.get("Condition", {}))


def table(name: str) -> str:
    return arn("dynamodb", "", f"table/{name}")


def arn(service: str, kind: str, name: str) -> str:
    """Empty for what has no name."""
    return name and f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}{name}"


def last(text: str, separator: str) -> str:
    return text.rpartition(separator)[2]


def field(request: Request, name: str) -> str:
    """A member of a JSON body."""
    return str(json.loads(request.body or b"{}").get(name, ""))


def form(request: Request, name: str) -> str:
    """A member of a form."""
    return parse_qs(request.body.decode("utf-8")).get(name, [""])[0]


def unquoted(request: Request) -> str:
    """The body, a form's values as they were meant."""
    return unquote_plus(request.body.decode("utf-8", "replace"))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
