"""Exports: what a Lustre file system holds and S3 doesn't yet, written out before the file system goes.

Nothing here waits: callers ask again as often as they like.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import BackendError, OperationInProgress

if TYPE_CHECKING:
    from mypy_boto3_fsx.type_defs import (
        DataRepositoryTaskTypeDef,
        DescribeDataRepositoryTasksResponseTypeDef,
    )

_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
_EXPORT: Final = "EXPORT_TO_REPOSITORY"


@dataclass(frozen=True)
class ExportStatus:
    """How far an export task is.

    lifecycle  PENDING, EXECUTING, SUCCEEDED, FAILED, CANCELING, CANCELED
    created_at, ended_at   UTC, aware
    total_count, succeeded_count, failed_count   files; 0 while FSx has not counted them
    message    FSx's reason; empty unless it failed
    """

    task_id: str
    file_system_id: str
    paths: tuple[str, ...]
    lifecycle: str
    total_count: int
    succeeded_count: int
    failed_count: int
    created_at: datetime
    ended_at: datetime | None
    message: str = ""

    @property
    def finished(self) -> bool:
        """True when the task has ended, whichever way."""
        return self.lifecycle in _ENDED

    @property
    def succeeded(self) -> bool:
        """True only when everything asked for has reached S3: ended well, with no file left out."""
        return self.lifecycle == "SUCCEEDED" and not self.failed_count


def start_export(
    cloud: Cloud,
    file_system_id: str,
    paths: Sequence[str],
    *,
    report_uri: str | None = None,
) -> str:
    """Start writing everything under these paths that S3 does not have yet.

    paths       in the file system, inside its S3 links: ["/project/private"]
    report_uri  "s3://bucket/prefix" inside a link: where FSx lists the files that failed; None: no report
    Returns     id of the task
    Raises      OperationInProgress when a task is at work on this file system (details: its id, when
                it can be found); BackendError when FSx refuses a path
    Source      FSx API, CreateDataRepositoryTask: paths are relative to the mount point, so the
                leading "/" goes; one task at a time per file system
    """
    report: Any = {"Enabled": False}
    if report_uri:
        report = {
            "Enabled": True,
            "Path": report_uri,
            "Format": "REPORT_CSV_20191124",
            "Scope": "FAILED_FILES_ONLY",
        }
    with aws_errors(f"starting the export of {', '.join(paths)} from the file system {file_system_id}"):
        try:
            answer = cloud.fsx.create_data_repository_task(
                Type=_EXPORT,
                FileSystemId=file_system_id,
                Paths=[path.strip("/") or "/" for path in paths],
                Report=report,
                ClientRequestToken=uuid.uuid4().hex,
            )
        except ClientError as error:
            if error_code(error) != "DataRepositoryTaskExecuting":
                raise
            running = unfinished_tasks(cloud, file_system_id)
            raise OperationInProgress(
                f"Another data task is at work on the file system {file_system_id}.",
                hint="Wait until it has ended, then run this again.",
                details={"file_system_id": file_system_id, "task_ids": running},
            ) from error
    return answer["DataRepositoryTask"]["TaskId"]


def export_status(cloud: Cloud, task_id: str) -> ExportStatus:
    """How far a task is.

    Raises  BackendError when FSx does not know the task (any more)
    """
    found = find_export(cloud, task_id)
    if found is None:
        raise BackendError(f"FSx does not know the export task {task_id}.", hint="Start the export again.")
    return found


def find_export(cloud: Cloud, task_id: str) -> ExportStatus | None:
    """How far a task is; None when FSx does not know it, or not any more."""
    with aws_errors(f"looking at the export task {task_id}"):
        try:
            found = cloud.fsx.describe_data_repository_tasks(TaskIds=[task_id])["DataRepositoryTasks"]
        except ClientError as error:
            if error_code(error) != "DataRepositoryTaskNotFound":
                raise
            return None
    return _export(found[0]) if found else None


def list_exports(cloud: Cloud, file_system_id: str) -> list[ExportStatus]:
    """Export tasks of a file system, newest first."""
    with aws_errors(f"listing the export tasks of the file system {file_system_id}"):
        tasks = [
            _export(task)
            for page in _task_pages(cloud, file_system_id)
            for task in page["DataRepositoryTasks"]
            if task["Type"] == _EXPORT
        ]
    return sorted(tasks, key=lambda task: task.created_at, reverse=True)


def unfinished_tasks(cloud: Cloud, file_system_id: str) -> list[str]:
    """Ids of the data tasks of a file system that have not ended, of every kind: exports, and imports too.

    FSx may refuse another task, and deletes no file system, until they have.
    Source   FSx API, DataRepositoryTaskExecuting and DeleteFileSystem
    """
    with aws_errors(f"listing the data tasks of the file system {file_system_id}"):
        return [
            task["TaskId"]
            for page in _task_pages(cloud, file_system_id)
            for task in page["DataRepositoryTasks"]
            if task["Lifecycle"] not in _ENDED
        ]


def _export(task: DataRepositoryTaskTypeDef) -> ExportStatus:
    status = task.get("Status", {})
    ended = task.get("EndTime")
    return ExportStatus(
        task_id=task["TaskId"],
        file_system_id=task.get("FileSystemId", ""),
        paths=tuple(f"/{path.lstrip('/')}" for path in task.get("Paths", [])),
        lifecycle=task["Lifecycle"],
        total_count=status.get("TotalCount", 0),
        succeeded_count=status.get("SucceededCount", 0),
        failed_count=status.get("FailedCount", 0),
        created_at=task["CreationTime"].astimezone(UTC),
        ended_at=ended.astimezone(UTC) if ended else None,
        message=task.get("FailureDetails", {}).get("Message", ""),
    )


def _task_pages(cloud: Cloud, file_system_id: str) -> Iterator[DescribeDataRepositoryTasksResponseTypeDef]:
    # boto3 has no paginator for this operation.
    ask: Any = cloud.fsx.describe_data_repository_tasks
    more: dict[str, str] = {}
    while True:
        page: DescribeDataRepositoryTasksResponseTypeDef = ask(
            Filters=[{"Name": "file-system-id", "Values": [file_system_id]}], **more
        )
        yield page
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}
