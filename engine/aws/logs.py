"""The log groups ParallelCluster leaves behind: a new one for each created cluster, kept by default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud


@dataclass(frozen=True)
class LogGroup:
    name: str
    created_at: datetime
    stored_bytes: int


def list_cluster_log_groups(cloud: Cloud, cluster_name: str) -> list[LogGroup]:
    """The log groups of exactly this cluster, oldest first; a cluster whose name merely begins alike
    is not touched (names are /aws/parallelcluster/<cluster>-<YYYYMMDDHHMM>)."""
    prefix = f"/aws/parallelcluster/{cluster_name}-"
    exact = re.compile(re.escape(prefix) + r"\d{12}")
    found = []
    with aws_errors(f"listing the log groups of {cluster_name}"):
        pages = cloud.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        for page in pages:
            found += [group for group in page["logGroups"] if exact.fullmatch(group["logGroupName"])]
    return sorted(
        (
            LogGroup(
                name=group["logGroupName"],
                # CloudWatch Logs gives milliseconds since 1970.
                created_at=datetime.fromtimestamp(group["creationTime"] / 1000, UTC),
                stored_bytes=group.get("storedBytes", 0),
            )
            for group in found
        ),
        key=lambda group: group.name,
    )


def delete_cluster_log_groups(cloud: Cloud, cluster_name: str) -> list[str]:
    """Delete the log groups of exactly this cluster; gives the names deleted, [] when there are none."""
    deleted = []
    for group in list_cluster_log_groups(cloud, cluster_name):
        with aws_errors(f"deleting the log group {group.name}"):
            try:
                cloud.logs.delete_log_group(logGroupName=group.name)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                continue
        deleted.append(group.name)
    return deleted
