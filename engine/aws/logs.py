"""The log groups ParallelCluster leaves behind: two new ones for each created cluster, kept by default."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud

_CLEANERS = "/aws/lambda/pcluster-CleanupResources-"


@dataclass(frozen=True)
class LogGroup:
    name: str
    arn: str
    created_at: datetime
    stored_bytes: int


def list_cluster_log_groups(
    cloud: Cloud,
    cluster_name: str,
    *,
    since: datetime | None = None,
    check: Callable[[], None] = lambda: None,
) -> list[LogGroup]:
    """The log groups of exactly this cluster, oldest first; a cluster whose name merely begins alike
    is not touched (names are /aws/parallelcluster/<cluster>-<YYYYMMDDHHMM>). Those of the functions that
    cleaned up after it come last: their names end in the id of a stack that is gone, so their tags tell.

    since    when the project's first cluster may have been made; the group of each function made after that,
             of whatever cluster, is asked for its tags
    check    called between these questions; may raise to give up
    Source   aws-parallelcluster 3.16.1, cdk_builder_utils.py, PclusterLambdaConstruct: the name;
             CloudFormation puts a stack's tags on its log groups
    """
    prefix = f"/aws/parallelcluster/{cluster_name}-"
    exact = re.compile(re.escape(prefix) + r"\d{12}")
    with aws_errors(f"listing the log groups of {cluster_name}"):
        own = [one for one in _groups(cloud, prefix) if exact.fullmatch(one.name)]
        cleaners = []
        for one in _groups(cloud, _CLEANERS):
            if since is None or one.created_at >= since:
                check()
                cleaners += [one] if _cluster_of(cloud, one) == cluster_name else []
    return [*own, *sorted(cleaners, key=lambda group: group.created_at)]


def _groups(cloud: Cloud, prefix: str) -> list[LogGroup]:
    pages = cloud.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    found = [
        LogGroup(
            name=group["logGroupName"],
            arn=group["arn"].removesuffix(":*"),
            # CloudWatch Logs gives milliseconds since 1970.
            created_at=datetime.fromtimestamp(group["creationTime"] / 1000, UTC),
            stored_bytes=group.get("storedBytes", 0),
        )
        for page in pages
        for group in page["logGroups"]
    ]
    return sorted(found, key=lambda group: group.name)


def _cluster_of(cloud: Cloud, group: LogGroup) -> str | None:
    try:
        found = cloud.logs.list_tags_for_resource(resourceArn=group.arn).get("tags", {})
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return None  # it went meanwhile, perhaps with another project
    name: str | None = found.get("parallelcluster:cluster-name")
    return name


def delete_cluster_log_groups(
    cloud: Cloud,
    cluster_name: str,
    *,
    since: datetime | None = None,
    check: Callable[[], None] = lambda: None,
) -> list[str]:
    """Delete the log groups of exactly this cluster; gives the names deleted, [] when there are none.

    since, check   as for `list_cluster_log_groups`
    """
    deleted = []
    for group in list_cluster_log_groups(cloud, cluster_name, since=since, check=check):
        with aws_errors(f"deleting the log group {group.name}"):
            try:
                cloud.logs.delete_log_group(logGroupName=group.name)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                continue
        deleted.append(group.name)
    return deleted
