"""What moto lacks of EFS, and bucket policies it cannot judge."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError


def test_a_mount_target_takes_a_moment(cloud, ground):
    fs_id = ground.efs.create_file_system(CreationToken="home", ThroughputMode="elastic", Encrypted=True)[
        "FileSystemId"
    ]
    ground.efs.create_mount_target(FileSystemId=fs_id, SubnetId=ground.subnet())

    def state():
        return ground.efs.describe_mount_targets(FileSystemId=fs_id)["MountTargets"][0]["LifeCycleState"]

    assert state() == "creating"
    cloud.advance(cloud.world.durations.efs_mount_target_s)
    assert state() == "available"


def test_a_backup_policy_can_be_set(ground):
    fs_id = ground.efs.create_file_system(CreationToken="home")["FileSystemId"]
    with pytest.raises(ground.efs.exceptions.PolicyNotFound):
        ground.efs.describe_backup_policy(FileSystemId=fs_id)
    for status in ("ENABLED", "DISABLED"):
        ground.efs.put_backup_policy(FileSystemId=fs_id, BackupPolicy={"Status": status})
        assert ground.efs.describe_backup_policy(FileSystemId=fs_id)["BackupPolicy"]["Status"] == status
    with pytest.raises(ground.efs.exceptions.FileSystemNotFound):
        ground.efs.describe_backup_policy(FileSystemId="fs-00000000")


def test_a_throughput_mode_changes_once_a_day(cloud, ground):
    fs_id = ground.efs.create_file_system(CreationToken="home")["FileSystemId"]

    def found():
        return ground.efs.describe_file_systems(FileSystemId=fs_id)["FileSystems"][0]

    assert found()["ThroughputMode"] == "bursting"
    answer = ground.efs.update_file_system(FileSystemId=fs_id, ThroughputMode="elastic")
    assert answer["LifeCycleState"] == "updating"
    cloud.advance(cloud.world.durations.efs_mount_target_s)
    assert (found()["LifeCycleState"], found()["ThroughputMode"]) == ("available", "elastic")
    with pytest.raises(ground.efs.exceptions.TooManyRequests):
        ground.efs.update_file_system(FileSystemId=fs_id, ThroughputMode="bursting")
    cloud.advance(24 * 3600)
    ground.efs.update_file_system(FileSystemId=fs_id, ThroughputMode="bursting")
    assert found()["ThroughputMode"] == "bursting"
    with pytest.raises(ground.efs.exceptions.FileSystemNotFound):
        ground.efs.update_file_system(FileSystemId="fs-00000000", ThroughputMode="elastic")
    with pytest.raises(ground.efs.exceptions.BadRequest):
        ground.efs.update_file_system(FileSystemId=fs_id, ThroughputMode="provisioned")


def statement(**changes):
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::kept", "arn:aws:s3:::kept/*"],
    } | changes


def test_a_tls_only_bucket_can_be_used(ground):
    bucket = ground.bucket("kept")
    tls_only = statement(Condition={"Bool": {"aws:SecureTransport": "false"}})
    ground.s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [tls_only]})
    )
    ground.s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert ground.s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"


def test_a_plain_deny_still_denies(ground):
    bucket = ground.bucket("kept")
    ground.s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement()]})
    )
    with pytest.raises(ClientError):
        ground.s3.put_object(Bucket=bucket, Key="a", Body=b"1")
