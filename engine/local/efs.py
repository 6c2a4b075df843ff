"""EFS beyond moto: mount targets that take a moment, and backup policies that can be set."""

from __future__ import annotations

import json
from typing import Any

from engine.local.patches import Patches
from engine.local.world import World


def install(world: World, patches: Patches) -> None:
    _patch_mount_targets(world, patches)
    _patch_backup_policy(patches)


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
