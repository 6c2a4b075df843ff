"""FSx for Lustre file systems: create, describe, update, delete, by AWS's rules.

Source: FSx API reference and User Guide as collected in the ParallelCluster facts, section 6.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from engine.local.api_error import ApiError
from engine.local.fsx_rules import check_capacity, check_growth, check_throughput, check_version
from engine.local.fsx_store import FileSystem, FsxStore
from engine.local.ports import port_open
from engine.local.world import World, hex_id

LNET_PORT = 988
UNFINISHED = ("PENDING", "EXECUTING", "CANCELING")
# As AWS words it (github.com/kubernetes-sigs/aws-fsx-csi-driver, pkg/cloud/cloud.go).
_UNDER_WAY = "Unable to perform the storage capacity update. There is an update already in progress."
# In words of our own. AWS counts six hours from the last request, or until it has optimized, whichever is
# longer (FSx for Lustre User Guide, "Managing throughput capacity").
_TOO_SOON = "Unable to perform the update. The last one was requested less than 6 hours ago."


class FileSystems:
    def __init__(self, world: World, region: str, store: FsxStore):
        self._world = world
        self._region = region
        self._store = store

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("FileSystemType") != "LUSTRE":
            raise ApiError("BadRequest", "The local cloud has FSx for Lustre only (FileSystemType LUSTRE).")
        token = request.get("ClientRequestToken")
        fingerprint = json.dumps(request, sort_keys=True)
        known = self._store.seen("file-system", token, fingerprint)
        if known and known in self._store.file_systems:
            return {"FileSystem": self._describe(self._store.file_systems[known])}
        config = dict(request.get("LustreConfiguration") or {})
        deployment = config.get("DeploymentType", "SCRATCH_1")
        storage_type = request.get("StorageType", "SSD")
        check_capacity(deployment, storage_type, request.get("StorageCapacity"))
        check_throughput(deployment, storage_type, config.get("PerUnitStorageThroughput"))
        version = check_version(deployment, request.get("FileSystemTypeVersion"), config)
        subnet = self._subnet(request.get("SubnetIds") or [])
        groups = self._groups(request.get("SecurityGroupIds") or [], subnet)
        file_system = self._make(request, config, deployment, storage_type, version, subnet, groups)
        self._store.file_systems[file_system.id] = file_system
        self._store.tags[file_system.arn] = _tags(request.get("Tags"))
        self._store.remember("file-system", token, fingerprint, file_system.id)
        name = self._store.tags[file_system.arn].get("Name", "")
        fault = self._world.faults.take(name, "create_lustre")
        done = self._failed if fault else self._available
        self._world.after(self._world.durations.fsx_create_s, lambda _: done(file_system))
        return {"FileSystem": self._describe(file_system)}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        ids = request.get("FileSystemIds")
        found = (
            [self._store.file_system(one) for one in ids] if ids else list(self._store.file_systems.values())
        )
        return {"FileSystems": [self._describe(file_system) for file_system in found]}

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        file_system = self._store.file_system(request.get("FileSystemId", ""))
        if file_system.lifecycle == "UPDATING":
            raise ApiError("BadRequest", _UNDER_WAY)
        if file_system.lifecycle != "AVAILABLE":
            raise ApiError(
                "BadRequest", f"File system '{file_system.id}' is {file_system.lifecycle}, not AVAILABLE."
            )
        config = dict(request.get("LustreConfiguration") or {})
        capacity = request.get("StorageCapacity", file_system.capacity_gib)
        deployment = file_system.lustre["DeploymentType"]
        if capacity != file_system.capacity_gib:
            check_growth(deployment, file_system.capacity_gib, capacity)
        if "PerUnitStorageThroughput" in config:
            check_throughput(deployment, file_system.storage_type, config["PerUnitStorageThroughput"])
        slow = capacity != file_system.capacity_gib or "PerUnitStorageThroughput" in config
        if slow and any(action["Status"] == "UPDATED_OPTIMIZING" for action in file_system.actions):
            raise ApiError("BadRequest", _TOO_SOON)
        action = {
            "AdministrativeActionType": "FILE_SYSTEM_UPDATE",
            "RequestTime": self._world.now(),
            "Status": "IN_PROGRESS",
            "ProgressPercent": 0,
            "TargetFileSystemValues": {"StorageCapacity": capacity, "LustreConfiguration": config},
        }
        file_system.actions.insert(0, action)
        file_system.lifecycle = "UPDATING"

        def finish(_: float) -> None:
            file_system.capacity_gib = capacity
            file_system.lustre |= {key: value for key, value in config.items() if value is not None}
            file_system.lifecycle = "AVAILABLE"
            if slow:
                action.update(Status="UPDATED_OPTIMIZING")
                self._world.after(self._world.durations.fsx_optimize_s, optimized)
            else:
                optimized(0.0)

        def optimized(_: float) -> None:
            action.update(Status="COMPLETED", ProgressPercent=100)

        self._world.after(self._world.durations.fsx_update_s if slow else 0.0, finish)
        return {"FileSystem": self._describe(file_system)}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        file_system = self._store.file_system(request.get("FileSystemId", ""))
        if any(task.lifecycle in UNFINISHED for task in self._store.tasks_of(file_system.id)):
            raise ApiError(
                "BadRequest",
                f"File system '{file_system.id}' has a data repository task that is PENDING or EXECUTING: "
                "wait until it has finished or cancel it.",
            )
        if file_system.lifecycle != "DELETING":
            file_system.lifecycle = "DELETING"
            for association in self._store.associations_of(file_system.id):
                association.lifecycle = "DELETING"
                if association.step:
                    association.step.cancel()
            self._world.after(self._world.durations.fsx_delete_s, lambda _: self._gone(file_system))
        return {"FileSystemId": file_system.id, "Lifecycle": "DELETING", "LustreResponse": {}}

    def _available(self, file_system: FileSystem) -> None:
        if file_system.lifecycle == "CREATING":
            file_system.lifecycle = "AVAILABLE"

    def _failed(self, file_system: FileSystem) -> None:
        if file_system.lifecycle == "CREATING":
            file_system.lifecycle = "FAILED"
            file_system.failure = "File system creation failed: ordered by the local cloud's failure list."

    def _gone(self, file_system: FileSystem) -> None:
        ec2 = self._world.backends.ec2(self._region)
        for interface_id in file_system.interface_ids:
            if interface_id in ec2.enis:
                ec2.enis[interface_id].delete()
        for association in self._store.associations_of(file_system.id):
            del self._store.associations[association.id]
            self._store.tags.pop(association.arn, None)
        for task in self._store.tasks_of(file_system.id):
            del self._store.tasks[task.id]
            self._store.tags.pop(task.arn, None)
        self._store.file_systems.pop(file_system.id, None)
        self._store.tags.pop(file_system.arn, None)

    def _subnet(self, subnet_ids: list[str]) -> Any:
        if len(subnet_ids) != 1:
            raise ApiError("BadRequest", "FSx for Lustre takes exactly one subnet.")
        from moto.ec2.exceptions import InvalidSubnetIdError

        try:
            return self._world.backends.ec2(self._region).get_subnet(subnet_ids[0])
        except InvalidSubnetIdError:
            raise ApiError(
                "InvalidNetworkSettings",
                f"The subnet ID '{subnet_ids[0]}' does not exist.",
                InvalidSubnetId=subnet_ids[0],
            ) from None

    def _groups(self, group_ids: list[str], subnet: Any) -> list[str]:
        ec2 = self._world.backends.ec2(self._region)
        for group_id in group_ids:
            group = ec2.get_security_group_from_id(group_id)
            if group is None or group.vpc_id != subnet.vpc_id:
                raise ApiError(
                    "InvalidNetworkSettings",
                    f"The security group '{group_id}' does not exist in the VPC of the subnet.",
                    InvalidSecurityGroupId=group_id,
                )
        groups = group_ids or [ec2.get_security_group_from_name("default", subnet.vpc_id).id]
        for egress in (False, True):
            if not port_open(ec2, groups, LNET_PORT, egress=egress, peers=groups, cidr=subnet.cidr_block):
                raise ApiError(
                    "InvalidNetworkSettings",
                    "The file system cannot be created because the default security group in the subnet "
                    "provided or the provided security groups do not permit Lustre LNET network traffic "
                    "on port 988",
                    InvalidSecurityGroupId=groups[0],
                )
        return groups

    def _make(
        self,
        request: dict[str, Any],
        config: dict[str, Any],
        deployment: str,
        storage_type: str,
        version: str,
        subnet: Any,
        groups: list[str],
    ) -> FileSystem:
        world, region = self._world, self._region
        fs_id = hex_id("fs")
        ec2 = world.backends.ec2(region)
        interfaces = [
            ec2.create_network_interface(
                subnet, [], group_ids=groups, description=f"Created by Amazon FSx {fs_id}"
            )
            for _ in range(2)
        ]
        lustre = {
            "WeeklyMaintenanceStartTime": "7:09:00",
            "AutomaticBackupRetentionDays": 0,
            "CopyTagsToBackups": False,
            "DataCompressionType": "NONE",
            "LogConfiguration": {"Level": "DISABLED"},
            "EfaEnabled": False,
            **{key: value for key, value in config.items() if value is not None},
            "DeploymentType": deployment,
            "MountName": secrets.token_hex(4) if deployment != "SCRATCH_1" else "fsx",
        }
        return FileSystem(
            id=fs_id,
            arn=f"arn:aws:fsx:{region}:{world.account_id}:file-system/{fs_id}",
            owner=world.account_id,
            created=world.now(),
            capacity_gib=request["StorageCapacity"],
            storage_type=storage_type,
            subnet_id=subnet.id,
            vpc_id=subnet.vpc_id,
            security_group_ids=list(request.get("SecurityGroupIds") or []),
            interface_ids=[interface.id for interface in interfaces],
            dns_name=f"{fs_id}.fsx.{region}.amazonaws.com",
            kms_key_id=request.get("KmsKeyId")
            or f"arn:aws:kms:{region}:{world.account_id}:key/00000000-0000-4000-8000-00000000f5f5",
            version=version,
            lustre=lustre,
        )

    def _describe(self, file_system: FileSystem) -> dict[str, Any]:
        return {
            "OwnerId": file_system.owner,
            "CreationTime": file_system.created,
            "FileSystemId": file_system.id,
            "FileSystemType": "LUSTRE",
            "FileSystemTypeVersion": file_system.version,
            "Lifecycle": file_system.lifecycle,
            "StorageCapacity": file_system.capacity_gib,
            "StorageType": file_system.storage_type,
            "VpcId": file_system.vpc_id,
            "SubnetIds": [file_system.subnet_id],
            "NetworkInterfaceIds": file_system.interface_ids,
            "DNSName": file_system.dns_name,
            "KmsKeyId": file_system.kms_key_id,
            "ResourceARN": file_system.arn,
            "Tags": [
                {"Key": key, "Value": value} for key, value in self._store.tags[file_system.arn].items()
            ],
            "LustreConfiguration": file_system.lustre,
            "AdministrativeActions": file_system.actions,
            **({"FailureDetails": {"Message": file_system.failure}} if file_system.failure else {}),
        }


def _tags(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in tags or []}
