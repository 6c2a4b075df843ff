"""Whether something that stood there before can become a project's: everything that speaks against it.

Source   EFS user guide, "Managing mount targets": those of a file system are in one VPC, one in each zone.
         "Performance modes": Max I/O goes with no elastic throughput, and cannot be changed
         Terraform's AWS provider: a change of `encrypted` makes another home, one of `subnet_ids` or
         `security_group_ids` another Lustre. AWS CloudFormation user guide, "Resource type support": custom
         resources cannot be imported into a stack
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from engine.aws.buckets import locate_bucket
from engine.aws.existing.search import tag_map
from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import AccessDenied, CredentialsExpired
from engine.model import tags
from engine.model.aws_commands import pcluster

_NO_SUCH_FILE_SYSTEM = ("FileSystemNotFound", "FileSystemNotFoundException")


def bucket_reasons(cloud: Cloud, name: str, *, project: str, account_id: str) -> Iterator[str]:
    """What keeps a bucket from becoming this project's.

    Raises   CredentialsExpired, Unreachable, BackendError: nothing is known of the bucket then
    """
    try:
        place = locate_bucket(cloud, name, account_id=account_id)
    except CredentialsExpired:
        raise
    except AccessDenied:
        yield f"the bucket {name} is of another account, or these credentials may not look at it"
        return
    if place is None:
        yield f"there is no bucket {name}"
        return
    if place.region != cloud.region:
        yield f"the bucket {name} is in {place.region}, not in {cloud.region}; buckets cannot be moved"
        return
    with aws_errors(f"looking at the bucket {name}"):
        try:
            found = tag_map(cloud.s3.get_bucket_tagging(Bucket=name)["TagSet"])
        except ClientError as error:
            if error_code(error) != "NoSuchTagSet":
                raise
            found = {}
    yield from _whose(f"the bucket {name}", found, project)


def file_system_reasons(
    cloud: Cloud, file_system: str, *, project: str, zone: str, lustre: bool
) -> Iterator[str]:
    """What keeps a file system from becoming this project's home.

    zone     where the projects' subnets are
    lustre   whether the project has Lustre beside its home
    """
    efs: Any = cloud.efs
    with aws_errors(f"looking at the file system {file_system}"):
        try:
            (found,) = efs.describe_file_systems(FileSystemId=file_system)["FileSystems"]
        except ClientError as error:
            if error_code(error) not in _NO_SUCH_FILE_SYSTEM:
                raise
            yield from _lustre_reasons(cloud, file_system, lustre)
            return
        targets = efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"]
        (shared,) = cloud.ec2.describe_vpcs(
            Filters=[{"Name": f"tag:{tags.SHARED}", "Values": [tags.SHARED_VPC]}]
        )["Vpcs"]
    if not found.get("Encrypted"):
        yield (
            f"{file_system} is not encrypted, and encrypted = true would make another file system; copy its "
            "files (AWS DataSync)"
        )
    if found.get("PerformanceMode") == "maxIO":
        yield (
            f"{file_system} has the performance mode Max I/O, which cannot be changed and goes with no "
            "elastic throughput; copy its files (AWS DataSync)"
        )
    its_zone = found.get("AvailabilityZoneName")
    if its_zone and its_zone != zone:
        yield (
            f"{file_system} is a One Zone file system in {its_zone}, and projects are in {zone} "
            "(`availability_zone`); copy its files (AWS DataSync)"
        )
    for target in targets:
        where = f"{target['MountTargetId']} in {target['SubnetId']}"
        if target.get("VpcId") != shared["VpcId"]:
            yield f"{file_system} is mounted in another VPC ({where}); delete that mount target first"
        else:
            yield (f"{file_system} has a mount target already ({where}), and a zone has one; delete it first")
    yield from _whose(file_system, tag_map(found.get("Tags")), project)


def cluster_reasons(cloud: Cloud, name: str) -> Iterator[str]:
    """Why a cluster that the engine did not make cannot become a project's."""
    cloudformation: Any = cloud.cloudformation
    with aws_errors(f"looking at the cluster {name}"):
        try:
            cloudformation.describe_stacks(StackName=name)
        except ClientError as error:
            if error_code(error) != "ValidationError":
                raise
            yield f"there is no cluster {name}"
            return
    delete = pcluster(f"delete-cluster --cluster-name {name}", region=cloud.region)
    yield (
        f"the cluster {name} was made by itself, and a project's cluster is a custom resource in a stack, "
        "which CloudFormation cannot import: only a new cluster can be the project's. Adopt its bucket and "
        f"home, apply, and run `{delete}` when nobody uses it any more"
    )


def _lustre_reasons(cloud: Cloud, file_system: str, lustre: bool) -> Iterator[str]:
    fsx: Any = cloud.fsx
    try:
        (found,) = fsx.describe_file_systems(FileSystemIds=[file_system])["FileSystems"]
    except ClientError as error:
        if error_code(error) not in _NO_SUCH_FILE_SYSTEM:
            raise
        yield f"there is no file system {file_system}"
        return
    kind = str(found.get("FileSystemType", "FSx"))
    subnets = ", ".join(found.get("SubnetIds", ()))
    yield (
        f"{file_system} is {kind} in {subnets}, and a project's Lustre lies in the project's own subnet: "
        "subnet_ids and security_group_ids would make another one. Export it to a bucket and adopt that"
        + ("; the project's new Lustre loads it from there" if lustre else "")
    )


def _whose(what: str, found: Mapping[str, str], project: str) -> Iterator[str]:
    vlab_id, _, project_id = project.partition("/")
    theirs = (found.get(tags.VLAB), found.get(tags.PROJECT))
    if theirs not in ((None, None), (vlab_id, project_id)):
        yield f"{what} is tagged for {theirs[0] or '?'}/{theirs[1] or '?'}"
    stack = found.get("aws:cloudformation:stack-name")
    if stack:
        yield (
            f"{what} is of the CloudFormation stack {stack}, which would delete it with itself; take it out "
            "of there first (DeletionPolicy: Retain)"
        )
