"""The log groups ParallelCluster leaves behind: two new ones for each created cluster, kept by default."""

from __future__ import annotations

import re
from collections.abc import Callable

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.aws.tag_index import carriers

_CLEANERS = "/aws/lambda/pcluster-CleanupResources-"


def list_cluster_log_groups(cloud: Cloud, cluster_name: str) -> list[str]:
    """Names of the log groups of exactly this cluster; one whose name merely begins alike is not touched
    (names are /aws/parallelcluster/<cluster>-<YYYYMMDDHHMM>). Those of the functions that cleaned up after it
    come last: their names end in the id of a stack that is gone, so their tags tell. The index of tags does,
    since there are as many of them as there ever were clusters in the region.

    Source   aws-parallelcluster 3.16.1, cdk_builder_utils.py, PclusterLambdaConstruct: the name;
             CloudFormation puts a stack's tags on its log groups
    """
    prefix = f"/aws/parallelcluster/{cluster_name}-"
    exact = re.compile(re.escape(prefix) + r"\d{12}")
    with aws_errors(f"listing the log groups of {cluster_name}"):
        pages = cloud.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        found = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    tagged = carriers(cloud, "logs", key="parallelcluster:cluster-name", value=cluster_name)
    return [
        *sorted(name for name in found if exact.fullmatch(name)),
        *sorted(name for name in tagged if name.startswith(_CLEANERS)),
    ]


def delete_cluster_log_groups(
    cloud: Cloud, cluster_name: str, *, check: Callable[[], None] = lambda: None
) -> list[str]:
    """Delete the log groups of exactly this cluster; gives the names deleted, [] when there are none.

    check    called before each; may raise to give up
    """
    deleted = []
    for name in list_cluster_log_groups(cloud, cluster_name):
        check()
        with aws_errors(f"deleting the log group {name}"):
            try:
                cloud.logs.delete_log_group(logGroupName=name)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                continue
        deleted.append(name)
    return deleted
