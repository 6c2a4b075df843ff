"""What AWS says of a cluster: the status map, the head node, and the reasons of a failure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from engine.aws.clusters import (
    ClusterStatus,
    ClusterSummary,
    cluster_summaries,
    describe_cluster,
    fleet_is_stopped,
    standing_version,
    summaries_of,
)
from engine.aws.session import Cloud
from engine.aws.stacks import stack_failures
from engine.errors import AccessDenied

CLUSTER = "pc-lab-1-proj-1-abcdefghij"
STACK = f"{CLUSTER}-stack"
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RESOURCE_LAG = "Resource creation cancelled"


def arn(name: str) -> str:
    return f"arn:aws:cloudformation:eu-west-3:123456789012:stack/{name}/1"


def stack(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"StackName": name, "StackId": arn(name), "CreationTime": START, "StackStatus": status, **more}


def event(
    name: str,
    resource: str,
    status: str,
    reason: str = "",
    *,
    kind: str = "",
    physical: str = "x",
    minute: int = 0,
) -> dict[str, Any]:
    own = resource == name
    return {
        "StackId": arn(name),
        "StackName": name,
        "EventId": f"{name}-{resource}-{status}-{minute}",
        "LogicalResourceId": resource,
        "PhysicalResourceId": arn(name) if own else physical,
        "ResourceType": "AWS::CloudFormation::Stack" if own else kind or "AWS::EC2::Instance",
        "ResourceStatus": status,
        "Timestamp": START + timedelta(minutes=minute),
        **({"ResourceStatusReason": reason} if reason else {}),
    }


class Stacks:
    """CloudFormation with these stacks and events; answers are checked against its service model."""

    def __init__(self, cloud: Cloud) -> None:
        self.stub = Stubber(cloud.cloudformation)

    def found(self, *stacks: dict[str, Any] | None) -> None:
        """Answers to the two looks: the outer stack first, then ParallelCluster's own."""
        for name, one in zip((STACK, CLUSTER), stacks, strict=True):
            self.answer(name, one)

    def answer(self, name: str, one: dict[str, Any] | None) -> None:
        if one is None:
            self.stub.add_client_error(
                "describe_stacks", "ValidationError", f"Stack with id {name} does not exist"
            )
        else:
            self.stub.add_response("describe_stacks", {"Stacks": [one]}, {"StackName": name})

    def events(self, name: str, oldest_first: list[dict[str, Any]], page: int = 100) -> None:
        newest_first = oldest_first[::-1]
        pages = [newest_first[start : start + page] for start in range(0, len(newest_first), page)]
        for number, part in enumerate(pages):
            expected: dict[str, Any] = {"StackName": arn(name)}
            if number:
                expected["NextToken"] = str(number)
            more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
            self.stub.add_response("describe_stack_events", {"StackEvents": part, **more}, expected)


@pytest.fixture
def stacks(cloud: Cloud) -> Iterator[Stacks]:
    found = Stacks(cloud)
    with found.stub:
        yield found
        found.stub.assert_no_pending_responses()


def describe(cloud: Cloud) -> ClusterStatus:
    return describe_cluster(cloud, cluster_name=CLUSTER, stack_name=STACK)


@pytest.mark.parametrize(
    ("outer", "inner", "status", "ready", "in_progress"),
    [
        ("CREATE_COMPLETE", "CREATE_COMPLETE", "CREATE_COMPLETE", True, False),
        ("UPDATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE", True, False),
        # ParallelCluster's provider asks every two minutes only: its stack is first.
        ("CREATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_COMPLETE", False, True),
        ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", False, True),
        ("CREATE_IN_PROGRESS", None, "CREATE_IN_PROGRESS", False, True),
        ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_IN_PROGRESS", False, True),
        ("DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", False, True),
        ("DELETE_IN_PROGRESS", None, "DELETE_IN_PROGRESS", False, True),
        # Somebody deleted the cluster behind the back of its stack.
        ("CREATE_COMPLETE", None, None, False, False),
        (None, "CREATE_COMPLETE", "CREATE_COMPLETE", False, False),
        (None, None, None, False, False),
    ],
)
def test_the_two_stacks_make_one_status(
    cloud: Cloud,
    stacks: Stacks,
    outer: str | None,
    inner: str | None,
    status: str | None,
    ready: bool,
    in_progress: bool,
) -> None:
    stacks.found(stack(STACK, outer) if outer else None, stack(CLUSTER, inner) if inner else None)

    found = describe(cloud)

    assert (found.status, found.stack_status, found.cluster_stack_status) == (status, outer, inner)
    assert (found.ready, found.in_progress) == (ready, in_progress)
    assert found.exists is bool(outer or inner)
    assert found.created_at == (START if outer or inner else None)
    assert found.created_at is None or found.created_at.tzinfo is UTC
    assert found.failures == ()


@pytest.mark.parametrize(
    ("inner", "status"),
    [
        ("ROLLBACK_IN_PROGRESS", "CREATE_FAILED"),
        ("ROLLBACK_FAILED", "CREATE_FAILED"),
        ("ROLLBACK_COMPLETE", "CREATE_FAILED"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_IN_PROGRESS"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_IN_PROGRESS"),
        ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED"),
        ("UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"),
        ("DELETE_FAILED", "DELETE_FAILED"),
    ],
)
def test_failing_stacks_in_parallelclusters_terms(
    cloud: Cloud, stacks: Stacks, inner: str, status: str
) -> None:
    stacks.found(stack(STACK, "CREATE_COMPLETE"), stack(CLUSTER, inner))
    stacks.events(CLUSTER, [event(CLUSTER, "HeadNode", "CREATE_FAILED", "no room")])

    found = describe(cloud)

    assert found.status == status
    assert not found.ready
    assert found.failure_reasons == ("HeadNode: no room",)


@pytest.mark.parametrize(
    ("inner", "status", "ready"),
    [
        ("CREATE_COMPLETE", "CREATE_COMPLETE", True),
        ("UPDATE_COMPLETE", "UPDATE_COMPLETE", True),
        # The update had begun to change the cluster.
        ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", False),
        # Somebody deleted the cluster behind the back of its stack.
        (None, None, False),
    ],
)
def test_a_cluster_whose_update_was_refused_is_as_it_was(
    cloud: Cloud, stacks: Stacks, inner: str | None, status: str | None, ready: bool
) -> None:
    stacks.found(stack(STACK, "UPDATE_ROLLBACK_COMPLETE"), stack(CLUSTER, inner) if inner else None)
    if inner:
        stacks.events(CLUSTER, [event(CLUSTER, CLUSTER, inner)])
    else:
        stacks.stub.add_response("list_stacks", {"StackSummaries": []})
    stacks.events(STACK, [event(STACK, "Cluster", "UPDATE_FAILED", "All compute nodes must be stopped.")])

    found = describe(cloud)

    assert (found.status, found.ready) == (status, ready)
    assert found.failure_reasons == ("Cluster: All compute nodes must be stopped.",)


def test_the_cause_comes_first_and_followers_are_left_out(cloud: Cloud, stacks: Stacks) -> None:
    # GIVEN a create that failed in the cluster's stack and rolled back in the outer one
    stacks.found(stack(STACK, "ROLLBACK_IN_PROGRESS"), stack(CLUSTER, "ROLLBACK_COMPLETE"))
    stacks.events(
        CLUSTER,
        [
            event(CLUSTER, CLUSTER, "CREATE_IN_PROGRESS", "User Initiated"),
            event(
                CLUSTER,
                "HeadNodeWaitCondition20261123",
                "CREATE_FAILED",
                "WaitCondition timed out. Received 0 conditions when expecting 1",
                kind="AWS::CloudFormation::WaitCondition",
                minute=35,
            ),
            event(CLUSTER, "ComputeFleet", "CREATE_FAILED", RESOURCE_LAG, minute=36),
            event(CLUSTER, CLUSTER, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed", minute=36),
            event(CLUSTER, CLUSTER, "ROLLBACK_COMPLETE", minute=40),
        ],
        page=2,
    )
    stacks.events(
        STACK,
        [
            event(STACK, STACK, "CREATE_IN_PROGRESS", "User Initiated"),
            event(STACK, "Cluster", "CREATE_FAILED", "FAILED: ResourceCreationFailure", minute=41),
        ],
    )
    # WHEN AWS is asked
    found = describe(cloud)
    # THEN the inner cause is first, with where to read on
    assert [(one.stack, one.resource) for one in found.failures] == [
        (CLUSTER, "HeadNodeWaitCondition20261123"),
        (STACK, "Cluster"),
    ]
    assert "cfn-init" in found.failures[0].hint
    assert f"/aws/parallelcluster/{CLUSTER}-" in found.failure_reasons[0]
    assert found.status == "CREATE_FAILED"


def test_a_cluster_deleted_by_the_rollback_is_still_asked(cloud: Cloud, stacks: Stacks) -> None:
    # GIVEN that only the outer stack is left, in the end of its rollback
    stacks.found(stack(STACK, "ROLLBACK_COMPLETE"), None)
    summary = {"StackStatus": "DELETE_COMPLETE", "StackName": CLUSTER}
    old = {**summary, "StackId": arn("an-earlier-one"), "CreationTime": START - timedelta(days=1)}
    ours = {**summary, "StackId": arn(CLUSTER), "CreationTime": START + timedelta(minutes=1)}
    alike = {**ours, "StackName": f"{CLUSTER}x", "StackId": arn("another-one")}
    stacks.stub.add_response(
        "list_stacks", {"StackSummaries": [alike, old, ours]}, {"StackStatusFilter": ["DELETE_COMPLETE"]}
    )
    stacks.events(
        CLUSTER,
        [
            event(CLUSTER, CLUSTER, "CREATE_IN_PROGRESS"),
            event(CLUSTER, "HeadNode", "CREATE_FAILED", "InsufficientInstanceCapacity", minute=5),
            event(CLUSTER, CLUSTER, "ROLLBACK_COMPLETE", minute=8),
            event(CLUSTER, CLUSTER, "DELETE_IN_PROGRESS", minute=9),
            event(CLUSTER, CLUSTER, "DELETE_COMPLETE", minute=10),
        ],
    )
    stacks.events(STACK, [event(STACK, "Cluster", "CREATE_FAILED", "told by the provider", minute=9)])
    # THEN the cause is found all the same
    found = describe(cloud)
    assert found.failures[0].reason == "InsufficientInstanceCapacity"
    assert "another type" in found.failures[0].hint
    assert found.failures[1].reason == "told by the provider"
    assert found.status == "CREATE_FAILED"


def test_a_cluster_deleted_before_this_attempt_is_not_blamed(cloud: Cloud, stacks: Stacks) -> None:
    stacks.found(stack(STACK, "ROLLBACK_COMPLETE"), None)
    old = {
        "StackStatus": "DELETE_COMPLETE",
        "StackName": CLUSTER,
        "StackId": arn(CLUSTER),
        "CreationTime": START - timedelta(days=1),
    }
    stacks.stub.add_response("list_stacks", {"StackSummaries": [old]})
    stacks.events(STACK, [event(STACK, "Cluster", "CREATE_FAILED", "refused at once")])

    assert [one.reason for one in describe(cloud).failures] == ["refused at once"]


def test_failures_of_earlier_operations_are_not_told_again(cloud: Cloud, stacks: Stacks) -> None:
    stacks.events(
        CLUSTER,
        [
            event(CLUSTER, CLUSTER, "CREATE_IN_PROGRESS"),
            event(CLUSTER, "Old", "CREATE_FAILED", "long ago"),
            event(CLUSTER, CLUSTER, "UPDATE_IN_PROGRESS", minute=60),
            event(CLUSTER, "New", "UPDATE_FAILED", "just now", minute=61),
            event(CLUSTER, CLUSTER, "UPDATE_ROLLBACK_IN_PROGRESS", "something failed", minute=62),
        ],
    )
    assert [one.reason for one in stack_failures(cloud, arn(CLUSTER))] == ["just now"]


def test_a_failed_deletion_tells_of_the_deletion(cloud: Cloud, stacks: Stacks) -> None:
    stacks.events(
        CLUSTER,
        [
            event(CLUSTER, CLUSTER, "CREATE_IN_PROGRESS"),
            event(CLUSTER, "Old", "CREATE_FAILED", "long ago"),
            event(CLUSTER, CLUSTER, "DELETE_IN_PROGRESS", minute=60),
            event(CLUSTER, "Group", "DELETE_FAILED", "in use", minute=61),
            event(CLUSTER, CLUSTER, "DELETE_FAILED", "The following resource(s) failed to delete", minute=62),
        ],
    )
    assert [one.reason for one in stack_failures(cloud, arn(CLUSTER))] == ["in use"]


def test_nested_stacks_are_looked_into_once(cloud: Cloud, stacks: Stacks) -> None:
    nested = {"kind": "AWS::CloudFormation::Stack", "physical": arn("nested")}
    stacks.events(
        CLUSTER,
        [
            event(CLUSTER, CLUSTER, "CREATE_IN_PROGRESS"),
            event(CLUSTER, "Inner", "CREATE_FAILED", "embedded stack failed", minute=2, **nested),
            event(CLUSTER, "Inner", "DELETE_FAILED", "embedded stack stuck", minute=3, **nested),
        ],
    )
    stacks.events("nested", [event("nested", "Role", "CREATE_FAILED", "not allowed", minute=1)])

    reasons = [one.reason for one in stack_failures(cloud, arn(CLUSTER))]

    assert reasons == ["not allowed", "embedded stack failed", "embedded stack stuck"]


def test_a_stack_that_alone_knows_the_reason_is_heard(cloud: Cloud, stacks: Stacks) -> None:
    stacks.events(
        STACK,
        [
            event(STACK, STACK, "UPDATE_IN_PROGRESS"),
            event(STACK, STACK, "UPDATE_ROLLBACK_IN_PROGRESS", "Resource handler refused", minute=1),
        ],
    )
    assert [one.resource for one in stack_failures(cloud, arn(STACK))] == [STACK]


def test_another_validation_error_is_not_a_missing_stack(cloud: Cloud, stacks: Stacks) -> None:
    stacks.stub.add_client_error("describe_stacks", "AccessDenied", "does not exist for you", 403)
    with pytest.raises(AccessDenied):
        describe(cloud)


def run_instance(cloud: Cloud, **tags: str) -> str:
    image = cloud.ec2.describe_images()["Images"][0]["ImageId"]
    pairs: Any = [
        {"Key": f"parallelcluster:{key.replace('_', '-')}", "Value": value} for key, value in tags.items()
    ]
    made = cloud.ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.medium",
        TagSpecifications=[{"ResourceType": "instance", "Tags": pairs}],
    )
    return made["Instances"][0]["InstanceId"]


def test_the_head_node_is_the_one_of_this_cluster_that_lives(cloud: Cloud, stacks: Stacks) -> None:
    # GIVEN a former head node, a compute node, another cluster's head node, and ours
    gone = run_instance(cloud, cluster_name=CLUSTER, node_type="HeadNode")
    cloud.ec2.terminate_instances(InstanceIds=[gone])
    run_instance(cloud, cluster_name=CLUSTER, node_type="Compute")
    run_instance(cloud, cluster_name=f"{CLUSTER}x", node_type="HeadNode")
    ours = run_instance(cloud, cluster_name=CLUSTER, node_type="HeadNode")
    stacks.found(stack(STACK, "CREATE_COMPLETE"), stack(CLUSTER, "CREATE_COMPLETE"))
    # THEN ours is told
    found = describe(cloud)
    assert found.head_node is not None
    assert (found.head_node.instance_id, found.head_node.instance_type) == (ours, "t3.medium")
    assert found.head_node_state == "running"
    assert found.head_node_private_ip is not None


def test_a_cluster_without_head_node_has_none(cloud: Cloud, stacks: Stacks) -> None:
    stacks.found(None, None)
    found = describe(cloud)
    assert (found.head_node, found.head_node_private_ip, found.head_node_state) == (None, None, None)


def test_all_clusters_in_one_listing(cloud: Cloud, stacks: Stacks) -> None:
    release = {"Key": "parallelcluster:version", "Value": "3.16.1"}
    tags = [{"Key": "parallelcluster:cluster-name", "Value": "pc-one"}, release]
    nested = stack("pc-one-CleanupStack", "CREATE_COMPLETE", Tags=tags)
    first = {"Stacks": [stack("pc-one", "ROLLBACK_COMPLETE", Tags=tags), nested], "NextToken": "1"}
    two = [{"Key": "parallelcluster:cluster-name", "Value": "pc-two"}]
    second = {"Stacks": [stack("pc-two", "UPDATE_COMPLETE", Tags=two), stack("other", "CREATE_COMPLETE")]}
    stacks.stub.add_response("describe_stacks", first)
    stacks.stub.add_response("describe_stacks", second)

    assert cluster_summaries(cloud) == {
        "pc-one": ClusterSummary("CREATE_FAILED", "3.16.1", "ROLLBACK_COMPLETE", arn("pc-one"), START),
        "pc-two": ClusterSummary("UPDATE_COMPLETE", None, "UPDATE_COMPLETE", arn("pc-two"), START),
    }


def test_few_of_many_clusters_are_asked_for_one_by_one(cloud: Cloud, stacks: Stacks) -> None:
    def standing(name: str) -> dict[str, Any]:
        return stack(name, "CREATE_COMPLETE", Tags=[{"Key": "parallelcluster:cluster-name", "Value": name}])

    first = {"Stacks": [standing("pc-0")], "NextToken": "1"}
    # WHEN the first answer has all that is wanted THEN nothing more is asked
    stacks.stub.add_response("describe_stacks", first, {})
    assert set(summaries_of(cloud, ["pc-0"])) == {"pc-0"}
    # WHEN one is left THEN that one is asked for
    stacks.stub.add_response("describe_stacks", first, {})
    stacks.stub.add_response("describe_stacks", {"Stacks": [standing("pc-1")]}, {"StackName": "pc-1"})
    assert set(summaries_of(cloud, ["pc-0", "pc-1"])) == {"pc-0", "pc-1"}
    # WHEN many are left THEN the listing is fewer calls
    many = [f"pc-{number}" for number in range(1, 50)]
    stacks.stub.add_response("describe_stacks", first, {})
    stacks.stub.add_response("describe_stacks", first, {})
    rest = {"Stacks": [standing(name) for name in many]}
    stacks.stub.add_response("describe_stacks", rest, {"NextToken": "1"})
    assert set(summaries_of(cloud, many)) == {"pc-0", *many}
    stacks.stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ("CREATE_COMPLETE", True),
        ("CREATE_IN_PROGRESS", True),
        ("UPDATE_ROLLBACK_COMPLETE", True),
        ("DELETE_FAILED", True),
        ("DELETE_IN_PROGRESS", False),
        ("ROLLBACK_COMPLETE", False),
        (None, False),
    ],
)
def test_a_cluster_that_stands_tells_its_release(
    cloud: Cloud, stacks: Stacks, status: str | None, kept: bool
) -> None:
    tags = [{"Key": "parallelcluster:version", "Value": "3.15.0"}]
    stacks.answer(CLUSTER, stack(CLUSTER, status, Tags=tags) if status else None)
    assert standing_version(cloud, CLUSTER) == ("3.15.0" if kept else None)


@pytest.mark.parametrize(
    ("status", "stopped"),
    [("STOPPED", True), ("STOPPING", False), ("STOP_REQUESTED", False), ("RUNNING", False), (None, False)],
)
def test_only_a_fleet_that_has_stopped_is_stopped(cloud: Cloud, status: str | None, stopped: bool) -> None:
    table = "parallelcluster-pc-1"
    cloud.dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    if status:
        data = {"M": {"status": {"S": status}}}
        cloud.dynamodb.put_item(TableName=table, Item={"Id": {"S": "COMPUTE_FLEET"}, "Data": data})
    assert fleet_is_stopped(cloud, "pc-1") is stopped


GROUP = f"/aws/parallelcluster/{CLUSTER}-202611231201"
STREAM = "ip-10-0-0-5.i-0123456789abcdef0.cfn-init"
WAITED = (
    "WaitCondition received failed message: 'fetch_and_run - Failed to execute OnNodeConfigured script 1'"
)


def bootstrap_failed(stacks: Stacks) -> None:
    """A create whose head node gave up after 25 minutes."""
    stacks.found(stack(STACK, "ROLLBACK_IN_PROGRESS"), stack(CLUSTER, "ROLLBACK_COMPLETE"))
    began = event(CLUSTER, CLUSTER, "CREATE_IN_PROGRESS", "User Initiated")
    kind = "AWS::CloudFormation::WaitCondition"
    failed = event(CLUSTER, "HeadNodeWaitCondition2026", "CREATE_FAILED", WAITED, kind=kind, minute=25)
    stacks.events(CLUSTER, [began, failed])
    code = "OnNodeConfiguredExecutionFailure (LogGroup: /aws/lambda/pcluster-cfn-1)"
    stacks.events(STACK, [event(STACK, "Cluster", "CREATE_FAILED", code, minute=27)])


@pytest.fixture
def logs(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    # Its clients would be others, without the stub.
    monkeypatch.setattr(Cloud, "impatient", lambda self: self)
    with Stubber(cloud.logs) as stub:
        yield stub
        stub.assert_no_pending_responses()


def groups_found(logs: Stubber, *names: str) -> None:
    found = [{"logGroupName": name} for name in names]
    logs.add_response(
        "describe_log_groups",
        {"logGroups": found},
        {"logGroupNamePrefix": f"/aws/parallelcluster/{CLUSTER}-"},
    )


def lines_found(
    logs: Stubber, *messages: str, stream: str = STREAM, page: int = 0, more: bool = False, following: int = 0
) -> None:
    following = following or (page + 1 if more else 0)
    moments = {"startTime": START, "endTime": START + timedelta(minutes=30)}
    expected = {
        "logGroupName": GROUP,
        "filterPattern": '"node.sh: ERROR:"',
        **{name: int(moment.timestamp() * 1000) for name, moment in moments.items()},
        **({"nextToken": str(page)} if page else {}),
    }
    at = int((START + timedelta(minutes=24)).timestamp() * 1000)
    events = [
        {"message": message, "timestamp": at + number, "logStreamName": stream}
        for number, message in enumerate(messages)
    ]
    answer = {"events": events, **({"nextToken": str(following)} if following else {})}
    logs.add_response("filter_log_events", answer, expected)


def test_what_a_nodes_script_said_comes_before_what_cloudformation_was_told(
    cloud: Cloud, stacks: Stacks, logs: Stubber
) -> None:
    # GIVEN a head node whose script failed, and log groups of an earlier cluster and of one named alike
    bootstrap_failed(stacks)
    alike = f"/aws/parallelcluster/{CLUSTER}-x-202611231203"
    groups_found(logs, GROUP.replace("1123", "1122"), GROUP, alike)
    # AND what a user of a node had written into its syslog
    lines_found(logs, "node.sh: ERROR: it was the others", stream="ip-10-0-0-5.i-1.syslog", more=True)
    lines_found(
        logs,
        "2026-11-23T12:24:00Z node.sh: ERROR: head-configured/20-storage failed: mount-s3 is not there",
        "2026-11-23T12:24:09Z node.sh: ERROR: compute-start/10-users failed: something later",
        page=1,
    )
    # WHEN AWS is asked
    found = describe(cloud)
    # THEN that is the first reason, with where the rest of it lies; CloudFormation's are as ever
    assert found.failure_reasons[0] == (
        "node.sh: head-configured/20-storage failed: mount-s3 is not there (All that it said is in the log "
        f"group {GROUP}, stream {STREAM}.)"
    )
    assert found.failures[0].stack == CLUSTER
    assert found.failures[0].at == START + timedelta(minutes=24)
    assert found.failures[1].reason == WAITED
    assert "OnNodeConfiguredExecutionFailure" in found.failures[2].reason


def test_a_nodes_words_are_made_fit_to_be_told(cloud: Cloud, stacks: Stacks, logs: Stubber) -> None:
    bootstrap_failed(stacks)
    groups_found(logs, GROUP)
    said = "node.sh: ERROR: a/b failed:\t\x1b[31mx-amz-security-token:SECRET\x1b[0m " + "so " * 400 + "\nmore"
    lines_found(logs, said)

    reason = describe(cloud).failures[0].reason

    assert reason.startswith("a/b failed:  [31mx-amz-security-token:*** [0m so so")
    assert len(reason) == 500 and reason.endswith("…")


@pytest.mark.parametrize("refused", ["describe_log_groups", "filter_log_events"])
def test_logs_that_cannot_be_read_hide_no_cause(
    cloud: Cloud, stacks: Stacks, logs: Stubber, refused: str
) -> None:
    bootstrap_failed(stacks)
    if refused == "filter_log_events":
        groups_found(logs, GROUP)
    logs.add_client_error(refused, "AccessDeniedException", "no")

    assert [one.resource for one in describe(cloud).failures] == ["HeadNodeWaitCondition2026", "Cluster"]


def test_the_search_in_the_logs_ends(cloud: Cloud, stacks: Stacks, logs: Stubber) -> None:
    # GIVEN a log group that is full of other things
    bootstrap_failed(stacks)
    groups_found(logs, GROUP)
    for page in range(20):
        lines_found(logs, page=page, more=True)

    # THEN it is given up after some pages
    assert len(describe(cloud).failures) == 2


def test_a_page_that_the_service_gives_twice_is_passed_over(
    cloud: Cloud, stacks: Stacks, logs: Stubber
) -> None:
    bootstrap_failed(stacks)
    groups_found(logs, GROUP)
    lines_found(logs, more=True)
    lines_found(logs, page=1, following=1)
    lines_found(logs, "node.sh: ERROR: a/b failed: no", page=1)

    assert describe(cloud).failure_reasons[0].startswith("node.sh: a/b failed: no (")


def test_no_logs_are_asked_where_no_node_failed(cloud: Cloud, stacks: Stacks, logs: Stubber) -> None:
    stacks.found(stack(STACK, "CREATE_COMPLETE"), stack(CLUSTER, "ROLLBACK_COMPLETE"))
    stacks.events(CLUSTER, [event(CLUSTER, "HeadNode", "CREATE_FAILED", "InsufficientInstanceCapacity")])

    assert len(describe(cloud).failures) == 1


def test_an_update_that_failed_is_searched_from_its_own_beginning(
    cloud: Cloud, stacks: Stacks, logs: Stubber
) -> None:
    # GIVEN a cluster whose script failed in an update, hours after it was made
    stacks.found(stack(STACK, "UPDATE_ROLLBACK_COMPLETE"), stack(CLUSTER, "UPDATE_ROLLBACK_COMPLETE"))
    kind = "AWS::CloudFormation::WaitCondition"
    stacks.events(
        CLUSTER,
        [
            event(CLUSTER, CLUSTER, "CREATE_IN_PROGRESS", minute=-900),
            event(CLUSTER, CLUSTER, "UPDATE_IN_PROGRESS", "User Initiated"),
            event(CLUSTER, "HeadNodeWait", "CREATE_FAILED", "Update failed", kind=kind, minute=25),
        ],
    )
    stacks.events(STACK, [event(STACK, STACK, "UPDATE_ROLLBACK_COMPLETE", minute=27)])
    groups_found(logs, GROUP)
    lines_found(logs, "12:24 node.sh: ERROR: head-updated/10-users failed: no key")

    assert describe(cloud).failure_reasons[0].startswith("node.sh: head-updated/10-users failed: no key (")
