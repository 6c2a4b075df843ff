"""The shapes of all answers, for the type checker and for the API's document."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class VersionAnswer(TypedDict):
    version: Annotated[str, Field(description="Of the provisioner.")]


class RequestShape(TypedDict):
    """A request that the API knows; {names} in its path stand for ids."""

    method: str
    path: str
    summary: str


class IndexAnswer(TypedDict):
    version: Annotated[str, Field(description="Of the provisioner.")]
    requests: list[RequestShape]


class Failure(TypedDict):
    """Why an operation failed: the engine's code, and the causes that AWS names."""

    code: str
    message: str
    hint: str
    retryable: bool
    details: dict[str, Any]


class ProgressShape(TypedDict):
    """Resources done of those that change, and the one being worked on."""

    percent: Annotated[int, Field(ge=0, le=100)]
    done: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]
    current: str


class WishShape(TypedDict):
    """What was asked for: a spec to provision, or data to purge."""

    kind: str
    spec: dict[str, Any] | None
    purge_data: bool
    purge_now: bool
    skip_export: str | None


class OperationShape(TypedDict):
    """One wish for one project, from when it was accepted until it is fulfilled or has failed."""

    id: str
    vlab_id: str
    project_id: str
    kind: Annotated[str, Field(description="provision, release, destroy, adopt or clean")]
    wish: WishShape
    state: Annotated[str, Field(description="QUEUED, RUNNING, CONTINUES, SUCCEEDED or FAILED")]
    phase: Annotated[str, Field(description="What is being done, in one upper-case word.")]
    step: Annotated[str, Field(description="The same for people.")]
    progress: ProgressShape
    slices: Annotated[int, Field(ge=0, description="How often a worker has taken it up.")]
    retries: Annotated[int, Field(ge=0, description="How often one began again after a passing failure.")]
    requested_by: str
    created_at: Time
    updated_at: Time
    finished_at: Time | None
    error: Failure | None


class OperationAnswer(TypedDict):
    operation: OperationShape


class OperationsAnswer(TypedDict):
    operations: list[OperationShape]
    next: Annotated[str | None, Field(description="Asks for the next page; null on the last one.")]


class EventShape(TypedDict):
    """Something that happened in an operation; numbers count from 1."""

    number: Annotated[int, Field(ge=1)]
    at: Time
    kind: str
    text: str
    data: dict[str, Any]


class EventsAnswer(TypedDict):
    events: list[EventShape]
    next: Annotated[str | None, Field(description="Asks for what comes behind; null when nothing is there.")]


class ClusterShape(TypedDict):
    """The cluster as ParallelCluster and CloudFormation report it."""

    name: str
    status: str | None
    stack_status: str | None
    version: str | None
    newer_version: str | None
    head_node_private_ip: str | None
    head_node_state: str | None
    compute_fleet: Annotated[
        str | None,
        Field(
            description="RUNNING, STOPPED, or PROTECTED where nodes keep failing to start and jobs wait; "
            "null while there is no complete cluster, and where AWS did not tell."
        ),
    ]
    failure_reasons: Annotated[
        list[str], Field(description="Why it failed, or can run no jobs, and what to do about it.")
    ]


class UserShape(TypedDict):
    """The workflow's user, and where its private key is."""

    name: str
    ssh_key_secret: str | None
    ssh_key_arn: str | None


class ProjectShape(TypedDict):
    """A project: what was asked for, what there is, and the last operation."""

    vlab_id: str
    project_id: str
    phase: Annotated[
        str, Field(description="PLANNED, APPLYING, READY, PARKING, PARKED, DESTROYING or FAILED")
    ]
    message: str
    tier: str
    storage: str
    created_at: Time
    updated_at: Time
    purge_at: Annotated[
        Time | None, Field(description="From then on its data may be deleted; null: it is kept.")
    ]
    cluster: ClusterShape
    lustre: str | None
    address_block: str | None
    bucket: str
    ssh_key_secret: str | None
    ssh_key_arn: str | None
    user: UserShape
    operation: Annotated[OperationShape | None, Field(description="The latest one.")]


class ProjectAnswer(TypedDict):
    project: ProjectShape


class ListedProject(TypedDict):
    vlab_id: str
    project_id: str
    phase: str
    message: str
    tier: Annotated[str | None, Field(description="null where a newer version wrote the project's spec.")]
    cluster: str
    cluster_status: str | None
    version: str | None
    created_at: Time
    updated_at: Time


class ProjectsAnswer(TypedDict):
    projects: list[ListedProject]
    next: Annotated[str | None, Field(description="Asks for the next page; null on the last one.")]


class PlanAnswer(TypedDict):
    """The last review of a plan, as `provisioner plan --json` shows it, and the operation it was made for."""

    operation_id: str
    plan: dict[str, Any]


class FieldProblemShape(TypedDict):
    path: str
    problem: str
    allowed: str
    example: str


class _ProblemExtras(TypedDict, total=False):
    problems: Annotated[list[FieldProblemShape], Field(description="Field by field, where there are fields.")]
    operation: Annotated[OperationShape, Field(description="The one that is under way.")]


class Problem(_ProblemExtras):
    """RFC 9457 problem details; `code` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    hint: str
    retryable: bool


class Refused(TypedDict):
    """API Gateway's own answer to a request that is not signed as it must be; `message` is its text, as
    clients of old look for it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    message: str


class OldProblem(TypedDict):
    """`message` is one word, the engine's code."""

    message: str
    detail: str
    hint: str


class Scheduler(TypedDict):
    type: str


class OldListed(TypedDict):
    clusterName: str
    clusterStatus: str
    cloudformationStackStatus: str | None
    cloudformationStackArn: str | None
    region: str
    version: str
    scheduler: Scheduler


class OldList(TypedDict):
    clusters: list[OldListed]


class OldAccepted(TypedDict):
    clusterName: str
    clusterStatus: str
    ssh_user: str
    user_private_ssh_key_arn: str
    admin_private_ssh_key_arn: str
    private_ssh_key_arn: Annotated[str, Field(description="The user's; older name.")]


class OldUp(TypedDict):
    cluster: OldAccepted


class OldDown(TypedDict):
    cluster: OldListed


class OldTag(TypedDict):
    key: str
    value: str


class OldConfiguration(TypedDict):
    url: Annotated[str | None, Field(description="Always null: the whole configuration is nobody's to read.")]


class OldFailure(TypedDict):
    failureCode: str
    failureReason: str


class OldHeadNode(TypedDict):
    instanceId: str
    instanceType: str
    state: str
    launchTime: Time | None
    privateIpAddress: str | None


class _OldMaybe(TypedDict, total=False):
    headNode: Annotated[OldHeadNode, Field(description="Absent until it runs.")]
    failures: Annotated[list[OldFailure], Field(description="Absent while nothing has failed.")]


class OldCluster(_OldMaybe):
    creationTime: Time
    lastUpdatedTime: Time
    clusterName: str
    clusterStatus: str
    cloudFormationStackStatus: str | None
    cloudformationStackArn: str | None
    computeFleetStatus: str
    region: str
    version: str
    scheduler: Scheduler
    tags: list[OldTag]
    clusterConfiguration: OldConfiguration
    vlab_id: str
    project_id: str
    clusterFsxId: str | None


# GET without ids, and with them.
OldLook = OldCluster | OldList
