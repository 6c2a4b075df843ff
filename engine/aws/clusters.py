"""A ParallelCluster as AWS sees it: its two stacks, its head node, and why it failed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.logs import find_node_failure
from engine.aws.session import Cloud
from engine.aws.stacks import StackFailure, find_deleted_stack, find_stack, stack_failures
from engine.errors import BackendError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

# aws-parallelcluster 3.16.1 maps these statuses of its cluster stack; the others keep their name.
_CLUSTER_STATUS = {
    "ROLLBACK_IN_PROGRESS": "CREATE_FAILED",
    "ROLLBACK_FAILED": "CREATE_FAILED",
    "ROLLBACK_COMPLETE": "CREATE_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED": "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE": "UPDATE_FAILED",
}
# What is of no use any more: the next apply makes the cluster anew.
_GIVEN_UP = frozenset({"CREATE_FAILED", "DELETE_IN_PROGRESS"})
_COMPLETE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
# Of the stack around it: an update that was refused and taken back has changed nothing of the cluster.
_COMPLETE_AROUND = _COMPLETE | {"UPDATE_ROLLBACK_COMPLETE"}
# ParallelCluster's codes for a node that did not come up (aws-parallelcluster 3.16.1, failureCode).
_NODE_CODES = re.compile(r"\b(OnNode\w+|(HeadNode|StaticNode)Bootstrap)Failure\b")
# Of the compute fleet: nodes of a queue failed to start ten times in succession, and it is inactive until
# somebody starts the fleet (AWS ParallelCluster user guide, "Slurm cluster protected mode").
PROTECTED = "PROTECTED"
# CloudFormation takes few calls a second: so many questions at a time, and no more of them than it takes to
# list all stacks of a region (quota: 2,000).
_AT_ONCE = 5
_FEW = 20


@dataclass(frozen=True)
class HeadNode:
    """state as EC2 says it: pending, running, stopping, stopped; launched_at UTC, aware."""

    instance_id: str
    instance_type: str
    private_ip: str | None
    state: str
    launched_at: datetime | None = None


@dataclass(frozen=True)
class ClusterFailure:
    """One cause, and where to read on; hint may be empty.

    resource   logical id in the stack; node.sh for what a node's scripts said
    """

    stack: str
    resource: str
    reason: str
    hint: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.resource}: {self.reason}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True)
class ClusterStatus:
    """What AWS says about one cluster at one moment.

    status                ParallelCluster's term, {CREATE,UPDATE,DELETE}_{IN_PROGRESS,COMPLETE,FAILED};
                          None: no such cluster
    stack_status          of the stack around it, which Terraform made; CloudFormation's term, or None
    cluster_stack_status  of ParallelCluster's own stack; CloudFormation's term, or None
    created_at            UTC, aware; None when there is no cluster
    failures              the cause first, ParallelCluster's own stack before the one around it;
                          empty unless something failed
    version               ParallelCluster release that made it; None when there is no cluster stack
    updated_at            when CloudFormation last changed it; UTC, aware
    stack_arn, tags       of ParallelCluster's own stack; None and empty when there is none
    protected             termination protection is on: CloudFormation does not delete the stack around it
    """

    cluster_name: str
    status: str | None
    stack_status: str | None
    cluster_stack_status: str | None
    head_node: HeadNode | None
    created_at: datetime | None
    failures: tuple[ClusterFailure, ...] = ()
    version: str | None = None
    updated_at: datetime | None = None
    stack_arn: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False

    @property
    def failure_reasons(self) -> tuple[str, ...]:
        """The failures as one line each: "HeadNode: ... (what to do)"."""
        return tuple(str(failure) for failure in self.failures)

    @property
    def head_node_private_ip(self) -> str | None:
        return self.head_node.private_ip if self.head_node else None

    @property
    def head_node_state(self) -> str | None:
        return self.head_node.state if self.head_node else None

    @property
    def exists(self) -> bool:
        """True while either stack is there."""
        return self.stack_status is not None or self.cluster_stack_status is not None

    @property
    def in_progress(self) -> bool:
        """True while AWS is at work on either stack."""
        return any(
            status is not None and status.endswith("_IN_PROGRESS")
            for status in (self.stack_status, self.cluster_stack_status)
        )

    @property
    def ready(self) -> bool:
        """True only when both stacks are complete: nothing under way, and the cluster as it was asked for, or
        as it was before an update that was refused."""
        return self.status in _COMPLETE and self.stack_status in _COMPLETE_AROUND


def describe_cluster(cloud: Cloud, *, cluster_name: str, stack_name: str) -> ClusterStatus:
    """Ask CloudFormation and EC2 about a cluster; one moment, no waiting.

    A cluster stack that is not there yet (its creation is being prepared) or no longer there takes its
    status from the stack around it, unless that one is complete: then the cluster was removed behind
    its back and the status is None.

    Raises  AccessDenied, Unreachable, BackendError
    """
    outer = find_stack(cloud, stack_name)
    inner = find_stack(cloud, cluster_name)
    outer_status = str(outer["StackStatus"]) if outer else None
    inner_status = str(inner["StackStatus"]) if inner else None
    deciding = inner_status or (None if outer_status in _COMPLETE_AROUND else outer_status)
    found = inner or outer
    return ClusterStatus(
        cluster_name=cluster_name,
        status=_CLUSTER_STATUS.get(deciding, deciding) if deciding else None,
        stack_status=outer_status,
        cluster_stack_status=inner_status,
        head_node=_find_head_node(cloud, cluster_name),
        created_at=found["CreationTime"].astimezone(UTC) if found else None,
        failures=_find_failures(cloud, cluster_name, inner, outer),
        version=_version(inner) if inner else None,
        updated_at=_changed_at(found) if found else None,
        stack_arn=inner.get("StackId") if inner else None,
        tags=_tags(inner) if inner else {},
        protected=bool(outer and outer.get("EnableTerminationProtection")),
    )


def standing_version(cloud: Cloud, cluster_name: str) -> str | None:
    """ParallelCluster release of a cluster that stands or is being made; None when there is none, or one
    that the next apply replaces anyway.

    Source   aws-parallelcluster 3.16.1, models/cluster.py: tag of the cluster's own stack
    """
    stack = find_stack(cloud, cluster_name)
    if stack is None or _CLUSTER_STATUS.get(stack["StackStatus"], stack["StackStatus"]) in _GIVEN_UP:
        return None
    return _version(stack)


def fleet_is_stopped(cloud: Cloud, cluster_name: str) -> bool:
    """Whether the compute fleet is stopped; one without nodes that was not stopped isn't.

    Raises  AccessDenied, Unreachable, BackendError
    """
    with aws_errors(f"looking at the compute fleet of {cluster_name}"):
        return _fleet_status(cloud, cluster_name) == "STOPPED"


def fleet_status(cloud: Cloud, cluster_name: str) -> str | None:
    """Status of the compute fleet in ParallelCluster's terms; None while there is no cluster to have one.

    Raises  AccessDenied, Unreachable, BackendError
    """
    with aws_errors(f"looking at the compute fleet of {cluster_name}"):
        try:
            return _fleet_status(cloud, cluster_name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise


@dataclass(frozen=True)
class ClusterSummary:
    """status in ParallelCluster's terms, stack_status in CloudFormation's, version of ParallelCluster."""

    status: str
    version: str | None
    stack_status: str | None = None
    stack_arn: str | None = None
    created_at: datetime | None = None


def cluster_summaries(cloud: Cloud) -> dict[str, ClusterSummary]:
    """Status and release of every cluster of the region, by cluster name.

    One listing for all of them; clusters that are gone are not in it.
    Source   ParallelCluster tags the stack of a cluster with parallelcluster:cluster-name
             (parallelcluster-policies.yaml of 3.12 makes that a condition of CreateStack)
    """
    with aws_errors("listing the clusters"):
        pages = cloud.cloudformation.get_paginator("describe_stacks").paginate()
        return _summaries(stack for page in pages for stack in page["Stacks"])


def summaries_of(cloud: Cloud, cluster_names: Collection[str]) -> dict[str, ClusterSummary]:
    """The same of these clusters at least: one call where the region has few stacks or none of these is asked
    for, else one for each of a few, and the whole listing for more."""
    with aws_errors("listing the clusters"):
        first = cloud.cloudformation.describe_stacks()
    found = _summaries(first["Stacks"])
    left = [name for name in cluster_names if name not in found]
    if not left or not first.get("NextToken"):
        return found
    if len(left) > _FEW:
        return cluster_summaries(cloud)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        stacks = pool.map(lambda name: find_stack(cloud, name), left)
        return found | _summaries(stack for stack in stacks if stack is not None)


def _summaries(stacks: Iterable[StackTypeDef]) -> dict[str, ClusterSummary]:
    return {
        stack["StackName"]: ClusterSummary(
            _CLUSTER_STATUS.get(stack["StackStatus"], str(stack["StackStatus"])),
            _version(stack),
            str(stack["StackStatus"]),
            stack.get("StackId"),
            stack["CreationTime"].astimezone(UTC),
        )
        for stack in stacks
        if {"Key": "parallelcluster:cluster-name", "Value": stack["StackName"]} in stack.get("Tags", [])
    }


def _fleet_status(cloud: Cloud, cluster_name: str) -> str | None:
    """Source   aws-parallelcluster 3.16.1, models/compute_fleet_status_manager.py"""
    answer = cloud.dynamodb.get_item(
        TableName=f"parallelcluster-{cluster_name}", Key={"Id": {"S": "COMPUTE_FLEET"}}
    )
    data = answer.get("Item", {}).get("Data", {}).get("M", {})
    status: str | None = data.get("status", {}).get("S")
    return status


def _version(stack: StackTypeDef) -> str | None:
    return _tags(stack).get("parallelcluster:version")


def _tags(stack: StackTypeDef) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}


def _changed_at(stack: StackTypeDef) -> datetime:
    return stack.get("LastUpdatedTime", stack["CreationTime"]).astimezone(UTC)


def _find_head_node(cloud: Cloud, cluster_name: str) -> HeadNode | None:
    with aws_errors(f"looking for the head node of {cluster_name}"):
        pages = cloud.ec2.get_paginator("describe_instances").paginate(
            Filters=[
                {"Name": "tag:parallelcluster:cluster-name", "Values": [cluster_name]},
                {"Name": "tag:parallelcluster:node-type", "Values": ["HeadNode"]},
                {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
            ]
        )
        found = [
            instance
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        ]
    if not found:
        return None
    # While a cluster is replaced there may be two for a moment; the newer one is meant.
    newest: InstanceTypeDef = max(found, key=lambda instance: instance["LaunchTime"])
    return HeadNode(
        instance_id=newest["InstanceId"],
        instance_type=newest["InstanceType"],
        private_ip=newest.get("PrivateIpAddress"),
        state=newest["State"]["Name"],
        launched_at=newest["LaunchTime"].astimezone(UTC),
    )


def _find_failures(
    cloud: Cloud, cluster_name: str, inner: StackTypeDef | None, outer: StackTypeDef | None
) -> tuple[ClusterFailure, ...]:
    outer_failed = outer is not None and _is_failing(outer["StackStatus"])
    inner_failed = inner is not None and _is_failing(inner["StackStatus"])
    if not outer_failed and not inner_failed:
        return ()
    causes: list[StackFailure] = []
    if inner is not None:
        causes += stack_failures(cloud, inner.get("StackId", cluster_name))
    elif outer is not None:
        # The rollback of the outer stack has deleted the cluster; its events outlive it.
        deleted = find_deleted_stack(cloud, cluster_name, since=outer["CreationTime"])
        if deleted:
            causes += stack_failures(cloud, deleted)
    if outer_failed and outer is not None:
        causes += stack_failures(cloud, outer.get("StackId", outer["StackName"]))
    return (
        *_said_by_nodes(cloud, cluster_name, causes),
        *(
            ClusterFailure(cause.stack, cause.resource, cause.reason, _hint(cause, cluster_name), cause.at)
            for cause in causes
        ),
    )


def _said_by_nodes(
    cloud: Cloud, cluster_name: str, causes: Iterable[StackFailure]
) -> Iterator[ClusterFailure]:
    """Why the nodes' own scripts failed, where a node did not come up. A look that fails hides no cause."""
    cause = next((one for one in causes if _of_node(one)), None)
    if cause is None:
        return
    try:
        said = find_node_failure(cloud, cluster_name, began=cause.began, failed=cause.at)
    except BackendError:
        return
    if said is not None:
        where = f"All that it said is in the log group {said.group}, stream {said.stream}."
        yield ClusterFailure(cause.stack, "node.sh", said.reason, where, said.at)


def _of_node(cause: StackFailure) -> bool:
    waited = cause.resource_type == "AWS::CloudFormation::WaitCondition"
    return waited or _NODE_CODES.search(cause.reason) is not None


def _is_failing(status: str) -> bool:
    return status.endswith("_FAILED") or "ROLLBACK" in status


def _hint(cause: StackFailure, cluster_name: str) -> str:
    logs = f"the log group /aws/parallelcluster/{cluster_name}-<date>"
    if _of_node(cause):
        return f"A node did not finish its set-up. Read the streams cfn-init and chef-client in {logs}."
    if "InsufficientInstanceCapacity" in cause.reason:
        return "AWS has no such instance at the moment: choose another type or availability zone, or wait."
    if "ResourceCreationFailure" in cause.reason:
        return f"This says only that some resource failed. See the causes before it, and {logs}."
    return ""
