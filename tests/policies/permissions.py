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
from urllib.parse import parse_qs

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
    "s3:CopyObject": ["s3:GetObject", "s3:PutObject"],
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
    "ec2:CreateFlowLogs": ["iam:PassRole"],
    "ec2:CreateVpcEndpoint": ["route53:AssociateVPCWithHostedZone"],
    "apigateway:UpdateAccount": ["iam:PassRole"],
    "lambda:CreateFunction": ["iam:PassRole"],
    "rds:CreateDBInstance": [
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
        "secretsmanager:CreateSecret",
        "secretsmanager:TagResource",
    ],
    # CloudFormation calls the function behind a custom resource in the name of who changes the stack.
    "cloudformation:CreateStack": ["lambda:InvokeFunction"],
    "cloudformation:DeleteStack": ["lambda:InvokeFunction"],
    "cloudformation:UpdateStack": ["lambda:InvokeFunction"],
}
"""What AWS checks for the same call elsewhere, on resources of its choice."""

TAGGING = {
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
"""What a call needs besides that makes something with tags on it."""
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
    if prefix == "apigateway":
        verb = re.match(r"[A-Z][a-z]+", request.operation)
        action = _VERBS.get(verb[0]) if verb else None
        assert action, f"no HTTP method is known for {operation}"
        yield Need(f"apigateway:{action}", "", operation)
        if request.operation == "UpdateRestApi" and b"/policy" in request.body:
            yield Need("apigateway:UpdateRestApiPolicy", "", operation)
        yield from (Need(other, "", operation) for other in BESIDES.get(operation, []))
        return
    for action in ACTIONS.get(operation, [f"{prefix}:{request.operation}"]):
        if "versionId" in request.query and action in ("s3:DeleteObject", "s3:GetObject"):
            action += "Version"
        yield Need(action, resource(request), operation)
    for action in BESIDES.get(operation, []):
        yield Need(action, "", operation)
    if operation == "fsx:CreateDataRepositoryAssociation":
        yield from of_linked_bucket(request)
    if (
        prefix in TAGGING
        and request.operation.startswith(("Authorize", "Create", "Import", "Put"))
        and _TAGS.search(request.body)
    ):
        yield Need(f"{prefix}:{TAGGING[prefix]}", "", operation, on_new=True)
    if operation == "s3:PutObject" and "x-amz-tagging" in request.headers:
        yield Need("s3:PutObjectTagging", resource(request), operation)


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


def resource(request: Request) -> str:
    """The ARN of what a call is about, where the call names it."""
    if request.service == "s3":
        return f"arn:aws:s3:::{request.path.strip('/')}" + (
            "/*" if request.operation == "DeleteObjects" else ""
        )
    if request.service == "dynamodb":
        return field(request, "ResourceArn") or table(field(request, "TableName"))
    if request.service == "cloudformation":
        stack = form(request, "StackName")
        if not stack and request.operation == "DescribeStacks":
            # Without a name it is every stack of the region that is described.
            return arn("cloudformation", "stack/*/*")
        return (
            stack if stack.startswith("arn:") else arn("cloudformation", f"stack/{stack}/id") if stack else ""
        )
    if request.service == "secretsmanager":
        secret = field(request, "SecretId") or field(request, "Name")
        # A secret's ARN ends with six characters of Secrets Manager's choice.
        return secret if secret.startswith("arn:") else arn("secretsmanager", f"secret:{secret}-AbCdEf")
    if request.service == "lambda" and (found := re.search(r"/functions/([^/]+)", request.path)):
        # Lambda Developer Guide, "Referencing functions in the Resource section of policies": what allows a
        # function by its name alone refuses a call that names a version besides, even if it is $LATEST.
        version = f":{request.query['Qualifier']}" if "Qualifier" in request.query else ""
        return arn("lambda", f"function:{found[1].rpartition('function:')[2]}{version}")
    if request.service == "rds" and request.operation.endswith("DBInstance"):
        return arn("rds", f"db:{form(request, 'DBInstanceIdentifier')}")
    if request.service == "ec2" and request.operation.endswith("KeyPair"):
        return arn("ec2", f"key-pair/{form(request, 'KeyName')}")
    if request.service == "logs" and (group := field(request, "logGroupName")):
        return arn("logs", f"log-group:{group}")
    return ""


def asks_for_tags(statement: dict[str, Any]) -> bool:
    """Whether it allows things only on what has a tag already."""
    return "aws:ResourceTag/" in json.dumps(statement.get("Condition", {}))


def table(name: str) -> str:
    return arn("dynamodb", f"table/{name}")


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def field(request: Request, name: str) -> str:
    """A member of a JSON body."""
    return str(json.loads(request.body or b"{}").get(name, ""))


def form(request: Request, name: str) -> str:
    """A member of a form."""
    return parse_qs(request.body.decode("utf-8")).get(name, [""])[0]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
