"""Data repository tasks: export to S3 and import of metadata, one at a time per file system.

Source: FSx API reference (CreateDataRepositoryTask).
"""

from __future__ import annotations

import json
from typing import Any

from engine.local.api_error import ApiError
from engine.local.data_movement import DataMovement
from engine.local.fsx_store import FileSystem, FsxStore, Task
from engine.local.lustre_tree import clean_path, is_under
from engine.local.world import World, hex_id

EXPORT, IMPORT = "EXPORT_TO_REPOSITORY", "IMPORT_METADATA_FROM_REPOSITORY"
TYPES = (EXPORT, IMPORT, "RELEASE_DATA_FROM_FILESYSTEM")


class Tasks:
    def __init__(self, world: World, region: str, store: FsxStore, movement: DataMovement):
        self._world = world
        self._region = region
        self._store = store
        self._movement = movement

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        file_system = self._store.file_system(request.get("FileSystemId", ""))
        token, fingerprint = request.get("ClientRequestToken"), json.dumps(request, sort_keys=True)
        known = self._store.seen("task", token, fingerprint)
        if known and known in self._store.tasks:
            return {"DataRepositoryTask": self.describe_one(self._store.tasks[known])}
        self._check(file_system, request)
        task = self.begin(
            file_system, request["Type"], list(request.get("Paths") or []), dict(request.get("Report") or {})
        )
        self._store.tags[task.arn] = {tag["Key"]: tag.get("Value", "") for tag in request.get("Tags") or []}
        self._store.remember("task", token, fingerprint, task.id)
        return {"DataRepositoryTask": self.describe_one(task)}

    def begin(self, file_system: FileSystem, kind: str, paths: list[str], report: dict[str, Any]) -> Task:
        """Have a task done after those that are there already; FSx itself begins some."""
        task_id = hex_id("task")
        task = Task(
            id=task_id,
            arn=f"arn:aws:fsx:{self._region}:{self._world.account_id}:task/{task_id}",
            type=kind,
            file_system_id=file_system.id,
            paths=paths,
            report=report,
            created=self._world.now(),
        )
        self._store.tasks[task.id] = task
        start = max(self._world.now(), file_system.tasks_busy_until)
        end = start + self._world.durations.task_s
        file_system.tasks_busy_until = end
        task.steps = [
            self._world.agenda.at(start, lambda at: self._begin(task, at)),
            self._world.agenda.at(end, lambda at: self._finish(file_system, task, at)),
        ]
        return task

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        ids = request.get("TaskIds")
        found = [self._task(one) for one in ids] if ids else list(self._store.tasks.values())
        for filter_ in request.get("Filters") or []:
            attribute = {"file-system-id": "file_system_id", "task-lifecycle": "lifecycle"}.get(
                filter_["Name"]
            )
            if attribute:
                found = [task for task in found if getattr(task, attribute) in filter_["Values"]]
        return {"DataRepositoryTasks": [self.describe_one(task) for task in found]}

    def cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        task = self._task(request.get("TaskId", ""))
        if task.lifecycle not in ("PENDING", "EXECUTING"):
            raise ApiError(
                "DataRepositoryTaskEnded", f"Task '{task.id}' is {task.lifecycle} and cannot be canceled."
            )
        task.lifecycle = "CANCELING"
        for step in task.steps:
            step.cancel()

        def finish(at: float) -> None:
            task.lifecycle, task.ended = "CANCELED", at

        self._world.after(min(self._world.durations.task_s, 1.0), finish)
        return {"Lifecycle": task.lifecycle, "TaskId": task.id}

    def describe_one(self, task: Task) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "TaskId": task.id,
            "Lifecycle": task.lifecycle,
            "Type": task.type,
            "CreationTime": task.created,
            "ResourceARN": task.arn,
            "Tags": [{"Key": k, "Value": v} for k, v in self._store.tags.get(task.arn, {}).items()],
            "FileSystemId": task.file_system_id,
            "Paths": task.paths,
            "Report": task.report,
            "Status": {
                "TotalCount": task.total,
                "SucceededCount": task.succeeded,
                "FailedCount": task.failed,
                "LastUpdatedTime": task.ended or task.started or task.created,
            },
        }
        if task.started is not None:
            answer["StartTime"] = task.started
        if task.ended is not None:
            answer["EndTime"] = task.ended
        if task.failure:
            answer["FailureDetails"] = {"Message": task.failure}
        return answer

    def _task(self, task_id: str) -> Task:
        if task_id not in self._store.tasks:
            raise ApiError("DataRepositoryTaskNotFound", f"Data repository task '{task_id}' does not exist.")
        return self._store.tasks[task_id]

    def _check(self, file_system: FileSystem, request: dict[str, Any]) -> None:
        if request.get("Type") not in TYPES:
            raise ApiError("BadRequest", f"Type must be one of {', '.join(TYPES)}.")
        report = request.get("Report")
        if not isinstance(report, dict) or "Enabled" not in report:
            raise ApiError("BadRequest", "Report with Enabled is required.")
        if file_system.lifecycle != "AVAILABLE":
            raise ApiError("BadRequest", f"File system '{file_system.id}' is {file_system.lifecycle}.")
        linked = [item.path for item in self._store.associations_of(file_system.id)]
        if not linked:
            raise ApiError("UnsupportedOperation", f"File system '{file_system.id}' has no data repository.")
        if request["Type"] == EXPORT and any(
            one.export_events or one.lifecycle == "UPDATING"
            for one in self._store.associations_of(file_system.id)
        ):
            # FSx API, DeleteFileSystem: it must be off before an export is run. FSx's words are not known.
            raise ApiError("BadRequest", f"Automatic export of file system '{file_system.id}' is enabled.")
        if report["Enabled"]:
            self._check_report(file_system, report)
        for raw in request.get("Paths") or []:
            path = self._path(raw)
            if not any(is_under(path, one) or is_under(one, path) for one in linked):
                raise ApiError("BadRequest", f"Path {raw!r} is not linked to a data repository.")

    def _check_report(self, file_system: FileSystem, report: dict[str, Any]) -> None:
        if not all(report.get(key) for key in ("Path", "Format", "Scope")):
            raise ApiError("BadRequest", "An enabled Report needs Path, Format and Scope.")
        target = str(report["Path"]).rstrip("/")
        repositories = [item.repository.rstrip("/") for item in self._store.associations_of(file_system.id)]
        if not any(is_under(target, repository) for repository in repositories):
            raise ApiError("BadRequest", "The report's Path must lie in a linked data repository.")

    def _begin(self, task: Task, at: float) -> None:
        task.lifecycle, task.started = "EXECUTING", at

    def _finish(self, file_system: FileSystem, task: Task, at: float) -> None:
        paths = [self._path(raw) for raw in task.paths] or ["/"]
        task.ended = at
        if self._world.faults.take(file_system.id, "export") if task.type == TYPES[0] else None:
            task.lifecycle, task.failure = (
                "FAILED",
                "The task failed: ordered by the local cloud's failure list.",
            )
            return
        if task.type == EXPORT:
            task.succeeded, task.failed, task.failure = self._movement.export(file_system, paths)
        elif task.type == IMPORT:
            for association in self._store.associations_of(file_system.id):
                for path in paths:
                    if is_under(path, association.path) or is_under(association.path, path):
                        task.succeeded += self._movement.import_metadata(association, path)
        task.total = task.succeeded + task.failed
        task.lifecycle = "FAILED" if task.failed else "SUCCEEDED"
        self._write_report(task)

    def _write_report(self, task: Task) -> None:
        if not task.report.get("Enabled"):
            return
        bucket, _, prefix = str(task.report["Path"]).removeprefix("s3://").partition("/")
        if self._movement.has_bucket(bucket) and task.failed:
            key = "/".join(filter(None, [prefix.strip("/"), task.id, "failures.csv"]))
            self._world.backends.s3().put_object(bucket, key, f"{task.failed},{task.failure}\n".encode())

    @staticmethod
    def _path(raw: str) -> str:
        """A task path is relative to the file system's root, with or without a leading slash."""
        try:
            return clean_path(raw)
        except ValueError as error:
            raise ApiError("BadRequest", str(error)) from None
