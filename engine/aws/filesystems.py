"""File systems of a project: Lustre with its links to S3, and the EFS home."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import BackendError

if TYPE_CHECKING:
    from mypy_boto3_fsx.type_defs import DescribeDataRepositoryAssociationsResponseTypeDef, FileSystemTypeDef


@dataclass(frozen=True)
class LustreFileSystem:
    """lifecycle: CREATING, AVAILABLE, UPDATING, DELETING, FAILED, MISCONFIGURED...; failure may be empty."""

    id: str
    arn: str
    lifecycle: str
    capacity_gib: int
    dns_name: str
    mount_name: str
    tags: Mapping[str, str]
    failure: str = ""


@dataclass(frozen=True)
class RepositoryLink:
    """One data repository association.

    path       where it is in the file system: "/project/private"
    s3_uri     "s3://bucket/private/"
    lifecycle  CREATING, AVAILABLE, MISCONFIGURED, UPDATING, DELETING, FAILED
    imports, exports   events done by itself: NEW, CHANGED, DELETED
    """

    id: str
    path: str
    s3_uri: str
    lifecycle: str
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    failure: str = ""


@dataclass(frozen=True)
class EfsFileSystem:
    """lifecycle: creating, available, updating, deleting, deleted, error."""

    id: str
    arn: str
    lifecycle: str
    size_bytes: int
    mount_targets: int
    tags: Mapping[str, str]


def find_lustre(cloud: Cloud, *, name: str) -> LustreFileSystem | None:
    """The Lustre file system with exactly this Name tag; None when there is none, or it is going.

    Raises  BackendError when there are two
    """
    found = []
    with aws_errors(f"looking for the Lustre file system {name}"):
        for page in cloud.fsx.get_paginator("describe_file_systems").paginate():
            for system in page["FileSystems"]:
                tags = _tags(system.get("Tags", []))
                gone = system.get("Lifecycle") == "DELETING"
                if system.get("FileSystemType") != "LUSTRE" or tags.get("Name") != name or gone:
                    continue
                found.append(
                    LustreFileSystem(
                        id=system.get("FileSystemId", ""),
                        arn=system.get("ResourceARN", ""),
                        lifecycle=system.get("Lifecycle", ""),
                        capacity_gib=system.get("StorageCapacity", 0),
                        dns_name=system.get("DNSName", ""),
                        mount_name=system.get("LustreConfiguration", {}).get("MountName", ""),
                        tags=tags,
                        failure=system.get("FailureDetails", {}).get("Message", ""),
                    )
                )
    _refuse_two("Lustre file systems", name, [system.id for system in found])
    return found[0] if found else None


def lustre_lifecycle(cloud: Cloud, file_system_id: str) -> str | None:
    """CREATING, AVAILABLE, DELETING, FAILED...; None when there is no such file system."""
    found = _describe(cloud, file_system_id)
    return found.get("Lifecycle") if found else None


def lustre_is_updating(cloud: Cloud, file_system_id: str) -> bool:
    """Whether FSx has not carried out yet what it was asked to change: until then it shows the old values.

    The optimization after it may take days; the new values are shown from its beginning.
    Source   FSx for Lustre User Guide, "Monitoring storage capacity increases"; FSx API, AdministrativeAction
    """
    found = _describe(cloud, file_system_id)
    if found is None:
        return False
    return found.get("Lifecycle") == "UPDATING" or any(
        action.get("AdministrativeActionType") == "FILE_SYSTEM_UPDATE"
        and action.get("Status") in ("PENDING", "IN_PROGRESS")
        for action in found.get("AdministrativeActions", ())
    )


def list_links(cloud: Cloud, file_system_id: str) -> list[RepositoryLink]:
    """The data repository associations of a file system, ordered by path."""
    found = []
    with aws_errors(f"listing the S3 links of the file system {file_system_id}"):
        for page in _association_pages(cloud, file_system_id):
            for link in page["Associations"]:
                s3 = link.get("S3", {})
                found.append(
                    RepositoryLink(
                        id=link.get("AssociationId", ""),
                        path=link.get("FileSystemPath", ""),
                        s3_uri=link.get("DataRepositoryPath", ""),
                        lifecycle=link.get("Lifecycle", ""),
                        imports=tuple(s3.get("AutoImportPolicy", {}).get("Events", [])),
                        exports=tuple(s3.get("AutoExportPolicy", {}).get("Events", [])),
                        failure=link.get("FailureDetails", {}).get("Message", ""),
                    )
                )
    return sorted(found, key=lambda link: link.path)


def stop_auto_export(cloud: Cloud, link: RepositoryLink) -> None:
    """Begin to turn off that a link writes to S3 by itself; what it brings in from there stays as it is."""
    policies: Any = {"AutoExportPolicy": {"Events": []}}
    if link.imports:
        policies["AutoImportPolicy"] = {"Events": list(link.imports)}
    with aws_errors(f"turning off the automatic export of {link.path}"):
        cloud.fsx.update_data_repository_association(AssociationId=link.id, S3=policies)


def delete_link(cloud: Cloud, association_id: str) -> None:
    """Begin to cut one S3 link; files on both sides stay. One that is going or gone is fine."""
    with aws_errors(f"cutting the S3 link {association_id}"):
        try:
            cloud.fsx.delete_data_repository_association(
                AssociationId=association_id, DeleteDataInFileSystem=False
            )
        except ClientError as error:
            if error_code(error) != "DataRepositoryAssociationNotFound":
                raise


def delete_lustre(cloud: Cloud, file_system_id: str) -> None:
    """Begin to delete a Lustre file system with all it holds. One that is gone is fine.

    FSx keeps no backup of a file system that is linked to S3; none is asked for.
    """
    with aws_errors(f"deleting the file system {file_system_id}"):
        try:
            cloud.fsx.delete_file_system(
                FileSystemId=file_system_id, LustreConfiguration={"SkipFinalBackup": True}
            )
        except ClientError as error:
            if error_code(error) != "FileSystemNotFound":
                raise


def find_efs(cloud: Cloud, *, name: str) -> EfsFileSystem | None:
    """The EFS file system with exactly this Name tag; None when there is none, or it is going.

    Raises  BackendError when there are two
    """
    found = []
    with aws_errors(f"looking for the EFS file system {name}"):
        for page in cloud.efs.get_paginator("describe_file_systems").paginate():
            for system in page["FileSystems"]:
                tags = _tags(system.get("Tags", []))
                if tags.get("Name") != name or system["LifeCycleState"] in {"deleting", "deleted"}:
                    continue
                found.append(
                    EfsFileSystem(
                        id=system["FileSystemId"],
                        arn=system.get("FileSystemArn", ""),
                        lifecycle=system["LifeCycleState"],
                        size_bytes=system["SizeInBytes"]["Value"],
                        mount_targets=system["NumberOfMountTargets"],
                        tags=tags,
                    )
                )
    _refuse_two("EFS file systems", name, [system.id for system in found])
    return found[0] if found else None


def _describe(cloud: Cloud, file_system_id: str) -> FileSystemTypeDef | None:
    with aws_errors(f"looking at the file system {file_system_id}"):
        try:
            found = cloud.fsx.describe_file_systems(FileSystemIds=[file_system_id])["FileSystems"]
        except ClientError as error:
            if error_code(error) == "FileSystemNotFound":
                return None
            raise
    return found[0] if found else None


def _association_pages(
    cloud: Cloud, file_system_id: str
) -> Iterator[DescribeDataRepositoryAssociationsResponseTypeDef]:
    # boto3 has no paginator for this operation.
    ask: Any = cloud.fsx.describe_data_repository_associations
    more: dict[str, str] = {}
    while True:
        page: DescribeDataRepositoryAssociationsResponseTypeDef = ask(
            Filters=[{"Name": "file-system-id", "Values": [file_system_id]}], **more
        )
        yield page
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def _tags(pairs: Sequence[Any]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def _refuse_two(what: str, name: str, ids: list[str]) -> None:
    if len(ids) > 1:
        raise BackendError(
            f"There are {len(ids)} {what} named {name}: {', '.join(sorted(ids))}.",
            hint="The engine makes one per project. Find out which is in use; remove or rename the other.",
            details={"name": name, "ids": sorted(ids)},
        )
