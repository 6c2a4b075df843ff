"""The EFS home with what hangs on it, and Lustre with its links to S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from engine.aws.existing.search import Found, Life, Search, Wanted, tag_map
from engine.aws.failures import aws_errors, error_code

# EFS API reference, LifeCycleState of file systems and mount targets.
_EFS_LIVES = {
    "creating": Life.IN_PROGRESS,
    "updating": Life.IN_PROGRESS,
    "available": Life.READY,
    "deleting": Life.GOING,
}
# FSx API reference, Lifecycle of file systems and data repository associations.
_FSX_LIVES = {
    "CREATING": Life.IN_PROGRESS,
    "UPDATING": Life.IN_PROGRESS,
    "AVAILABLE": Life.READY,
    "DELETING": Life.GOING,
}


def find_efs(search: Search, wanted: Wanted) -> Found | None:
    """A creation token belongs to one file system of the account for as long as that lives.

    One that was taken over (ADR 0033) keeps the token that it was made with, and is known by its tags.
    """
    token = wanted.values["creation_token"]
    with aws_errors(f"looking for the EFS file system of {search.project}"):
        found = search.cloud.efs.describe_file_systems(CreationToken=token)["FileSystems"]
    standing = [one for one in found if one["LifeCycleState"] != "deleted"]
    if not standing:
        return _home_taken_over(search, wanted)
    search.require_ours(wanted, f"The EFS file system {token}", tag_map(standing[0].get("Tags")))
    return _efs(standing[0]["FileSystemId"], standing[0]["LifeCycleState"])


def _home_taken_over(search: Search, wanted: Wanted) -> Found | None:
    with aws_errors(f"looking for the EFS file system of {search.project}"):
        pages = search.cloud.efs.get_paginator("describe_file_systems").paginate()
        homes = {one["FileSystemId"]: one for page in pages for one in page["FileSystems"]}
    standing = [
        (id_, tag_map(one.get("Tags"))) for id_, one in homes.items() if one["LifeCycleState"] != "deleted"
    ]
    found = search.by_address(wanted, "EFS file systems", standing)
    return _efs(found, homes[found]["LifeCycleState"]) if found else None


def find_backup_policy(search: Search, wanted: Wanted) -> Found | None:
    file_system = wanted.values.get("file_system_id") or search.parent(wanted, "aws_efs_file_system")
    if not file_system:
        return None
    with aws_errors(f"looking at the backups of the file system {file_system}"):
        try:
            policy = search.cloud.efs.describe_backup_policy(FileSystemId=file_system).get("BackupPolicy", {})
        except ClientError as error:
            if error_code(error) not in {"PolicyNotFound", "FileSystemNotFound"}:
                raise
            return None
    set_ = policy.get("Status") in {"ENABLED", "ENABLING"}
    return Found(file_system, file_system) if set_ else None


def find_mount_target(search: Search, wanted: Wanted) -> Found | None:
    file_system = wanted.values.get("file_system_id") or search.parent(wanted, "aws_efs_file_system")
    subnet = wanted.values.get("subnet_id") or search.parent(wanted, "aws_subnet")
    if not file_system or not subnet:
        return None
    with aws_errors(f"looking for the mount targets of the file system {file_system}"):
        try:
            targets = search.cloud.efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"]
        except ClientError as error:
            if error_code(error) != "FileSystemNotFound":
                raise
            return None
    for target in targets:
        if target["SubnetId"] == subnet and target["LifeCycleState"] != "deleted":
            return _efs(target["MountTargetId"], target["LifeCycleState"])
    return None


def find_lustre(search: Search, wanted: Wanted) -> Found | None:
    """One that is being deleted is in nobody's way: a file system has no name to be unique."""
    systems = {
        one["FileSystemId"]: one
        for one in search.once("file systems", lambda: _systems(search))
        if one.get("Lifecycle") != "DELETING"
    }
    found = search.by_address(
        wanted, "Lustre file systems", [(id_, tag_map(one.get("Tags"))) for id_, one in systems.items()]
    )
    return _fsx(found, systems[found]) if found else None


def find_association(search: Search, wanted: Wanted) -> Found | None:
    file_system = wanted.values.get("file_system_id") or search.parent(wanted, "aws_fsx_lustre_file_system")
    if not file_system:
        return None
    for link in search.once(f"links of {file_system}", lambda: _links(search, file_system)):
        if link.get("FileSystemPath") == wanted.values["file_system_path"]:
            return _fsx(link["AssociationId"], link)
    return None


def _systems(search: Search) -> list[Any]:
    with aws_errors(f"looking for the Lustre file systems of {search.project}"):
        pages = search.cloud.fsx.get_paginator("describe_file_systems").paginate()
        return [one for page in pages for one in page["FileSystems"]]


def _links(search: Search, file_system: str) -> list[Any]:
    # boto3 has no paginator for this operation; a file system has eight links at most (FSx quotas).
    fsx: Any = search.cloud.fsx
    with aws_errors(f"looking for the S3 links of the file system {file_system}"):
        found = fsx.describe_data_repository_associations(
            Filters=[{"Name": "file-system-id", "Values": [file_system]}]
        )
    return list(found["Associations"])


def _efs(id_: str, state: str) -> Found:
    return Found(id_, id_, _EFS_LIVES.get(state, Life.FAILED), state)


def _fsx(id_: str, described: Mapping[str, Any]) -> Found:
    state = described.get("Lifecycle", "")
    return Found(id_, id_, _FSX_LIVES.get(state, Life.FAILED), state)
