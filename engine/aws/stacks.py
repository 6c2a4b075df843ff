"""CloudFormation stacks: finding one, and finding out why one failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef, StackTypeDef

_NESTED_DEPTH = 3
# Deleted stacks stay listed for 90 days (CloudFormation API, ListStacks); a busy account has many.
_DELETED_PAGES = 20
# What CloudFormation writes on resources that only stopped because another one had failed.
_FOLLOWERS = ("Resource creation cancelled", "Resource creation Cancelled", "Resource update cancelled")


@dataclass(frozen=True)
class StackFailure:
    """One resource that failed, and the reason CloudFormation was given.

    stack     name of the stack the resource is in
    resource  its logical id; the stack's own name when only the stack has a reason
    at        UTC, aware
    began     when the operation began that it spoiled
    """

    stack: str
    resource: str
    resource_type: str
    status: str
    reason: str
    at: datetime
    began: datetime


def find_stack(cloud: Cloud, name: str) -> StackTypeDef | None:
    """CloudFormation's description of a stack by name or ARN; None when there is none.

    A deleted stack is found by its ARN only.
    """
    with aws_errors(f"looking for the stack {name}"):
        try:
            return cloud.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if _is_missing_stack(error):
                return None
            raise


def delete_stack(cloud: Cloud, name: str) -> None:
    """Begin to delete a stack with all that it holds. One that is gone is fine."""
    with aws_errors(f"deleting the stack {name}"):
        cloud.cloudformation.delete_stack(StackName=name)


def find_deleted_stack(cloud: Cloud, name: str, *, since: datetime) -> str | None:
    """ARN of the newest deleted stack of that name made at or after `since`, or None."""
    newest: tuple[datetime, str] | None = None
    with aws_errors(f"looking for the deleted stack {name}"):
        pages = cloud.cloudformation.get_paginator("list_stacks").paginate(
            StackStatusFilter=["DELETE_COMPLETE"], PaginationConfig={"MaxItems": 100 * _DELETED_PAGES}
        )
        for page in pages:
            for stack in page["StackSummaries"]:
                made = stack["CreationTime"]
                if stack["StackName"] == name and made >= since and (newest is None or made > newest[0]):
                    newest = (made, stack.get("StackId", name))
    return newest[1] if newest else None


def stack_failures(cloud: Cloud, stack: str) -> list[StackFailure]:
    """Why the last operation on a stack (name or ARN) failed: the cause first, nested stacks before
    the stack around them. Resources that were merely cancelled are left out. Empty when nothing failed.
    """
    with aws_errors(f"reading the events of the stack {stack}"):
        return _failures(cloud, stack, _NESTED_DEPTH)


def _failures(cloud: Cloud, stack: str, depth: int) -> list[StackFailure]:
    events = list(_last_operation(cloud, stack))
    failures: list[StackFailure] = []
    visited: set[str] = set()
    for event in reversed(events):
        if _is_own(event) or not _is_cause(event):
            continue
        nested = event.get("PhysicalResourceId", "")
        is_stack = event.get("ResourceType") == "AWS::CloudFormation::Stack"
        if is_stack and nested and nested not in visited and depth > 0:
            visited.add(nested)
            failures += _failures(cloud, nested, depth - 1)
        failures.append(_failure(event, events))
    if failures:
        return failures
    # Nothing inside failed; then the stack itself may know (a refused template, a cancelled update).
    return [_failure(event, events) for event in reversed(events) if _is_own(event) and _is_cause(event)]


def _last_operation(cloud: Cloud, stack: str) -> Iterator[StackEventTypeDef]:
    """Events of the last create or update (with the deletion that followed it), or, when a deletion
    failed, of the deletion; newest first."""
    try:
        start = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}
        newest = True
        for page in cloud.cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
            for event in page["StackEvents"]:
                yield event
                if not _is_own(event):
                    continue
                status = event.get("ResourceStatus", "")
                if newest and status == "DELETE_FAILED":
                    start = {"DELETE_IN_PROGRESS"}
                newest = False
                if status in start:
                    return
    except ClientError as error:
        if not _is_missing_stack(error):
            raise


def _is_own(event: StackEventTypeDef) -> bool:
    return event.get("PhysicalResourceId") == event["StackId"]


def _is_cause(event: StackEventTypeDef) -> bool:
    reason = event.get("ResourceStatusReason", "")
    failed = event.get("ResourceStatus", "").endswith("_FAILED") or (
        _is_own(event) and "ROLLBACK_IN_PROGRESS" in event.get("ResourceStatus", "")
    )
    return failed and bool(reason) and not reason.startswith(_FOLLOWERS)


def _failure(event: StackEventTypeDef, newest_first: Sequence[StackEventTypeDef]) -> StackFailure:
    return StackFailure(
        stack=event["StackName"],
        resource=event.get("LogicalResourceId", ""),
        resource_type=event.get("ResourceType", ""),
        status=event.get("ResourceStatus", ""),
        reason=event.get("ResourceStatusReason", ""),
        at=event["Timestamp"].astimezone(UTC),
        began=newest_first[-1]["Timestamp"].astimezone(UTC),
    )


def _is_missing_stack(error: ClientError) -> bool:
    # CloudFormation has no code of its own for this: "Stack with id X does not exist" is a
    # ValidationError like any bad parameter, so the text decides.
    text = error.response.get("Error", {}).get("Message", "")
    return error_code(error) == "ValidationError" and "does not exist" in text
