"""Data repository associations: one worked at a time, AWS's refusals, and what they bring in."""

from __future__ import annotations

import pytest


@pytest.fixture
def fs_id(ground):
    return ground.available_lustre()


def associate(ground, fs_id, path, repository, **more):
    return ground.fsx.create_data_repository_association(
        FileSystemId=fs_id, FileSystemPath=path, DataRepositoryPath=repository, **more
    )["Association"]


def lifecycle(ground, association):
    found = ground.fsx.describe_data_repository_associations(AssociationIds=[association["AssociationId"]])
    return found["Associations"][0]["Lifecycle"]


def test_associations_are_worked_one_at_a_time(cloud, ground, fs_id):
    # GIVEN two requested at once
    first = associate(ground, fs_id, "/a", f"s3://{ground.bucket('data-a')}/")
    second = associate(ground, fs_id, "/b", f"s3://{ground.bucket('data-b')}/")
    # WHEN time for one has passed THEN one is available
    cloud.advance(cloud.world.durations.dra_create_s)
    assert (lifecycle(ground, first), lifecycle(ground, second)) == ("AVAILABLE", "CREATING")
    # WHEN the time for another has passed THEN both are
    cloud.advance(cloud.world.durations.dra_create_s)
    assert lifecycle(ground, second) == "AVAILABLE"


def test_overlaps_are_refused(ground, fs_id):
    associate(ground, fs_id, "/project/public", f"s3://{ground.bucket('data-a')}/shared/")
    other = ground.bucket("data-b")
    for path, repository in (
        ("/project/public/deeper", f"s3://{other}/"),
        ("/project", f"s3://{other}/"),
        ("/", f"s3://{other}/"),
        ("/elsewhere", "s3://data-a/shared/"),
        ("/elsewhere", "s3://data-a/shared/deeper/"),
        ("no-slash", f"s3://{other}/"),
        ("/elsewhere", f"https://{other}/"),
    ):
        with pytest.raises(ground.fsx.exceptions.BadRequest):
            associate(ground, fs_id, path, repository)
    assert associate(ground, fs_id, "/project/publications", f"s3://{other}/")


def test_eight_and_no_more(ground, fs_id):
    bucket = ground.bucket("many")
    for number in range(8):
        associate(ground, fs_id, f"/{number}", f"s3://{bucket}/{number}/")
    with pytest.raises(ground.fsx.exceptions.ServiceLimitExceeded):
        associate(ground, fs_id, "/9", f"s3://{bucket}/9/")


def test_a_file_system_in_creation_takes_none(ground):
    young = ground.lustre(ground.subnet(), ground.group("lustre", open_ports=(988,)))["FileSystemId"]
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="CREATING"):
        associate(ground, young, "/a", f"s3://{ground.bucket('data-a')}/")
    with pytest.raises(ground.fsx.exceptions.FileSystemNotFound):
        associate(ground, "fs-00000000000000000", "/a", "s3://data-a/")


def test_a_bucket_that_is_not_there(cloud, ground, fs_id):
    # GIVEN an association with no bucket behind it THEN it fails and says why
    lost = associate(ground, fs_id, "/a", "s3://nowhere-to-be-found/")
    cloud.advance(cloud.world.durations.dra_create_s)
    found = ground.fsx.describe_data_repository_associations()["Associations"][0]
    assert found["Lifecycle"] == "FAILED"
    assert "nowhere-to-be-found" in found["FailureDetails"]["Message"]
    assert lost["Lifecycle"] == "CREATING"
    # GIVEN one whose bucket goes away later THEN it is misconfigured
    kept = associate(ground, fs_id, "/b", f"s3://{ground.bucket('data-b')}/")
    cloud.advance(cloud.world.durations.dra_create_s)
    ground.s3.delete_bucket(Bucket="data-b")
    assert lifecycle(ground, kept) == "MISCONFIGURED"


def test_batch_import_makes_objects_visible(cloud, ground, fs_id):
    # GIVEN a bucket with objects, some below the prefix
    bucket = ground.bucket("data-a")
    for key, body in (("in/one.txt", b"1"), ("in/deep/two.txt", b"22"), ("out/three.txt", b"333")):
        ground.s3.put_object(Bucket=bucket, Key=key, Body=body)
    # WHEN it is associated with a batch import
    associate(ground, fs_id, "/data", f"s3://{bucket}/in/", BatchImportMetaDataOnCreate=True)
    cloud.advance(cloud.world.durations.dra_create_s)
    # THEN a task of its own begins when the association is there
    (task,) = ground.fsx.describe_data_repository_tasks()["DataRepositoryTasks"]
    assert (task["Type"], task["Lifecycle"]) == ("IMPORT_METADATA_FROM_REPOSITORY", "EXECUTING")
    assert cloud.list_lustre(fs_id) == []
    with pytest.raises(ground.fsx.exceptions.BadRequest, match="task"):
        ground.fsx.delete_file_system(FileSystemId=fs_id)
    # AND when that has ended, the files are there by name, and their bytes on reading
    cloud.advance(cloud.world.durations.task_s)
    (task,) = ground.fsx.describe_data_repository_tasks()["DataRepositoryTasks"]
    assert (task["Lifecycle"], task["Status"]["SucceededCount"]) == ("SUCCEEDED", 2)
    assert [file["path"] for file in cloud.list_lustre(fs_id)] == ["/data/deep/two.txt", "/data/one.txt"]
    assert not any(file["on_disk"] for file in cloud.list_lustre(fs_id))
    assert cloud.read_lustre(fs_id, "/data/deep/two.txt") == b"22"
    assert cloud.list_lustre(fs_id)[0]["on_disk"]


def test_without_batch_import_old_objects_stay_away(cloud, ground, fs_id):
    bucket = ground.bucket("data-a")
    ground.s3.put_object(Bucket=bucket, Key="old.txt", Body=b"1")
    associate(ground, fs_id, "/data", f"s3://{bucket}/")
    cloud.advance(cloud.world.durations.dra_create_s)
    assert cloud.list_lustre(fs_id) == []


def test_auto_import_follows_the_bucket(cloud, ground, fs_id):
    bucket = ground.bucket("data-a")
    events = {"AutoImportPolicy": {"Events": ["NEW", "CHANGED", "DELETED"]}}
    associate(ground, fs_id, "/data", f"s3://{bucket}/", S3=events)
    cloud.advance(cloud.world.durations.dra_create_s)
    ground.s3.put_object(Bucket=bucket, Key="a.txt", Body=b"one")
    assert cloud.read_lustre(fs_id, "/data/a.txt") == b"one"
    ground.s3.put_object(Bucket=bucket, Key="a.txt", Body=b"another")
    assert cloud.read_lustre(fs_id, "/data/a.txt") == b"another"
    ground.s3.delete_object(Bucket=bucket, Key="a.txt")
    assert cloud.list_lustre(fs_id) == []


def test_an_update_changes_the_policies(cloud, ground, fs_id):
    made = associate(ground, fs_id, "/data", f"s3://{ground.bucket('data-a')}/")
    cloud.advance(cloud.world.durations.dra_create_s)
    ground.fsx.update_data_repository_association(
        AssociationId=made["AssociationId"], S3={"AutoExportPolicy": {"Events": ["NEW"]}}
    )
    assert lifecycle(ground, made) == "UPDATING"
    cloud.advance(cloud.world.durations.dra_create_s)
    found = ground.fsx.describe_data_repository_associations()["Associations"][0]
    assert (found["Lifecycle"], found["S3"]) == ("AVAILABLE", {"AutoExportPolicy": {"Events": ["NEW"]}})


@pytest.mark.parametrize(("with_data", "left"), [(False, 1), (True, 0)])
def test_a_deleted_association_leaves_or_takes_the_files(cloud, ground, fs_id, with_data, left):
    made = associate(ground, fs_id, "/data", f"s3://{ground.bucket('data-a')}/")
    cloud.advance(cloud.world.durations.dra_create_s)
    cloud.write_lustre(fs_id, "/data/a.txt", b"1")
    ground.fsx.delete_data_repository_association(
        AssociationId=made["AssociationId"], DeleteDataInFileSystem=with_data
    )
    assert lifecycle(ground, made) == "DELETING"
    cloud.advance(cloud.world.durations.dra_delete_s)
    with pytest.raises(ground.fsx.exceptions.DataRepositoryAssociationNotFound):
        lifecycle(ground, made)
    assert len(cloud.list_lustre(fs_id)) == left


def test_a_file_system_takes_its_associations_along(cloud, ground, fs_id):
    associate(ground, fs_id, "/data", f"s3://{ground.bucket('data-a')}/")
    ground.fsx.delete_file_system(FileSystemId=fs_id)
    cloud.advance(60)
    assert ground.fsx.describe_data_repository_associations()["Associations"] == []
