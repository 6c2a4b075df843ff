"""Data repository tasks: what is exported, when, and what never leaves the file system."""

from __future__ import annotations

import pytest

BUCKET = "project-data"
NO_REPORT = {"Enabled": False}


@pytest.fixture
def fs_id(cloud, ground):
    """A file system with /project/private linked to s3://project-data/private/."""
    fs_id = ground.available_lustre()
    ground.bucket(BUCKET)
    ground.fsx.create_data_repository_association(
        FileSystemId=fs_id,
        FileSystemPath="/project/private",
        DataRepositoryPath=f"s3://{BUCKET}/private/",
    )
    cloud.advance(cloud.world.durations.dra_create_s)
    return fs_id


def export(ground, fs_id, *paths):
    return ground.fsx.create_data_repository_task(
        Type="EXPORT_TO_REPOSITORY", FileSystemId=fs_id, Paths=list(paths), Report=NO_REPORT
    )["DataRepositoryTask"]


def described(ground, task):
    return ground.fsx.describe_data_repository_tasks(TaskIds=[task["TaskId"]])["DataRepositoryTasks"][0]


def keys(ground):
    return [item["Key"] for item in ground.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_automatic_export_must_be_off_before_an_export(cloud, ground, fs_id):
    """FSx API, DeleteFileSystem."""
    (link,) = ground.fsx.describe_data_repository_associations()["Associations"]

    def have_it_export(events):
        policy = {"AutoExportPolicy": {"Events": events}}
        ground.fsx.update_data_repository_association(AssociationId=link["AssociationId"], S3=policy)

    have_it_export(["NEW"])
    cloud.advance(cloud.world.durations.dra_create_s)
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="Automatic export"):
        export(ground, fs_id)
    have_it_export([])
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="Automatic export"):
        export(ground, fs_id)
    cloud.advance(cloud.world.durations.dra_create_s)
    assert export(ground, fs_id)["Lifecycle"] in ("PENDING", "EXECUTING")


def test_an_export_writes_what_changed_under_the_association(cloud, ground, fs_id):
    # GIVEN a result, and a scratch file outside every association
    cloud.write_lustre(fs_id, "/project/private/run/result.dat", b"forty-two")
    cloud.write_lustre(fs_id, "/scratch/tmp.dat", b"x")
    # WHEN everything is exported
    task = export(ground, fs_id)
    assert described(ground, task)["Lifecycle"] == "EXECUTING"
    assert keys(ground) == []
    cloud.advance(cloud.world.durations.task_s)
    # THEN the result is in the bucket, with its path, and nothing else
    done = described(ground, task)
    assert done["Lifecycle"] == "SUCCEEDED"
    assert {k: done["Status"][k] for k in ("TotalCount", "SucceededCount", "FailedCount")} == {
        "TotalCount": 1,
        "SucceededCount": 1,
        "FailedCount": 0,
    }
    assert keys(ground) == ["private/run/result.dat"]
    body = ground.s3.get_object(Bucket=BUCKET, Key="private/run/result.dat")["Body"].read()
    assert body == b"forty-two"
    # AND a second export has nothing to do
    again = export(ground, fs_id)
    cloud.advance(cloud.world.durations.task_s)
    assert described(ground, again)["Status"]["TotalCount"] == 0


def test_tasks_run_one_after_another(cloud, ground, fs_id):
    first, second = export(ground, fs_id), export(ground, fs_id)
    assert [described(ground, task)["Lifecycle"] for task in (first, second)] == ["EXECUTING", "PENDING"]
    cloud.advance(cloud.world.durations.task_s)
    assert [described(ground, task)["Lifecycle"] for task in (first, second)] == ["SUCCEEDED", "EXECUTING"]


def test_a_running_task_keeps_the_file_system(cloud, ground, fs_id):
    export(ground, fs_id)
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="task"):
        ground.fsx.delete_file_system(FileSystemId=fs_id)
    cloud.advance(cloud.world.durations.task_s)
    ground.fsx.delete_file_system(FileSystemId=fs_id)


def test_a_canceled_task_exports_nothing(cloud, ground, fs_id):
    cloud.write_lustre(fs_id, "/project/private/a", b"1")
    task = export(ground, fs_id)
    assert ground.fsx.cancel_data_repository_task(TaskId=task["TaskId"])["Lifecycle"] == "CANCELING"
    cloud.advance(60)
    assert described(ground, task)["Lifecycle"] == "CANCELED"
    assert keys(ground) == []
    with pytest.raises(ground.fsx.exceptions.DataRepositoryTaskEnded):
        ground.fsx.cancel_data_repository_task(TaskId=task["TaskId"])


def test_an_export_to_a_lost_bucket_fails(cloud, ground, fs_id):
    cloud.write_lustre(fs_id, "/project/private/a", b"1")
    task = export(ground, fs_id)
    ground.s3.delete_bucket(Bucket=BUCKET)
    cloud.advance(cloud.world.durations.task_s)
    done = described(ground, task)
    assert (done["Lifecycle"], done["Status"]["FailedCount"]) == ("FAILED", 1)
    assert BUCKET in done["FailureDetails"]["Message"]


def test_a_failure_can_be_ordered(cloud, ground, fs_id):
    cloud.fail("export", cluster=fs_id)
    failed, fine = export(ground, fs_id), export(ground, fs_id)
    cloud.advance(60)
    assert described(ground, failed)["Lifecycle"] == "FAILED"
    assert described(ground, fine)["Lifecycle"] == "SUCCEEDED"


def test_paths_outside_and_missing_reports_are_refused(ground, fs_id):
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="not linked"):
        export(ground, fs_id, "/scratch")
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="Report"):
        ground.fsx.create_data_repository_task(
            Type="EXPORT_TO_REPOSITORY", FileSystemId=fs_id, Report={"Enabled": True}
        )


def test_auto_export_comes_late(cloud, ground, fs_id):
    """A task is needed to be sure; waiting long enough does it as well."""
    (link,) = ground.fsx.describe_data_repository_associations()["Associations"]
    policy = {"AutoExportPolicy": {"Events": ["NEW", "CHANGED", "DELETED"]}}
    ground.fsx.update_data_repository_association(AssociationId=link["AssociationId"], S3=policy)
    cloud.advance(cloud.world.durations.dra_create_s)
    cloud.write_lustre(fs_id, "/project/private/a", b"1")
    cloud.advance(cloud.world.durations.auto_export_s - 1)
    assert keys(ground) == []
    cloud.advance(1)
    assert keys(ground) == ["private/a"]


def test_unexported_files_are_lost_with_the_file_system(cloud, ground, fs_id):
    cloud.write_lustre(fs_id, "/project/private/a", b"1")
    ground.fsx.delete_file_system(FileSystemId=fs_id)
    cloud.advance(cloud.world.durations.auto_export_s)
    assert keys(ground) == []
