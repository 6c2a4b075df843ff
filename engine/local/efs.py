"""EFS beyond moto: mount targets that take a moment, backup policies, a throughput that changes."""

from __future__ import annotations

import json
from typing import Any

from engine.local.patches import Patches
from engine.local.world import World

# EFS API reference, UpdateFileSystem, TooManyRequests.
_BETWEEN_CHANGES_S = 24 * 3600.0


def install(world: World, patches: Patches) -> None:
    _patch_mount_targets(world, patches)
    _patch_backup_policy(patches)
    _patch_throughput(world, patches)


def _patch_mount_targets(world: World, patches: Patches) -> None:
    from moto.efs.models import EFSBackend

    def create_mount_target(self: Any, *args: Any, **kwargs: Any) -> Any:
        target = original(self, *args, **kwargs)
        target.life_cycle_state = "creating"

        def available(_: float) -> None:
            target.life_cycle_state = "available"

        world.after(world.durations.efs_mount_target_s, available)
        return target

    original = patches.set(EFSBackend, "create_mount_target", create_mount_target)


def _patch_backup_policy(patches: Patches) -> None:
    from moto.efs.exceptions import BadRequest, FileSystemNotFound
    from moto.efs.models import EFSBackend, FileSystem
    from moto.efs.responses import EFSResponse

    def file_system(backend: Any, file_system_id: str) -> Any:
        if file_system_id not in backend.file_systems_by_id:
            raise FileSystemNotFound(file_system_id)
        return backend.file_systems_by_id[file_system_id]

    def describe_backup_policy(self: Any, file_system_id: str) -> dict[str, str]:
        file_system(self, file_system_id)
        policy: dict[str, str] = original(self, file_system_id)
        return policy

    def backup_policy(self: Any) -> dict[str, str] | None:
        """moto remembers enabled or nothing; AWS tells a disabled policy from one never set."""
        return None if self._backup is None else {"Status": "ENABLED" if self._backup else "DISABLED"}

    def put_backup_policy(self: Any) -> Any:
        file_system_id = self._get_param("FileSystemId")
        status = (self._get_param("BackupPolicy") or {}).get("Status")
        if status not in ("ENABLED", "DISABLED"):
            raise BadRequest("BackupPolicy.Status must be ENABLED or DISABLED")
        file_system(self.efs_backend, file_system_id)._backup = status == "ENABLED"
        return json.dumps({"BackupPolicy": {"Status": status}}), {"Content-Type": "application/json"}

    original = patches.set(EFSBackend, "describe_backup_policy", describe_backup_policy)
    patches.set(FileSystem, "backup_policy", property(backup_policy))
    patches.set(EFSResponse, "put_backup_policy", put_backup_policy)


def _patch_throughput(world: World, patches: Patches) -> None:
    from moto.core.exceptions import JsonRESTError
    from moto.efs.exceptions import BadRequest, FileSystemNotFound
    from moto.efs.responses import EFSResponse

    class TooManyRequests(JsonRESTError):
        code = 429

    changed_at: dict[str, float] = {}

    def update_file_system(self: Any) -> Any:
        file_system_id = self._get_param("FileSystemId")
        known = self.efs_backend.file_systems_by_id
        if file_system_id not in known:
            raise FileSystemNotFound(file_system_id)
        file_system = known[file_system_id]
        mode = self._get_param("ThroughputMode") or file_system.throughput_mode
        provisioned = self._get_param("ProvisionedThroughputInMibps")
        if mode not in ("bursting", "elastic", "provisioned"):
            raise BadRequest("ThroughputMode must be bursting, elastic or provisioned")
        if (mode == "provisioned") != (provisioned is not None):
            raise BadRequest("ProvisionedThroughputInMibps goes with the mode provisioned, and only with it")
        if mode != file_system.throughput_mode:
            last = changed_at.get(file_system_id)
            if last is not None and world.now() - last < _BETWEEN_CHANGES_S:
                raise TooManyRequests("TooManyRequests", "The mode can be changed again 24 hours later")
            changed_at[file_system_id] = world.now()
        file_system.throughput_mode = mode
        file_system.provisioned_throughput_in_mibps = provisioned
        file_system.life_cycle_state = "updating"

        def available(_: float) -> None:
            file_system.life_cycle_state = "available"

        world.after(world.durations.efs_mount_target_s, available)
        return json.dumps(file_system.info_json()), {"status": 202, "Content-Type": "application/json"}

    patches.set(EFSResponse, "update_file_system", update_file_system)
