"""What has a name that the project's ids give: the bucket with its settings, secret, log group and stack."""

from __future__ import annotations

from botocore.exceptions import ClientError

from engine.aws.bucket_settings import is_set
from engine.aws.buckets import locate_bucket
from engine.aws.existing.search import Found, Life, OrphanConflict, Search, Wanted, tag_map
from engine.aws.failures import aws_errors, error_code
from engine.aws.stacks import find_stack
from engine.model.aws_commands import aws

# An update that was rolled back left the stack as it was before: the next apply updates it again. In one that
# got stuck the cluster goes on, with its jobs: the next update is refused, and says what mends it.
_STANDING = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_FAILED",
    }
)


def find_bucket(search: Search, wanted: Wanted) -> Found | None:
    """Raises AccessDenied for a bucket of that name in another account, OrphanConflict for one elsewhere."""
    name = wanted.values["bucket"]
    location = locate_bucket(search.cloud, name, account_id=search.account_id)
    if location is None:
        return None
    if location.region != search.cloud.region:
        raise OrphanConflict(
            f"The bucket {name} stands in {location.region}, and the projects of this registry are in "
            f"{search.cloud.region}; {search.project} needs that name for {wanted.address}. "
            "It was left as it is.",
            hint=f"Likely a project of the same ids in {location.region} has it. Give this one other ids.",
            details={"address": wanted.address, "bucket": name, "found": location.region},
        )
    with aws_errors(f"reading the tags of the bucket {name}"):
        try:
            found = search.cloud.s3.get_bucket_tagging(Bucket=name)["TagSet"]
        except ClientError as error:
            if error_code(error) != "NoSuchTagSet":
                raise
            found = []
    search.require_ours(wanted, f"The bucket {name}", tag_map(found))
    return Found(name, name)


def find_bucket_setting(search: Search, wanted: Wanted) -> Found | None:
    bucket = wanted.values.get("bucket") or search.parent(wanted, "aws_s3_bucket")
    if not bucket or not is_set(search.cloud, wanted.type, bucket, account_id=search.account_id):
        return None
    return Found(bucket, bucket)


def find_secret(search: Search, wanted: Wanted) -> Found | None:
    """Raises OrphanConflict for one that waits for its deletion: until then nothing else has its name."""
    name = wanted.values["name"]
    with aws_errors(f"looking for the secret {name}"):
        try:
            found = search.cloud.secretsmanager.describe_secret(SecretId=name)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return None
    search.require_ours(wanted, f"The secret {name}", tag_map(found.get("Tags")))
    if found.get("DeletedDate"):
        restore = aws(f"secretsmanager restore-secret --secret-id {name}", region=search.cloud.region)
        raise OrphanConflict(
            f"The secret {name} of {search.project} waits for its deletion, and keeps its name until then.",
            hint=f"Take the deletion back with `{restore}`, then run this again.",
            details={"address": wanted.address},
        )
    return Found(found["ARN"], found["ARN"])


def find_log_group(search: Search, wanted: Wanted) -> Found | None:
    name = wanted.values["name"]
    logs = search.cloud.logs
    with aws_errors(f"looking for the log group {name}"):
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        groups = [one for page in pages for one in page["logGroups"] if one["logGroupName"] == name]
        if not groups:
            return None
        arn = groups[0]["arn"].removesuffix(":*")
        found = logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
    search.require_ours(wanted, f"The log group {name}", found)
    return Found(name, name)


def find_cluster_stack(search: Search, wanted: Wanted) -> Found | None:
    """By its name: ParallelCluster gives the stack inside the same tags, the address too."""
    name = wanted.values["name"]
    stack = find_stack(search.cloud, name)
    if stack is None:
        return None
    search.require_ours(wanted, f"The stack {name}", tag_map(stack.get("Tags")))
    return Found(name, stack.get("StackId", name), stack_life(stack["StackStatus"]), stack["StackStatus"])


def stack_life(status: str) -> Life:
    """How far CloudFormation is, from its status."""
    if status == "DELETE_IN_PROGRESS":
        return Life.GOING
    if status.endswith("_IN_PROGRESS"):
        return Life.IN_PROGRESS
    return Life.READY if status in _STANDING else Life.FAILED
