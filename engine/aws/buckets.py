"""Buckets as the engine looks at them: where one stands, what is in it, and emptying it for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from engine.aws.failures import aws_errors, error_code
from engine.aws.session import Cloud
from engine.errors import AccessDenied, BackendError, WrongRegion

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

# S3 API, DeleteObjects: at most this many keys a request.
_DELETE_BATCH = 1000


@dataclass(frozen=True)
class BucketLocation:
    name: str
    region: str


@dataclass(frozen=True)
class Emptied:
    """What emptying a bucket removed. All zero when there was nothing, or no bucket."""

    versions: int = 0
    delete_markers: int = 0
    uploads: int = 0


def locate_bucket(cloud: Cloud, name: str, *, account_id: str | None = None) -> BucketLocation | None:
    """Where the bucket stands, also when that is another region; None when there is no such bucket.

    account_id  when given, a bucket of another account is refused
    Raises      AccessDenied when it exists and isn't ours (or the credentials may not see it)
    """
    with aws_errors(f"looking for the bucket {name}"):
        try:
            if account_id is None:
                found = cloud.s3.head_bucket(Bucket=name)
            else:
                found = cloud.s3.head_bucket(Bucket=name, ExpectedBucketOwner=account_id)
        except ClientError as error:
            code = error_code(error)
            headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            elsewhere = headers.get("x-amz-bucket-region", "")
            if code in {"404", "NoSuchBucket"}:
                return None
            if code in {"301", "400"} and elsewhere:
                return BucketLocation(name, elsewhere)
            if code in {"403", "AccessDenied"}:
                raise AccessDenied(
                    f"The bucket {name} exists, but these credentials may not use it: "
                    "it belongs to another account, or a policy forbids it.",
                    hint="Check the account you are signed in to, or name another bucket in the settings.",
                    details={"bucket": name, "expected_owner": account_id},
                ) from error
            raise
        return BucketLocation(name, found.get("BucketRegion") or _ask_location(cloud, name))


def find_state_bucket(cloud: Cloud, name: str, *, account_id: str) -> BucketLocation | None:
    """The bucket of Terraform's states in the cloud's region; None when there is no such bucket.

    Raises   WrongRegion when it stands elsewhere; AccessDenied when it belongs to another account
    """
    found = locate_bucket(cloud, name, account_id=account_id)
    if found is not None and found.region != cloud.region:
        raise WrongRegion(
            f"The state bucket {name} stands in {found.region}, the settings say {cloud.region}.",
            hint="Set the region to where the bucket is, or name another state bucket.",
            details={"bucket": name, "found": found.region, "expected": cloud.region},
        )
    return found


def count_objects(cloud: Cloud, name: str, *, prefix: str = "", limit: int | None = None) -> int:
    """Number of current objects under a prefix, counted up to `limit`; 0 when there is no bucket."""
    count = 0
    with aws_errors(f"counting the objects of the bucket {name}"):
        try:
            for page in cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix):
                count += len(page.get("Contents", []))
                if limit is not None and count >= limit:
                    return limit
        except ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise
    return count


def keep_object(cloud: Cloud, bucket: str, key: str, content: bytes) -> bool:
    """Make the object hold this; False when it does already, and then no new version is made.

    S3's own keys encrypt it, whatever the bucket's default: those who read it (nodes, the API) have no
    permission on another key.
    """
    if find_object(cloud, bucket, key) == content:
        return False
    with aws_errors(f"writing s3://{bucket}/{key}"):
        cloud.s3.put_object(Bucket=bucket, Key=key, Body=content, ServerSideEncryption="AES256")
    return True


def remove_object(cloud: Cloud, bucket: str, key: str) -> None:
    """Remove the current version of an object; neither it nor the bucket need be there."""
    with aws_errors(f"removing s3://{bucket}/{key}"):
        try:
            cloud.s3.delete_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) not in {"NoSuchKey", "NoSuchBucket"}:
                raise


def find_object(cloud: Cloud, bucket: str, key: str) -> bytes | None:
    """The current content of an object; None when it, or the bucket, is not there."""
    with aws_errors(f"reading s3://{bucket}/{key}"):
        try:
            return cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error_code(error) in {"NoSuchKey", "NoSuchBucket"}:
                return None
            raise


def empty_bucket(
    cloud: Cloud,
    name: str,
    *,
    account_id: str | None = None,
    on_progress: Callable[[Emptied], None] | None = None,
) -> Emptied:
    """Remove every version, delete marker and unfinished upload. There is no way back.

    Repeating it is safe, also after a failure in the middle. A bucket that isn't there counts as empty, and
    so does one in another region: names carry no region, so it belongs to a project of the same ids there.

    account_id   when given, a bucket of another account is refused before anything is removed
    on_progress  told the running totals after each batch
    Raises       BackendError naming the first objects that S3 would not delete; AccessDenied
    """
    found = locate_bucket(cloud, name, account_id=account_id)
    if found is None or found.region != cloud.region:
        return Emptied()
    done = Emptied()
    with aws_errors(f"emptying the bucket {name}"):
        # The listing is made anew for each batch: a page marker may point at a version just removed.
        while (batch := _next_batch(cloud, name)).size:
            _delete(cloud, name, batch.identifiers)
            done = Emptied(done.versions + batch.versions, done.delete_markers + batch.delete_markers)
            if on_progress:
                on_progress(done)
        for key, upload_id in list(_uploads(cloud, name)):
            try:
                cloud.s3.abort_multipart_upload(Bucket=name, Key=key, UploadId=upload_id)
            except ClientError as error:
                if error_code(error) != "NoSuchUpload":
                    raise
            done = replace(done, uploads=done.uploads + 1)
    return done


def _ask_location(cloud: Cloud, name: str) -> str:
    found: str | None = cloud.s3.get_bucket_location(Bucket=name).get("LocationConstraint")
    # S3 API, GetBucketLocation: null means us-east-1, "EU" is the old name of eu-west-1.
    return "eu-west-1" if found == "EU" else found or "us-east-1"


@dataclass(frozen=True)
class _Batch:
    identifiers: list[ObjectIdentifierTypeDef]
    versions: int
    delete_markers: int

    @property
    def size(self) -> int:
        return len(self.identifiers)


def _next_batch(cloud: Cloud, name: str) -> _Batch:
    found = cloud.s3.list_object_versions(Bucket=name, MaxKeys=_DELETE_BATCH)
    versions = found.get("Versions", [])
    markers = found.get("DeleteMarkers", [])
    return _Batch(
        [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in [*versions, *markers]],
        len(versions),
        len(markers),
    )


def _delete(cloud: Cloud, name: str, objects: list[ObjectIdentifierTypeDef]) -> None:
    answer = cloud.s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    refused = answer.get("Errors", [])
    if refused:
        first = ", ".join(f"{item.get('Key')} ({item.get('Code')})" for item in refused[:3])
        raise BackendError(
            f"S3 would not delete {len(refused)} of {len(objects)} objects of the bucket {name}: {first}.",
            hint="Look for an object lock, a bucket policy or a missing s3:DeleteObjectVersion permission.",
            details={"bucket": name, "refused": [dict(item) for item in refused[:20]]},
        )


def _uploads(cloud: Cloud, name: str) -> Iterator[tuple[str, str]]:
    for page in cloud.s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", []):
            yield upload["Key"], upload["UploadId"]
