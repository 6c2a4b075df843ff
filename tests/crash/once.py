"""What must be true after a crash and the run that follows it: everything is there, and was made once."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from engine.aws.registry import Registry
from engine.local.server import LocalCloud
from engine.model import tags
from tests.crash.killing import descendants
from tests.crash.stage import RESULT, UNSAVED, Prepared, Site

_MAKING = re.compile(r"^(Create(?!Tags)|Associate|AuthorizeSecurityGroupIngress|Allocate|Run)")
_LOCKS, _REGISTRY = "provisioner-terraform-locks", "provisioner-registry"


class Goal(StrEnum):
    """What the operation wishes."""

    RUNNING = "running"
    PARKED = "parked"
    GONE = "gone"


# Calls that make something which costs, holds data or would be in the way if it stood there twice.
_OF_DATA = {
    "s3:CreateBucket": 1,
    "efs:CreateFileSystem": 1,
    "logs:CreateLogGroup": 1,
}
_OF_CLUSTER = {
    "ec2:CreateSubnet": 1,
    "ec2:AssociateRouteTable": 1,
    "efs:CreateMountTarget": 1,
    "cloudformation:CreateStack": 1,
    "secretsmanager:CreateSecret": 3,
}
_OF_LUSTRE = {"fsx:CreateFileSystem": 1, "fsx:CreateDataRepositoryAssociation": 2}
_RULES = {"efs": 1, "lustre": 7}
_GROUPS = {"efs": 2, "lustre": 3}
# A group that was left with EC2's own rule is made anew before anything uses it, and so is a key whose
# private half died with the engine: of these, what is left is counted.
_MADE_ANEW = {
    "ec2:CreateSecurityGroup": "ec2:DeleteSecurityGroup",
    "ec2:CreateKeyPair": "ec2:DeleteKeyPair",
}


_PHASES = {Goal.RUNNING: "READY", Goal.PARKED: "PARKED", Goal.GONE: None}
_OF_PROJECT: Any = [{"Name": f"tag:{tags.PROJECT}", "Values": ["proj-1"]}]

_KEPT = {"accounting database": 1, "efs file-system": 1, "s3 bucket": 1}
_COMING_AND_GOING = {
    "accounting user": 1,
    "cloudformation stack": 2,
    "dynamodb table": 1,
    "ec2 instance": 1,
    "ec2 key-pair": 2,
    "ec2 network-interface": 2,
    "ec2 route-table-association": 1,
    "ec2 security-group": 4,
    "ec2 security-group-rule": 5,
    "ec2 subnet": 1,
    "efs mount-target": 1,
    "secretsmanager secret": 3,
}
_WITH_LUSTRE = {
    "ec2 network-interface": 4,
    "ec2 security-group": 5,
    "ec2 security-group-rule": 17,
    "fsx data-repository-association": 2,
    "fsx file-system": 1,
}
_STANDING: Mapping[tuple[str, Goal], Mapping[str, int]] = {
    ("efs", Goal.RUNNING): {**_KEPT, **_COMING_AND_GOING},
    ("efs", Goal.PARKED): _KEPT,
    ("efs", Goal.GONE): {},
    ("lustre", Goal.RUNNING): {**_KEPT, **_COMING_AND_GOING, **_WITH_LUSTRE},
    ("lustre", Goal.PARKED): _KEPT,
    ("lustre", Goal.GONE): {},
}


def made_once(storage: str, goal: Goal, prepared: Prepared) -> dict[str, int]:
    """How often each making call succeeds from what is prepared to the goal, kills or not."""
    if goal is not Goal.RUNNING or prepared is Prepared.READY:
        return {}
    return {
        **(_OF_DATA if prepared.empty else {}),
        **_OF_CLUSTER,
        **(_OF_LUSTRE if storage == "lustre" else {}),
        "ec2:AuthorizeSecurityGroupIngress": _RULES[storage],
        "ec2:CreateSecurityGroup": _GROUPS[storage],
        "ec2:CreateKeyPair": 2,
    }


def problems(cloud: LocalCloud, storage: str) -> list[str]:
    """What was made twice, deleted, or stands there twice, of a project made from nothing since the calls are
    counted; empty when nothing is wrong.

    storage   "efs" or "lustre"
    """
    wanted = made_once(storage, Goal.RUNNING, Prepared.NOTHING)
    return [*_made_too_often(cloud, wanted), *_there_twice(cloud)]


def wrong(site: Site, goal: Goal, prepared: Prepared) -> list[str]:
    """What was made twice, is left over, missing or lost; empty when nothing is."""
    return [
        *_made_too_often(site.cloud, made_once(site.storage, goal, prepared)),
        *_there_twice(site.cloud),
        *not_as_wished(site, goal),
        *_locked(site),
        *_in_registry(site, goal),
        *_data_lost(site, goal, prepared),
        *_at_work(),
    ]


def _made_too_often(cloud: LocalCloud, wanted: Mapping[str, int]) -> Iterator[str]:
    calls = cloud.calls()
    for name in sorted({*wanted, *filter(_makes, calls)}):
        gone = calls.get(_MADE_ANEW.get(name, ""), 0) if wanted else 0
        count = calls.get(name, 0) - gone
        if count != wanted.get(name, 0):
            yield f"{name} succeeded {count} times, not {wanted.get(name, 0)}"


def _makes(call: str) -> bool:
    # An export whose number died with the engine is begun again: that is no thing that could be left over.
    return bool(_MAKING.match(call.partition(":")[2])) and call != "fsx:CreateDataRepositoryTask"


def _there_twice(cloud: LocalCloud) -> Iterator[str]:
    # The cluster's own stack carries its parent's tags, and so does all that it made.
    addresses = Counter(
        (item["type"], item["tags"][tags.ADDRESS])
        for item in _made(cloud)
        if tags.ADDRESS in item["tags"] and "parallelcluster:cluster-name" not in item["tags"]
    )
    for (kind, address), count in addresses.items():
        if count > 1:
            yield f"{count} of {kind} {address}"


def not_as_wished(site: Site, goal: Goal) -> list[str]:
    """What stands there too often or not at all, by kind: against what does when nobody kills anything."""
    there = Counter(
        kind
        for item in _made(site.cloud)
        # Each cluster leaves its log, and each state, node file and report is an object.
        if (kind := f"{item['service']} {item['type']}") not in ("s3 object", "logs log-group")
    )
    wanted = _STANDING[site.storage, goal]
    return [
        f"{there[kind]} of {kind}, not {wanted.get(kind, 0)}"
        for kind in sorted({*there, *wanted})
        if there[kind] != wanted.get(kind, 0)
    ]


def _made(cloud: LocalCloud) -> list[dict[str, Any]]:
    return [item for item in cloud.inventory() if not item["seeded"]]


def _locked(site: Site) -> Iterator[str]:
    for item in site.aws.dynamodb.scan(TableName=_LOCKS)["Items"]:
        # Terraform keeps the checksum of each state beside the locks.
        if not item["LockID"]["S"].endswith("-md5"):
            yield f"locked: {item}"


def _in_registry(site: Site, goal: Goal) -> Iterator[str]:
    """Leases, claims of addresses and the project's record."""
    items = site.aws.dynamodb.scan(TableName=_REGISTRY)["Items"]
    blocks = [one["cidr"]["S"] for one in items if one["pk"]["S"] in ("BLOCK", "PROJECT_BLOCK")]
    subnets = [one["CidrBlock"] for one in site.aws.ec2.describe_subnets(Filters=_OF_PROJECT)["Subnets"]]
    wanted = subnets * 2 if goal is Goal.RUNNING else []
    if blocks != wanted or len(subnets) != (goal is Goal.RUNNING):
        yield f"claimed are {blocks}, and the subnets are {subnets}"
    for one in items:
        if one["pk"]["S"] == "LEASE" and ("operation_id" in one or "owner" in one):
            yield f"a lease is left: {one}"
    record = Registry(site.aws, table=_REGISTRY).get("lab-1", "proj-1")
    phase = str(record.phase) if record else None
    if phase != _PHASES[goal]:
        yield f"the record says {phase}, not {_PHASES[goal]}"


def _data_lost(site: Site, goal: Goal, prepared: Prepared) -> Iterator[str]:
    """What a job has left in the bucket and on Lustre, the home, and the keys of a cluster that runs on."""
    seen = site.seen()
    kept = () if goal is Goal.GONE else ("home",) if goal is Goal.PARKED else tuple(site.facts)
    for name in kept:
        if seen.get(name) != site.facts.get(name):
            yield f"{name} is {seen.get(name)}, and was {site.facts.get(name)}"
    if goal is Goal.GONE or prepared.empty:
        return
    files = [RESULT]
    if site.storage == "lustre" and goal is Goal.PARKED:
        files.append((UNSAVED[1], UNSAVED[2]))
    for key, content in files:
        if _object(site, key) != content:
            yield f"{key} in the bucket is lost or another"


def _object(site: Site, key: str) -> bytes | None:
    try:
        return site.aws.s3.get_object(Bucket=site.names.bucket, Key=key)["Body"].read()
    except site.aws.s3.exceptions.NoSuchKey:
        return None


def _at_work() -> Iterator[str]:
    """Engine, Terraform or provider, after the command has ended: the provider's host takes a moment."""
    deadline = time.monotonic() + 5
    while left := descendants(os.getpid()):
        if time.monotonic() > deadline:
            yield f"processes still live: {left}"
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.05)
