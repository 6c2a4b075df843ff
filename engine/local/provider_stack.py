"""ParallelCluster's provider stack: CloudFormation's answer to AWS's own custom_resource/cluster.yaml.

The template is AWS's and lies in AWS's bucket; what is played is what it makes and gives out.
Source: cloudformation/custom_resource/cluster.yaml of aws-parallelcluster, as collected in the
ParallelCluster facts, section 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, ClassVar

from moto.cloudformation.exceptions import CloudFormationError, ValidationError

from engine.local.clock import utc
from engine.local.cluster_stack import StackResource, TimedStack
from engine.local.world import World

# The releases there are: ParallelCluster facts, section 0.
RELEASED = ("3.15.0", "3.16.0", "3.16.1", "3.16.2", "3.16.3")
CAPABILITIES = ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
PARAMETERS = ("CustomLambdaRole", "AdditionalIamPolicies", "CustomBucket")
LOG_RETENTION_DAYS = 90
_STANDING = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_URL = re.compile(
    r"https://(?P<region>[a-z0-9-]+)-aws-parallelcluster\.s3\.(?P=region)\.amazonaws\.com(\.cn)?"
    r"/parallelcluster/(?P<version>[^/]+)/templates/custom_resource/cluster\.yaml"
)


class InsufficientCapabilities(CloudFormationError):
    code = "InsufficientCapabilitiesException"


def template_url(version: str, region: str) -> str:
    """Where AWS keeps the provider's template of a release."""
    return (
        f"https://{region}-aws-parallelcluster.s3.{region}.amazonaws.com"
        f"/parallelcluster/{version}/templates/custom_resource/cluster.yaml"
    )


def template_at(url: str) -> str | None:
    """What stands for AWS's template at that address; None when the address is not of that form.

    Raises   moto's ValidationError for a release that there is not
    """
    found = _URL.fullmatch(url)
    if found is None:
        return None
    version = found["version"]
    if version not in RELEASED:
        # The bucket may be read and not be listed: what is missing there is not told from what is forbidden.
        raise ValidationError(
            "",
            message="S3 error: Access Denied\nFor more information check "
            "http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
        )
    return json.dumps(
        {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": "AWS ParallelCluster Cluster Custom Resource Provider",
            "Parameters": {name: {"Type": "String", "Default": ""} for name in PARAMETERS},
            "Mappings": {"ParallelCluster": {"Constants": {"Version": version}}},
            "Resources": {},
        }
    )


def provider_version(template: dict[str, Any]) -> str | None:
    """The ParallelCluster release whose provider a template makes; None for every other template."""
    constants = template.get("Mappings", {}).get("ParallelCluster", {}).get("Constants", {})
    return str(constants["Version"]) if "Version" in constants else None


def check_request(template: dict[str, Any], capabilities: Iterable[str], parameters: Iterable[str]) -> None:
    """Refuse what CloudFormation refuses before it makes or changes a provider stack.

    Raises   moto's exceptions
    """
    missing = [name for name in CAPABILITIES if name not in set(capabilities)]
    if provider_version(template) and missing:
        raise InsufficientCapabilities(f"Requires capabilities : [{', '.join(missing)}]")
    unknown = sorted(set(parameters) - set(PARAMETERS))
    if provider_version(template) and unknown:
        raise ValidationError("", message=f"Parameters: [{', '.join(unknown)}] do not exist in the template")


class ProviderStack(TimedStack):
    """Function, layer, bucket and log group; the function's ARN is the ServiceToken of clusters.

    world  set on a subclass when a local cloud starts
    """

    world: ClassVar[World]

    @property
    def version(self) -> str:
        return provider_version(self.template_dict) or ""

    @property
    def stands(self) -> bool:
        """Whether the function behind the token is there."""
        return self.status in _STANDING

    @property
    def service_token(self) -> str:
        return f"arn:aws:lambda:{self.region_name}:{self.account_id}:function:{self._function}"

    @property
    def outputs(self) -> list[dict[str, Any]] | None:
        if not self.stands:
            return None
        own = f"{self.region_name}:{self.account_id}"
        shown = {
            "ServiceToken": self.service_token,
            "LogGroupArn": f"arn:aws:logs:{own}:log-group:{self.log_group}:*",
            "LambdaLayerArn": f"arn:aws:lambda:{own}:layer:PCLayer-{self._suffix}:1",
        }
        return [{"OutputKey": key, "OutputValue": value} for key, value in shown.items()]

    @property
    def stack_resources(self) -> Any:
        if not self.stands:
            return []
        return [
            StackResource("PclusterLayer", f"PCLayer-{self._suffix}", "AWS::Lambda::LayerVersion"),
            StackResource("PclusterCfnFunction", self._function, "AWS::Lambda::Function"),
            StackResource("PclusterCfnFunctionLogGroup", self.log_group, "AWS::Logs::LogGroup"),
            StackResource("PclusterCustomResourceBucket", self._bucket, "AWS::S3::Bucket"),
        ]

    def create_resources(self) -> None:
        self.status = "CREATE_IN_PROGRESS"
        self.world.after(self.world.durations.provider_create_s, lambda _: self._create())

    def update(
        self,
        template: str,
        role_arn: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        self.turn("UPDATE_IN_PROGRESS", "User Initiated")
        super().update(template, role_arn, parameters, tags)
        self.last_updated_time = utc(self.world.now())

    def begin_delete(self) -> None:
        """Everything goes but the log group, which AWS's template keeps. Clusters are not asked."""
        self.turn("DELETE_IN_PROGRESS", "User Initiated")
        self._leave("DELETE_COMPLETE")

    @property
    def _suffix(self) -> str:
        return str(self.stack_id).rsplit("/", 1)[-1]

    @property
    def _function(self) -> str:
        return f"pcluster-cfn-{self._suffix}"

    @property
    def log_group(self) -> str:
        """Where the function writes."""
        return f"/aws/lambda/{self._function}"

    @property
    def _bucket(self) -> str:
        return f"{self.name[:24].lower()}-pclustercustomresourceb-{self._suffix[-12:]}"

    def _create(self) -> None:
        if self.status != "CREATE_IN_PROGRESS":
            return  # deleted meanwhile
        problem = self._role_problem()
        if problem:
            self._fail(problem)
            return
        backends = self.world.backends
        logs = backends.logs(self.region_name)
        logs.create_log_group(self.log_group, {})
        logs.groups[self.log_group].set_retention_policy(LOG_RETENTION_DAYS)
        backends.s3().create_bucket(self._bucket, self.region_name)
        self.turn("CREATE_COMPLETE")
        for made in self.stack_resources:
            self.record(
                made.logical_resource_id, made.physical_resource_id, made.cf_resource_type, "CREATE_COMPLETE"
            )

    def _role_problem(self) -> str | None:
        """Why Lambda would not take the CustomLambdaRole; without one the stack makes its own."""
        arn = self.parameters.get("CustomLambdaRole")
        if not arn:
            return None
        role = next((one for one in self.world.backends.iam().roles.values() if one.arn == arn), None)
        if role is None or "lambda.amazonaws.com" not in str(role.assume_role_policy_document):
            return "The role defined for the function cannot be assumed by Lambda."
        return None

    def _fail(self, reason: str) -> None:
        function = ("PclusterCfnFunction", "", "AWS::Lambda::Function")
        self.record(*function, "CREATE_FAILED", reason)
        failed = "The following resource(s) failed to create: [PclusterCfnFunction]."
        if self.on_failure == "DO_NOTHING":
            self.turn("CREATE_FAILED", failed)
        elif self.on_failure == "DELETE":
            self.turn("DELETE_IN_PROGRESS", failed + " Delete requested by user.")
            self._leave("DELETE_COMPLETE")
        else:
            self.turn("ROLLBACK_IN_PROGRESS", failed + " Rollback requested by user.")
            self.turn("ROLLBACK_COMPLETE")

    def _leave(self, status: str) -> None:
        s3 = self.world.backends.s3()
        if self._bucket in s3.buckets:
            s3.buckets[self._bucket].keys.clear()
            s3.delete_bucket(self._bucket)
        self.deletion_time = utc(self.world.now())
        self.turn(status)
        backend = self.world.backends.cloudformation(self.region_name)
        backend.stacks.pop(self.stack_id, None)
        backend.deleted_stacks[self.stack_id] = self
