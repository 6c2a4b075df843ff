"""Log groups: how old one is, those ParallelCluster leaves behind, two new ones for each created cluster, and
what nodes said in them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.aws.tag_index import carriers
from engine.model.session_tokens import without_session_tokens

_CLEANERS = "/aws/lambda/pcluster-CleanupResources-"


# What node.sh prints before the reason of a failed step (modules/node-scripts/files/run).
NODE_FAILED = "node.sh: ERROR: "
# A head node has half an hour to come up, and static compute nodes another (aws-parallelcluster,
# HeadNodeBootstrapTimeout and ComputeNodeBootstrapTimeout). The agent on a node sends a line seconds later.
_LOOK_BACK = timedelta(hours=3)
_LATE = timedelta(minutes=5)
# Where node.sh's words go. In others, such as that of syslog, any user of a node may write the like.
_STREAMS = (".cfn-init", ".cloud-init-output")
_GROUPS = 200
# FilterLogEvents gives pages without any event, too, while it searches a group of many streams.
_PAGES = 20
_REASON_CHARS = 500
# A caller of the API has half a minute in all.
_PATIENCE_S = 8.0


@dataclass(frozen=True)
class NodeFailure:
    """Why the scripts of a node failed, as the node said it; at UTC, aware."""

    reason: str
    group: str
    stream: str
    at: datetime


def find_node_failure(
    cloud: Cloud, cluster_name: str, *, began: datetime, failed: datetime
) -> NodeFailure | None:
    """Why node.sh gave up first, in the newest log group of the cluster and during the operation that began
    and failed then; None where nothing is found. A few calls and seconds, however much was logged.

    Source   aws-parallelcluster-cookbook, custom_action_executor.py: of a script that failed a head node
             tells CloudFormation number and exit code alone. What it printed is in cfn-init's log, on a
             compute node in that of cloud-init (cloudwatch_agent_config.json)
    Raises   AccessDenied, Unreachable, BackendError
    """
    cloud = cloud.impatient()
    with aws_errors(f"looking for what the nodes of {cluster_name} said"):
        group = max(_node_log_groups(cloud, cluster_name, _GROUPS), default=None)
        if group is None:
            return None
        for event in _node_failures(
            cloud, group, began=max(began, failed - _LOOK_BACK), until=failed + _LATE
        ):
            reason = event["message"].partition(NODE_FAILED)[2].partition("\n")[0]
            at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            return NodeFailure(_readable(reason), group, event["logStreamName"], at)
    return None


def _node_failures(cloud: Cloud, group: str, *, began: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """What node.sh printed last in each node's log, page by page, the oldest of a page first.

    Not botocore's paginator: the service gives the same token twice now and then, which that takes for an
    error (aws-cli issue 3022).
    """
    asked: Any = {
        "logGroupName": group,
        "filterPattern": f'"{NODE_FAILED.strip()}"',
        "startTime": _milliseconds(began),
        "endTime": _milliseconds(until),
    }
    give_up = time.monotonic() + _PATIENCE_S
    for _ in range(_PAGES):
        page = cloud.logs.filter_log_events(**asked)
        for event in sorted(page["events"], key=lambda one: one["timestamp"]):
            if event["logStreamName"].endswith(_STREAMS):
                yield event
        if "nextToken" not in page or time.monotonic() > give_up:
            return
        asked["nextToken"] = page["nextToken"]


def is_younger(cloud: Cloud, name: str, age: timedelta) -> bool:
    """Whether a log group was made less than so long ago: nothing in it is older than that then. False where
    there is none."""
    with aws_errors(f"looking for the log group {name}"):
        pages = cloud.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        made = [
            datetime.fromtimestamp(group["creationTime"] / 1000, UTC)
            for page in pages
            for group in page["logGroups"]
            if group["logGroupName"] == name
        ]
    return bool(made) and cloud.now() - made[0] < age


def list_cluster_log_groups(cloud: Cloud, cluster_name: str) -> list[str]:
    """Names of the log groups of exactly this cluster; one whose name merely begins alike is not touched
    (names are /aws/parallelcluster/<cluster>-<YYYYMMDDHHMM>). Those of the functions that cleaned up after it
    come last: their names end in the id of a stack that is gone, so their tags tell. The index of tags does,
    since there are as many of them as there ever were clusters in the region.

    Source   aws-parallelcluster 3.16.1, cdk_builder_utils.py, PclusterLambdaConstruct: the name;
             CloudFormation puts a stack's tags on its log groups
    """
    with aws_errors(f"listing the log groups of {cluster_name}"):
        found = _node_log_groups(cloud, cluster_name)
    tagged = carriers(cloud, "logs", key="parallelcluster:cluster-name", value=cluster_name)
    return [
        *sorted(found),
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


def _node_log_groups(cloud: Cloud, cluster_name: str, at_most: int | None = None) -> list[str]:
    prefix = f"/aws/parallelcluster/{cluster_name}-"
    exact = re.compile(re.escape(prefix) + r"\d{12}")
    pages = cloud.logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=prefix, PaginationConfig={"MaxItems": at_most}
    )
    found = (group["logGroupName"] for page in pages for group in page["logGroups"])
    return [name for name in found if exact.fullmatch(name)]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _readable(text: str) -> str:
    """A program's words for the terminal: no control characters, no session token, no novel."""
    plain = "".join(char if char.isprintable() else " " for char in without_session_tokens(text)).strip()
    return plain if len(plain) <= _REASON_CHARS else f"{plain[: _REASON_CHARS - 1]}…"
