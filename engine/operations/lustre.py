"""The end of a project's Lustre file system: exported, checked, deleted, each waited for.

The engine deletes it through FSx itself, and Terraform's next refresh takes note. The AWS provider
(5.100) looks at a file system it deletes only after ten minutes, and at each link after half a
minute; here a release takes as long as FSx does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from engine.aws import exports, filesystems
from engine.errors import ClusterError, DataAtRisk, OperationInProgress
from engine.model.names import Names
from engine.operations.engine import Engine
from engine.operations.states import read_state
from engine.operations.waiting import waiting
from engine.terraform.state import instances
from engine.workspace.resources import LUSTRE

_PRIVATE = "/project/private"
_BROKEN = ("MISCONFIGURED", "FAILED", "DELETING")
_POLL_S = 10.0
_LOCAL_POLL_S = 0.2
# While its throughput is changed, the file system is away for up to an hour (FSx for Lustre User Guide,
# "Managing provisioned throughput capacity").
_UPDATE_PATIENCE = timedelta(hours=2)
# Kept with the operation: "<file system> <task>".
_EXPORT_NOTE = "lustre_export"


@dataclass(frozen=True)
class Export:
    """What became of the files on Lustre: exported by a task, waived with a reason, or there were none."""

    task_id: str | None = None
    files: int = 0
    waived: str | None = None


def await_update(engine: Engine, names: Names, state: dict[str, Any] | None = None) -> None:
    """Wait until FSx has changed the file system as an earlier run asked it to. Before that a plan would ask
    for the same change again, which FSx refuses.

    state    as it was read just now; None: it is read
    Raises   ClusterError when FSx is not done after two hours; OutOfTime
    """
    for file_system_id in _file_systems(engine, names, state):
        _await_update(engine, names, file_system_id)


def updating(engine: Engine, names: Names, state: dict[str, Any] | None = None) -> str | None:
    """The file system that FSx is still changing as an earlier run asked it to; state: as `await_update`."""
    for file_system_id in _file_systems(engine, names, state):
        if filesystems.lustre_is_updating(engine.cloud, file_system_id):
            return file_system_id
    return None


def _file_systems(engine: Engine, names: Names, state: dict[str, Any] | None) -> list[str]:
    state = read_state(engine, names) if state is None else state
    return [instance.id for instance in instances(state) if instance.address == LUSTRE]


def never_came_up(engine: Engine, names: Names) -> filesystems.LustreFileSystem | None:
    """The project's file system, if FSx could not make it: no file has ever been on it.

    FSx says FAILED also of one that broke later. That one was linked to the bucket as soon as it had come up,
    before the cluster was made; it may hold data, and a person decides.
    """
    found = filesystems.find_lustre(engine.cloud, name=names.lustre)
    if found is None or found.lifecycle != "FAILED" or filesystems.list_links(engine.cloud, found.id):
        return None
    return found


def remove_failed(engine: Engine, names: Names, failed: filesystems.LustreFileSystem) -> None:
    """Delete what `never_came_up` gave, so that Terraform makes another one in its place."""
    engine.check()
    engine.reporter.note(f"FSx could not make the Lustre file system {failed.id}: {failed.failure}")
    _delete(engine, names, failed.id)


def give_up(engine: Engine, names: Names, file_system_id: str, *, skip_export: str | None) -> Export:
    """Export the project's files, then delete the file system. Going on after an interruption is fine.

    skip_export   a reason; the file system then goes without an export
    Raises   DataAtRisk or ClusterError when the export is not complete (the file system stays);
             ClusterError when FSx is not done after an hour, with an update after two
    """
    if not skip_export:
        _await_update(engine, names, file_system_id)
    lifecycle = filesystems.lustre_lifecycle(engine.cloud, file_system_id)
    if lifecycle is None:
        return Export(waived=skip_export)
    # What is being deleted was exported, or waived, by the release that was interrupted then.
    export = Export(waived=skip_export)
    if lifecycle != "DELETING" and not skip_export:
        export = _export_of(engine, names, file_system_id, lifecycle)
    _delete(engine, names, file_system_id)
    return export


def _await_update(engine: Engine, names: Names, file_system_id: str) -> None:
    updating = partial(filesystems.lustre_is_updating, engine.cloud, file_system_id)
    if under_way := updating():
        engine.reporter.step(f"Waiting for {file_system_id}, which FSx is updating", "WAITING")
    with waiting(engine, f"the update of {file_system_id}", patience=_UPDATE_PATIENCE) as too_long:
        while under_way:
            if too_long():
                raise ClusterError(
                    f"FSx has not updated the Lustre file system of {names.project} within two hours.",
                    hint="Look at it in the AWS console; run the command again when it is done.",
                )
            _pause(engine)
            under_way = updating()


def _export_of(engine: Engine, names: Names, file_system_id: str, lifecycle: str) -> Export:
    """The export that lets the file system go; only an available one can be exported.

    Raises   DataAtRisk, ClusterError
    """
    if lifecycle != "AVAILABLE":
        raise DataAtRisk(
            f"The Lustre file system of {names.project} is {lifecycle} and cannot be exported: it stays.",
            hint="Wait until it is AVAILABLE, or mend it, and release again; "
            '--skip-export "reason" gives its files up.',
        )
    linked = filesystems.list_links(engine.cloud, file_system_id)
    # An earlier run of this operation cuts the links when it has had its whole export.
    if not linked and _begun_before(engine, file_system_id) is None:
        # Cut by another release, or by a person: only a person can tell. A link that is made anew imports
        # the bucket, and FSx prevents no conflict (FSx for Lustre User Guide, "Automatically import updates
        # from your S3 bucket").
        done = next(
            (one for one in exports.list_exports(engine.cloud, file_system_id) if one.succeeded), None
        )
        last = f"task {done.task_id}, {done.succeeded_count} files" if done else "none is known"
        raise DataAtRisk(
            f"The Lustre file system of {names.project} has no link to S3 and cannot be exported: it stays. "
            f"Last whole export: {last}.",
            hint="An apply links it again, and the release after that exports it; of a file that differs, "
            "FSx may take the bucket's version. If that export holds everything, release again with "
            '--skip-export "exported before".',
            details={"last_export": done.task_id if done else None},
        )
    return _export(engine, names, file_system_id)


def _delete(engine: Engine, names: Names, file_system_id: str) -> None:
    _await_tasks(engine, file_system_id)
    engine.check()
    engine.reporter.step("Deleting the Lustre file system", "DELETING")
    cloud = engine.cloud
    # An earlier run may have asked already. FSx does not say what it answers to whoever asks twice.
    for link in filesystems.list_links(cloud, file_system_id):
        if link.lifecycle != "DELETING":
            filesystems.delete_link(cloud, link.id)
    links = f"links of {file_system_id}"
    _wait(engine, names, links, lambda: not filesystems.list_links(cloud, file_system_id))
    if filesystems.lustre_lifecycle(cloud, file_system_id) != "DELETING":
        filesystems.delete_lustre(cloud, file_system_id)
    _wait(engine, names, file_system_id, lambda: filesystems.lustre_lifecycle(cloud, file_system_id) is None)


def _export(engine: Engine, names: Names, file_system_id: str) -> Export:
    """Write everything under /project/private to the bucket and wait for the task's report.

    Raises   DataAtRisk when a file failed; ClusterError when the task itself did
    """
    engine.reporter.step("Exporting Lustre to the bucket", "EXPORTING")
    status = _finished_export(engine, names, file_system_id)
    if status.failed_count:
        raise DataAtRisk(
            f"{status.failed_count} of {status.total_count} files of {names.project} could not be exported "
            f"(task {status.task_id}): the Lustre file system stays.",
            hint=f"Read the report under {_report_uri(names)}, mend the cause, and release again; "
            '--skip-export "reason" gives the files up.',
        )
    if not status.succeeded:
        raise ClusterError(
            f"The export of {names.project} ended {status.lifecycle} (task {status.task_id}): "
            f"{status.message or 'AWS gives no reason'}. The Lustre file system stays.",
            hint="Release again; the export is repeated.",
        )
    engine.reporter.note(f"{status.succeeded_count} files exported (task {status.task_id})")
    return Export(task_id=status.task_id, files=status.succeeded_count)


def _finished_export(engine: Engine, names: Names, file_system_id: str) -> exports.ExportStatus:
    """Run an export of our own to its end; one that an earlier run of this operation has begun is ours.

    One that is at work already (an interrupted release, a person) is waited for and then repeated:
    it may have begun while jobs could still write. FSx skips what has reached S3. The import that brought
    the bucket's files in may be at work, too.
    """
    engine.check()
    task_id = _begun_before(engine, file_system_id)
    if task_id is None:
        _stop_auto_export(engine, names, file_system_id)
    while task_id is None:
        try:
            task_id = exports.start_export(
                engine.cloud, file_system_id, (_PRIVATE,), report_uri=_report_uri(names)
            )
        except OperationInProgress:
            _await_tasks(engine, file_system_id)
            # The listing may be behind what FSx goes by.
            _pause(engine)
        else:
            engine.note(_EXPORT_NOTE, f"{file_system_id} {task_id}")
    status = exports.export_status(engine.cloud, task_id)
    while not status.finished:
        _pause(engine)
        status = exports.export_status(engine.cloud, task_id)
    return status


def _stop_auto_export(engine: Engine, names: Names, file_system_id: str) -> None:
    """Have no link write to S3 by itself any more, which FSx demands before an export is begun. An apply
    after a release that failed turns it on again.

    Source   FSx API, DeleteFileSystem
    Raises   ClusterError when FSx is not done after an hour
    """
    with waiting(engine, f"the automatic export of {file_system_id}") as too_long:
        while writing := list(filter(_writes, filesystems.list_links(engine.cloud, file_system_id))):
            for link in writing:
                if link.lifecycle == "AVAILABLE":
                    filesystems.stop_auto_export(engine.cloud, link)
            if too_long():
                raise ClusterError(
                    f"FSx has not turned off the automatic export of {names.project} within an hour; the "
                    "Lustre file system stays.",
                    hint="Look at its data repositories in the AWS console; then release again.",
                )
            _pause(engine)


def _writes(link: filesystems.RepositoryLink) -> bool:
    # What FSx says of a link that is broken, the export itself tells better.
    return link.lifecycle == "UPDATING" or (bool(link.exports) and link.lifecycle not in _BROKEN)


def _await_tasks(engine: Engine, file_system_id: str) -> None:
    """Wait until FSx is at work on no data task of the file system; as an export, that may take hours."""
    told: list[str] = []
    while tasks := exports.unfinished_tasks(engine.cloud, file_system_id):
        if tasks != told:
            told = tasks
            engine.reporter.note(f"FSx is at work on {', '.join(tasks)} of {file_system_id}: waiting for it")
        _pause(engine)


def _begun_before(engine: Engine, file_system_id: str) -> str | None:
    """The export of this operation that is at work or came to a good end.

    One that failed is repeated, and so is one that FSx has forgotten.
    """
    noted_for, _, task_id = engine.noted(_EXPORT_NOTE).partition(" ")
    if noted_for != file_system_id:
        return None
    status = exports.find_export(engine.cloud, task_id)
    return task_id if status and (status.succeeded or not status.finished) else None


def _wait(engine: Engine, names: Names, what: str, gone: Callable[[], bool]) -> None:
    with waiting(engine, f"the end of {what}") as too_long:
        while not gone():
            if too_long():
                raise ClusterError(
                    f"FSx has not removed the Lustre file system of {names.project} within an hour.",
                    hint="Look at it in the AWS console; release again when it is gone.",
                )
            _pause(engine)


def _pause(engine: Engine) -> None:
    engine.pause(_POLL_S if engine.settings.cloud == "aws" else _LOCAL_POLL_S)


def _report_uri(names: Names) -> str:
    return f"s3://{names.bucket}/private/.export-reports"
