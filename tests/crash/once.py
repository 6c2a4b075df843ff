"""What must be true after a crash and the run that follows it: everything is there, and was made once."""

from __future__ import annotations

from collections import Counter

from engine.local.server import LocalCloud
from engine.model import tags

# Calls that make something which costs, holds data or would be in the way if it stood there twice.
MADE_ONCE = {
    "efs": {
        "s3:CreateBucket": 1,
        "ec2:CreateSubnet": 1,
        "ec2:AssociateRouteTable": 1,
        "efs:CreateFileSystem": 1,
        "efs:CreateMountTarget": 1,
        "logs:CreateLogGroup": 1,
        "cloudformation:CreateStack": 1,
        "ec2:AuthorizeSecurityGroupIngress": 1,
    },
    "lustre": {
        "s3:CreateBucket": 1,
        "ec2:CreateSubnet": 1,
        "ec2:AssociateRouteTable": 1,
        "efs:CreateFileSystem": 1,
        "efs:CreateMountTarget": 1,
        "fsx:CreateFileSystem": 1,
        "fsx:CreateDataRepositoryAssociation": 2,
        "logs:CreateLogGroup": 1,
        "cloudformation:CreateStack": 1,
        "ec2:AuthorizeSecurityGroupIngress": 7,
    },
}
SECURITY_GROUPS = {"efs": 2, "lustre": 3}


def problems(cloud: LocalCloud, storage: str) -> list[str]:
    """What was made twice, deleted, or stands there twice; empty when nothing is wrong.

    storage   "efs" or "lustre"
    """
    calls = cloud.calls()
    found = [
        f"{name} succeeded {calls.get(name, 0)} times, not {times}"
        for name, times in MADE_ONCE[storage].items()
        if calls.get(name, 0) != times
    ]
    # A group that was left with EC2's own rule is made anew, before anything uses it.
    kept = calls.get("ec2:CreateSecurityGroup", 0) - calls.get("ec2:DeleteSecurityGroup", 0)
    if kept != SECURITY_GROUPS[storage]:
        found.append(f"{kept} security groups, not {SECURITY_GROUPS[storage]}")
    made = [item for item in cloud.inventory() if not item["seeded"]]
    # The cluster's own stack carries its parent's tags, and so does all that it made.
    addresses = Counter(
        (item["type"], item["tags"][tags.ADDRESS])
        for item in made
        if tags.ADDRESS in item["tags"] and "parallelcluster:cluster-name" not in item["tags"]
    )
    found += [f"{count} of {kind} {address}" for (kind, address), count in addresses.items() if count > 1]
    return found
