"""Capacities, throughputs and versions that FSx for Lustre takes.

Source: FSx for Lustre API reference (CreateFileSystem, UpdateFileSystem).
"""

from __future__ import annotations

from typing import Any

from engine.local.api_error import ApiError

THROUGHPUTS = {
    ("PERSISTENT_1", "SSD"): (50, 100, 200),
    ("PERSISTENT_1", "HDD"): (12, 40),
    ("PERSISTENT_2", "SSD"): (125, 250, 500, 1000),
}
DEPLOYMENTS = ("SCRATCH_1", "SCRATCH_2", "PERSISTENT_1", "PERSISTENT_2")
VERSIONS = ("2.10", "2.12", "2.15")
GROWTH_STEP_GIB = 2400


def check_capacity(deployment: str, storage_type: str, capacity_gib: Any) -> None:
    if deployment not in DEPLOYMENTS:
        raise ApiError("BadRequest", f"DeploymentType {deployment!r} is not one of {', '.join(DEPLOYMENTS)}.")
    if not isinstance(capacity_gib, int):
        raise ApiError("BadRequest", "StorageCapacity is required.")
    if storage_type == "HDD":
        valid = deployment == "PERSISTENT_1" and capacity_gib > 0 and capacity_gib % 1800 == 0
    elif deployment == "SCRATCH_1":
        valid = capacity_gib in (1200, 2400) or (capacity_gib > 0 and capacity_gib % 3600 == 0)
    else:
        valid = capacity_gib == 1200 or (capacity_gib > 0 and capacity_gib % 2400 == 0)
    if not valid:
        raise ApiError(
            "BadRequest",
            f"StorageCapacity {capacity_gib} GiB is not valid for {deployment} on {storage_type}: "
            "1200, or a multiple of 2400 (SCRATCH_1: 1200, 2400, or a multiple of 3600).",
        )


def check_throughput(deployment: str, storage_type: str, throughput: Any) -> None:
    allowed = THROUGHPUTS.get((deployment, storage_type))
    if allowed is None:
        if throughput is not None:
            raise ApiError(
                "BadRequest", f"PerUnitStorageThroughput cannot be set for {deployment} on {storage_type}."
            )
        return
    if throughput not in allowed:
        raise ApiError(
            "InvalidPerUnitStorageThroughput",
            f"PerUnitStorageThroughput {throughput} is not valid for {deployment} on {storage_type}: "
            f"one of {', '.join(map(str, allowed))}.",
        )


def check_version(deployment: str, version: str | None, config: dict[str, Any]) -> str:
    """The file system version asked for, or AWS's default for the deployment type."""
    if version is None:
        if deployment != "PERSISTENT_2":
            return "2.10"
        return "2.15" if config.get("MetadataConfiguration") else "2.12"
    if version not in VERSIONS or (deployment == "PERSISTENT_2" and version == "2.10"):
        raise ApiError("BadRequest", f"FileSystemTypeVersion {version!r} is not valid for {deployment}.")
    return version


def check_growth(deployment: str, now_gib: int, wanted_gib: int) -> None:
    if deployment == "SCRATCH_1":
        raise ApiError("BadRequest", "The storage capacity of a SCRATCH_1 file system cannot be changed.")
    if wanted_gib < now_gib:
        raise ApiError(
            "BadRequest", f"Storage capacity cannot be decreased ({now_gib} GiB to {wanted_gib} GiB)."
        )
    if wanted_gib % GROWTH_STEP_GIB:
        raise ApiError(
            "BadRequest", f"Storage capacity grows in multiples of 2400 GiB, not to {wanted_gib} GiB."
        )
