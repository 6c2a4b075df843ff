"""What ParallelCluster refuses in a configuration without asking AWS anything.

Source: aws-parallelcluster 3.16.1, schema and validators (the ParallelCluster facts, section 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.local.pcluster_config import (
    compute_resources,
    dig,
    instance_types,
    number,
    queues,
    shared_storage,
)
from engine.local.pcluster_keys import unknown_keys

CLUSTER_NAME = re.compile(r"^[a-zA-Z][a-zA-Z0-9-]*$")
QUEUE_NAME = re.compile(r"^[a-z][a-z0-9-]*$")
DATABASE_NAME = re.compile(r"^[0-9a-z_]{1,64}$")
MOUNT_DIR = re.compile(r"^/?[^/.\\][^/\\]*(/[^/.\\][^/]*)*$")
OPERATING_SYSTEMS = ("alinux2023", "ubuntu2204", "ubuntu2404", "rhel8", "rocky8", "rhel9", "rocky9")
RETENTION_DAYS = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653)
RESERVED_DIRECTORIES = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/opt/parallelcluster",
    "/opt/parallelcluster/shared",
    "/opt/parallelcluster/shared_login_nodes",
    "/opt/slurm",
    "/opt/intel",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",  # noqa: S108 - a name, not a file of ours
    "/usr",
    "/var",
)
MOST_QUEUES = 50
MOST_RESOURCES = 50


def problems(cluster_name: str, config: Any) -> list[str]:
    """Messages of everything wrong; empty when the configuration loads."""
    unknown = list(unknown_keys(config))
    if unknown:
        return unknown
    return [
        *_cluster(cluster_name, config),
        *_required(config),
        *_queues(config),
        *_storage(config),
        *_actions(config),
    ]


def _cluster(name: str, config: dict[str, Any]) -> Iterator[str]:
    accounting = dig(config, "Scheduling", "SlurmSettings", "Database")
    longest = 40 if accounting or dig(config, "Scheduling", "SlurmSettings", "ExternalSlurmdbd") else 60
    if not CLUSTER_NAME.match(name) or len(name) > longest:
        yield f"ClusterName: {name!r} must match {CLUSTER_NAME.pattern}, at most {longest} characters."
    if accounting:
        yield from _database(accounting)
    for tag in dig(config, "Tags", default=[]) or []:
        # The provider's own mark is among them by now.
        key = str(tag.get("Key", ""))
        if key.startswith("parallelcluster:") and key != "parallelcluster:custom_resource":
            yield f"Tags: the key {tag['Key']!r} starts with the reserved prefix parallelcluster:."
    days = dig(config, "Monitoring", "Logs", "CloudWatch", "RetentionInDays")
    if days is not None and _int(days) not in RETENTION_DAYS:
        yield f"Monitoring.Logs.CloudWatch.RetentionInDays: {days} is not one of {RETENTION_DAYS}."


def _database(database: dict[str, Any]) -> Iterator[str]:
    uri = str(database.get("Uri", ""))
    if not uri or "://" in uri or uri.startswith("/"):
        yield f"Database.Uri: {uri!r} must be host[:port] without a scheme."
    if not database.get("UserName"):
        yield "Database.UserName: Missing data for required field."
    if not re.match(r"^arn:.*:secret", str(database.get("PasswordSecretArn", ""))):
        yield "Database.PasswordSecretArn: must be the ARN of a Secrets Manager secret."
    name = database.get("DatabaseName")
    if name is not None and not DATABASE_NAME.match(str(name)):
        yield f"Database.DatabaseName: {name!r} must match {DATABASE_NAME.pattern}."


def _required(config: dict[str, Any]) -> Iterator[str]:
    required = (
        ("Image", "Os"),
        ("HeadNode", "InstanceType"),
        ("HeadNode", "Networking", "SubnetId"),
        ("Scheduling", "Scheduler"),
        ("Scheduling", "SlurmQueues"),
    )
    for path in required:
        if not dig(config, *path):
            yield f"{'.'.join(path)}: Missing data for required field."
    os = dig(config, "Image", "Os")
    if os and os not in OPERATING_SYSTEMS:
        yield f"Image.Os: {os!r} is not one of {', '.join(OPERATING_SYSTEMS)}."
    scheduler = dig(config, "Scheduling", "Scheduler")
    if scheduler and scheduler != "slurm":
        yield f"Scheduling.Scheduler: {scheduler!r} is not slurm."


def _queues(config: dict[str, Any]) -> Iterator[str]:
    names = [str(queue.get("Name", "")) for queue in queues(config)]
    if len(names) > MOST_QUEUES:
        yield f"SlurmQueues: {len(names)} queues, at most {MOST_QUEUES}."
    if len(set(names)) < len(names):
        yield "SlurmQueues: queue names must be unique."
    resources = list(compute_resources(config))
    if len(resources) > MOST_RESOURCES:
        yield f"ComputeResources: {len(resources)} in the cluster, at most {MOST_RESOURCES}."
    for queue in queues(config):
        yield from _name("SlurmQueues", queue.get("Name"))
        if not dig(queue, "Networking", "SubnetIds"):
            yield f"SlurmQueues[{queue.get('Name')}].Networking.SubnetIds: Missing data for required field."
        own = [resource.get("Name") for resource in queue.get("ComputeResources", [])]
        if not own:
            yield f"SlurmQueues[{queue.get('Name')}].ComputeResources: Missing data for required field."
        if len(set(own)) < len(own):
            yield f"SlurmQueues[{queue.get('Name')}]: compute resource names must be unique."
    for section in [dig(config, "HeadNode", default={}), *queues(config)]:
        if dig(section, "Networking", "SecurityGroups") and dig(
            section, "Networking", "AdditionalSecurityGroups"
        ):
            yield "Networking: SecurityGroups and AdditionalSecurityGroups exclude each other."
    for queue, resource in resources:
        yield from _resource(queue, resource)


def _resource(queue: dict[str, Any], resource: dict[str, Any]) -> Iterator[str]:
    where = f"SlurmQueues[{queue.get('Name')}].ComputeResources[{resource.get('Name')}]"
    yield from _name(f"SlurmQueues[{queue.get('Name')}].ComputeResources", resource.get("Name"))
    if ("InstanceType" in resource) == ("Instances" in resource) or not instance_types(resource):
        yield f"{where}: exactly one of InstanceType and Instances is needed."
    least, most = _int(resource.get("MinCount", "0")), _int(resource.get("MaxCount", "10"))
    if least is None or most is None or most < 1 or not 0 <= least <= most:
        yield f"{where}: whole numbers are needed, 0 <= MinCount <= MaxCount and MaxCount >= 1."
    placement = dig(queue, "Networking", "PlacementGroup", default={}) | dig(
        resource, "Networking", "PlacementGroup", default={}
    )
    if str(dig(resource, "Efa", "Enabled", default="false")).lower() == "true" and not placement:
        yield f"{where}: with EFA a placement group must be stated, Enabled true or false."


def _name(where: str, name: Any) -> Iterator[str]:
    text = str(name or "")
    if not QUEUE_NAME.match(text) or len(text) > 25 or text == "default":
        yield f"{where}: the name {text!r} must match {QUEUE_NAME.pattern}, at most 25, not 'default'."


def _storage(config: dict[str, Any]) -> Iterator[str]:
    names, directories = [], []
    for item in shared_storage(config):
        name, directory = str(item.get("Name", "")), str(item.get("MountDir", ""))
        names.append(name)
        directories.append("/" + directory.strip("/"))
        if not name or len(name) > 30 or name == "default":
            yield f"SharedStorage: the name {name!r} must have 1 to 30 characters and not be 'default'."
        if not MOUNT_DIR.match(directory) or directory == "/NONE" or directories[-1] in RESERVED_DIRECTORIES:
            yield f"SharedStorage[{name}].MountDir: {directory!r} cannot be used."
        yield from _existing(name, item)
    if len(set(names)) < len(names):
        yield "SharedStorage: names must be unique."
    for one in directories:
        for other in directories:
            if other.startswith(one + "/"):
                yield f"SharedStorage: MountDir {other} lies inside {one}."
    if len(set(directories)) < len(directories):
        yield "SharedStorage: mount directories must be unique."


def _existing(name: str, item: dict[str, Any]) -> Iterator[str]:
    lustre, efs = item.get("FsxLustreSettings") or {}, item.get("EfsSettings") or {}
    kind = item.get("StorageType")
    if kind not in ("Ebs", "Efs", "FsxLustre", "FsxOntap", "FsxOpenZfs", "FileCache"):
        yield f"SharedStorage[{name}].StorageType: {kind!r} is not a storage type."
    if "FileSystemId" in lustre:
        if set(lustre) != {"FileSystemId"}:
            yield f"SharedStorage[{name}].FsxLustreSettings: with FileSystemId nothing else may be set."
        if not re.match(r"^fs-[0-9a-f]{17}$", str(lustre["FileSystemId"])):
            yield f"SharedStorage[{name}].FsxLustreSettings.FileSystemId: not a file system id."
    if "FileSystemId" in efs:
        if set(efs) - {"FileSystemId", "EncryptionInTransit", "IamAuthorization", "AccessPointId"}:
            yield f"SharedStorage[{name}].EfsSettings: not allowed beside FileSystemId."
        encrypted = str(efs.get("EncryptionInTransit", "false")).lower() == "true"
        if not encrypted and (str(efs.get("IamAuthorization")).lower() == "true" or "AccessPointId" in efs):
            yield f"SharedStorage[{name}].EfsSettings: IAM and access points need EncryptionInTransit."


def _actions(config: dict[str, Any]) -> Iterator[str]:
    for section in [dig(config, "HeadNode", default={}), *queues(config)]:
        for event, action in (section.get("CustomActions") or {}).items():
            if not isinstance(action, dict) or ("Script" in action) == ("Sequence" in action):
                yield f"CustomActions.{event}: exactly one of Script and Sequence is needed."
                continue
            for step in action.get("Sequence", [action]):
                if set(step) - {"Script", "Args", "Sequence"}:
                    yield f"CustomActions.{event}: Unknown field."
                if not re.match(r"^(s3|https)://", str(step.get("Script", ""))):
                    yield f"CustomActions.{event}.Script: must be an s3:// or https:// address."


def _int(value: Any) -> int | None:
    try:
        return number(value, 0)
    except ValueError:
        return None
