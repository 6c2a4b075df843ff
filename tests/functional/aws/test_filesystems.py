"""File systems found by exact name, their S3 links, and exports; answers checked by botocore's models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from engine.aws.exports import export_status, list_exports, start_export, unfinished_tasks
from engine.aws.filesystems import (
    RepositoryLink,
    find_efs,
    find_lustre,
    list_links,
    lustre_is_updating,
    lustre_lifecycle,
    stop_auto_export,
)
from engine.aws.session import Cloud
from engine.errors import BackendError, OperationInProgress

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FS = "fs-0123456789abcdef0"
TASK = "task-0123456789abcdef0"


@pytest.fixture
def fsx(cloud: Cloud) -> Iterator[Stubber]:
    with Stubber(cloud.fsx) as stub:
        yield stub
        stub.assert_no_pending_responses()


def lustre(
    name: str, *, number: int = 0, lifecycle: str = "AVAILABLE", kind: str = "LUSTRE"
) -> dict[str, Any]:
    return {
        "FileSystemId": f"{FS[:-1]}{number}",
        "FileSystemType": kind,
        "Lifecycle": lifecycle,
        "StorageCapacity": 1200,
        "DNSName": f"{FS}.fsx.eu-west-3.amazonaws.com",
        "ResourceARN": f"arn:aws:fsx:eu-west-3:123456789012:file-system/{FS}",
        "LustreConfiguration": {"MountName": "abcdef"},
        "Tags": [{"Key": "Name", "Value": name}],
    }


def test_lustre_is_found_by_its_exact_name_on_any_page(cloud: Cloud, fsx: Stubber) -> None:
    others = [
        lustre("pc-onex"),
        lustre("pc-one", number=1, lifecycle="DELETING"),
        lustre("pc-one", kind="ONTAP"),
    ]
    fsx.add_response("describe_file_systems", {"FileSystems": others, "NextToken": "more"})
    fsx.add_response(
        "describe_file_systems", {"FileSystems": [lustre("pc-one", number=7)]}, {"NextToken": "more"}
    )

    found = find_lustre(cloud, name="pc-one")

    assert found is not None
    assert (found.id, found.lifecycle, found.capacity_gib, found.mount_name) == (
        f"{FS[:-1]}7",
        "AVAILABLE",
        1200,
        "abcdef",
    )
    assert found.tags == {"Name": "pc-one"}


def test_a_failed_file_system_tells_why(cloud: Cloud, fsx: Stubber) -> None:
    failed = {
        **lustre("pc-one", lifecycle="FAILED"),
        "FailureDetails": {"Message": "LNET traffic on port 988"},
    }
    fsx.add_response("describe_file_systems", {"FileSystems": [failed]})

    found = find_lustre(cloud, name="pc-one")

    assert found is not None
    assert found.failure == "LNET traffic on port 988"


def test_no_file_system_is_none_and_two_are_refused(cloud: Cloud, fsx: Stubber) -> None:
    fsx.add_response("describe_file_systems", {"FileSystems": [lustre("other")]})
    assert find_lustre(cloud, name="pc-one") is None

    fsx.add_response("describe_file_systems", {"FileSystems": [lustre("a", number=1), lustre("a", number=2)]})
    with pytest.raises(BackendError, match="2 Lustre file systems named a") as two:
        find_lustre(cloud, name="a")
    assert two.value.details["ids"] == [f"{FS[:-1]}1", f"{FS[:-1]}2"]


def test_the_lifecycle_of_one(cloud: Cloud, fsx: Stubber) -> None:
    fsx.add_response(
        "describe_file_systems", {"FileSystems": [lustre("x", lifecycle="CREATING")]}, {"FileSystemIds": [FS]}
    )
    assert lustre_lifecycle(cloud, FS) == "CREATING"
    fsx.add_client_error("describe_file_systems", "FileSystemNotFound")
    assert lustre_lifecycle(cloud, FS) is None
    fsx.add_client_error("describe_file_systems", "BadRequest")
    with pytest.raises(BackendError, match="BadRequest"):
        lustre_lifecycle(cloud, FS)


@pytest.mark.parametrize(
    ("lifecycle", "kind", "status", "updating"),
    [
        ("UPDATING", "FILE_SYSTEM_UPDATE", "IN_PROGRESS", True),
        ("AVAILABLE", "FILE_SYSTEM_UPDATE", "PENDING", True),
        ("AVAILABLE", "FILE_SYSTEM_UPDATE", "UPDATED_OPTIMIZING", False),
        ("AVAILABLE", "STORAGE_OPTIMIZATION", "IN_PROGRESS", False),
        ("AVAILABLE", "FILE_SYSTEM_UPDATE", "FAILED", False),
    ],
)
def test_an_update_is_over_when_the_new_values_are_shown(
    cloud: Cloud, fsx: Stubber, lifecycle: str, kind: str, status: str, updating: bool
) -> None:
    found = lustre("x", lifecycle=lifecycle)
    found["AdministrativeActions"] = [{"AdministrativeActionType": kind, "Status": status}]
    fsx.add_response("describe_file_systems", {"FileSystems": [found]}, {"FileSystemIds": [FS]})
    assert lustre_is_updating(cloud, FS) is updating


def test_links_come_with_their_directions(cloud: Cloud, fsx: Stubber) -> None:
    private = {
        "AssociationId": "dra-0123456789abcdef1",
        "FileSystemId": FS,
        "FileSystemPath": "/project/private",
        "DataRepositoryPath": "s3://mine/private/",
        "Lifecycle": "AVAILABLE",
        "S3": {"AutoImportPolicy": {"Events": ["NEW"]}, "AutoExportPolicy": {"Events": ["NEW", "CHANGED"]}},
    }
    public = {
        **private,
        "FileSystemPath": "/project/public",
        "Lifecycle": "MISCONFIGURED",
        "S3": {},
        "FailureDetails": {"Message": "no such bucket"},
    }
    which = {"Filters": [{"Name": "file-system-id", "Values": [FS]}]}
    fsx.add_response(
        "describe_data_repository_associations", {"Associations": [public], "NextToken": "more"}, which
    )
    fsx.add_response(
        "describe_data_repository_associations",
        {"Associations": [private]},
        {**which, "NextToken": "more"},
    )

    mine, shared = list_links(cloud, FS)

    assert (mine.path, mine.s3_uri) == ("/project/private", "s3://mine/private/")
    assert (mine.imports, mine.exports) == (("NEW",), ("NEW", "CHANGED"))
    assert (shared.path, shared.imports, shared.exports) == ("/project/public", (), ())
    assert shared.failure == "no such bucket"


def task(lifecycle: str = "EXECUTING", **more: Any) -> dict[str, Any]:
    return {
        "TaskId": TASK,
        "Lifecycle": lifecycle,
        "Type": "EXPORT_TO_REPOSITORY",
        "CreationTime": NOW,
        "FileSystemId": FS,
        "Paths": ["project/private"],
        **more,
    }


def test_automatic_export_is_turned_off_and_import_stays(cloud: Cloud, fsx: Stubber) -> None:
    link = RepositoryLink(
        "dra-0123456789abcdef0", "/project", "s3://b/p", "AVAILABLE", ("NEW",), ("CHANGED",)
    )
    policies = {"AutoExportPolicy": {"Events": []}, "AutoImportPolicy": {"Events": ["NEW"]}}
    fsx.add_response("update_data_repository_association", {}, {"AssociationId": link.id, "S3": policies})
    stop_auto_export(cloud, link)


def test_an_export_is_asked_for_as_fsx_wants_it(cloud: Cloud, fsx: Stubber) -> None:
    fsx.add_response(
        "create_data_repository_task",
        {"DataRepositoryTask": task("PENDING")},
        {
            "Type": "EXPORT_TO_REPOSITORY",
            "FileSystemId": FS,
            "Paths": ["project/private"],
            "Report": {
                "Enabled": True,
                "Path": "s3://mine/private/reports",
                "Format": "REPORT_CSV_20191124",
                "Scope": "FAILED_FILES_ONLY",
            },
            "ClientRequestToken": ANY,
        },
    )

    started = start_export(cloud, FS, ["/project/private"], report_uri="s3://mine/private/reports")

    assert started == TASK


def test_each_export_is_its_own(cloud: Cloud, fsx: Stubber) -> None:
    tokens: list[str] = []
    cloud.fsx.meta.events.register(
        "provide-client-params.fsx.CreateDataRepositoryTask",
        lambda params, **_: tokens.append(params["ClientRequestToken"]),
    )
    for _ in range(2):
        fsx.add_response(
            "create_data_repository_task",
            {"DataRepositoryTask": task()},
            {
                "Type": ANY,
                "FileSystemId": FS,
                "Paths": ["/"],
                "Report": {"Enabled": False},
                "ClientRequestToken": ANY,
            },
        )
        start_export(cloud, FS, ["/"])
    assert len(set(tokens)) == 2


def test_a_task_at_work_is_reported_with_its_id(cloud: Cloud, fsx: Stubber) -> None:
    fsx.add_client_error("create_data_repository_task", "DataRepositoryTaskExecuting")
    fsx.add_response(
        "describe_data_repository_tasks",
        {"DataRepositoryTasks": [task(), task("SUCCEEDED", TaskId="task-0123456789abcdef1")]},
    )

    with pytest.raises(OperationInProgress) as busy:
        start_export(cloud, FS, ["/project/private"])

    assert busy.value.details["task_ids"] == [TASK]
    assert busy.value.retryable


@pytest.mark.parametrize(
    ("lifecycle", "failed", "finished", "succeeded"),
    [
        ("PENDING", 0, False, False),
        ("EXECUTING", 0, False, False),
        ("CANCELING", 0, False, False),
        ("SUCCEEDED", 0, True, True),
        ("SUCCEEDED", 1, True, False),
        ("FAILED", 1, True, False),
        ("CANCELED", 0, True, False),
    ],
)
def test_an_export_counts_only_when_nothing_was_left_out(
    cloud: Cloud, fsx: Stubber, lifecycle: str, failed: int, finished: bool, succeeded: bool
) -> None:
    counts = {"TotalCount": 3, "SucceededCount": 3 - failed, "FailedCount": failed}
    more = {"FailureDetails": {"Message": "disk on fire"}} if lifecycle == "FAILED" else {}
    fsx.add_response(
        "describe_data_repository_tasks",
        {"DataRepositoryTasks": [task(lifecycle, Status=counts, **more)]},
        {"TaskIds": [TASK]},
    )

    status = export_status(cloud, TASK)

    assert (status.finished, status.succeeded) == (finished, succeeded)
    assert (status.total_count, status.succeeded_count, status.failed_count) == (3, 3 - failed, failed)
    assert status.paths == ("/project/private",)
    assert status.message == ("disk on fire" if more else "")


def test_a_task_without_counts_yet_has_none(cloud: Cloud, fsx: Stubber) -> None:
    fsx.add_response("describe_data_repository_tasks", {"DataRepositoryTasks": [task("PENDING")]})
    assert export_status(cloud, TASK).total_count == 0


def test_an_unknown_task_is_said_plainly(cloud: Cloud, fsx: Stubber) -> None:
    fsx.add_client_error("describe_data_repository_tasks", "DataRepositoryTaskNotFound")
    with pytest.raises(BackendError, match=f"does not know the export task {TASK}"):
        export_status(cloud, TASK)


def test_exports_are_listed_newest_first_over_all_pages(cloud: Cloud, fsx: Stubber) -> None:
    which = {"Filters": [{"Name": "file-system-id", "Values": [FS]}]}
    imported = {**task(), "Type": "IMPORT_METADATA_FROM_REPOSITORY", "TaskId": "task-0123456789abcdef9"}
    newer = task(TaskId="task-0123456789abcdef2", CreationTime=NOW.replace(hour=13))
    fsx.add_response(
        "describe_data_repository_tasks", {"DataRepositoryTasks": [task(), imported], "NextToken": "m"}, which
    )
    fsx.add_response(
        "describe_data_repository_tasks", {"DataRepositoryTasks": [newer]}, {**which, "NextToken": "m"}
    )

    assert [one.task_id for one in list_exports(cloud, FS)] == ["task-0123456789abcdef2", TASK]


def make_efs(cloud: Cloud, name: str) -> str:
    made = cloud.efs.create_file_system(CreationToken=name, Tags=[{"Key": "Name", "Value": name}])
    return made["FileSystemId"]


def test_efs_is_found_by_its_exact_name_on_any_page(cloud: Cloud) -> None:
    for number in range(120):
        make_efs(cloud, f"other-{number}")
    ours = make_efs(cloud, "pc-one")
    make_efs(cloud, "pc-onex")

    found = find_efs(cloud, name="pc-one")

    assert found is not None
    assert (found.id, found.lifecycle, found.mount_targets) == (ours, "available", 0)
    assert find_efs(cloud, name="pc") is None


def test_two_efs_of_one_name_are_refused(cloud: Cloud) -> None:
    cloud.efs.create_file_system(CreationToken="a", Tags=[{"Key": "Name", "Value": "pc-one"}])
    cloud.efs.create_file_system(CreationToken="b", Tags=[{"Key": "Name", "Value": "pc-one"}])

    with pytest.raises(BackendError, match="2 EFS file systems named pc-one"):
        find_efs(cloud, name="pc-one")


def test_tasks_of_every_kind_count_until_they_have_ended(cloud: Cloud, fsx: Stubber) -> None:
    imported = {**task(), "Type": "IMPORT_METADATA_FROM_REPOSITORY", "TaskId": "task-0123456789abcdef9"}
    ended = [task(lifecycle) for lifecycle in ("SUCCEEDED", "FAILED", "CANCELED")]
    pages = ([*ended, task("CANCELING")], "m"), ([imported], None)
    for found, more in pages:
        answer = {"DataRepositoryTasks": found} | ({"NextToken": more} if more else {})
        fsx.add_response("describe_data_repository_tasks", answer)

    assert unfinished_tasks(cloud, FS) == [TASK, "task-0123456789abcdef9"]
