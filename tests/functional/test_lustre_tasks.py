"""Lustre is given up while FSx is at work on it: the import of the bucket's files takes its time."""

from __future__ import annotations

from typing import Any

import pytest

from engine.local.durations import INSTANT
from engine.local.server import LocalCloud
from engine.operations import lustre
from engine.operations.engine import Engine
from tests.functional.test_failed_lustre import NAMES, made

pytestmark = [pytest.mark.parametrize("cloud", [{"durations": INSTANT}], indirect=True, ids=["instant"])]


def importing(cloud: LocalCloud) -> tuple[str, Any]:
    """A file system with a result on it, linked as its module does, and the import task that this began."""
    cloud.client("s3").create_bucket(Bucket=NAMES.bucket)
    file_system, fsx = made(cloud), cloud.client("fsx")
    cloud.set_durations(task_s=3.0)
    fsx.create_data_repository_association(
        FileSystemId=file_system,
        FileSystemPath="/project/private",
        DataRepositoryPath=f"s3://{NAMES.bucket}/private/",
        BatchImportMetaDataOnCreate=True,
    )
    fsx.describe_data_repository_associations()  # the import begins when the link is there
    cloud.write_lustre(file_system, "/project/private/result.dat", b"forty-two")
    (task,) = fsx.describe_data_repository_tasks()["DataRepositoryTasks"]
    assert task["Lifecycle"] == "EXECUTING"
    return file_system, task


def test_the_export_comes_after_it(cloud: LocalCloud, engine: Engine) -> None:
    file_system, _ = importing(cloud)
    assert lustre.give_up(engine, NAMES, file_system, skip_export=None).files == 1
    stored = cloud.client("s3").get_object(Bucket=NAMES.bucket, Key="private/result.dat")
    assert stored["Body"].read() == b"forty-two"
    assert cloud.client("fsx").describe_file_systems()["FileSystems"] == []


def test_a_waiver_waits_for_it_too(cloud: LocalCloud, engine: Engine) -> None:
    file_system, _ = importing(cloud)
    assert lustre.give_up(engine, NAMES, file_system, skip_export="scratch only").waived
    assert cloud.client("fsx").describe_file_systems()["FileSystems"] == []
