"""How long the slow things of the local cloud take, in seconds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Durations:
    """Seconds of each lifecycle. The defaults make a whole project come up in well under a minute.

    cluster_*           ParallelCluster stack: create, update, delete (also the rollback of a failed create)
    provider_create_s   ParallelCluster's provider stack
    fsx_create_s        file system in CREATING
    fsx_update_s        file system in UPDATING
    fsx_optimize_s      file system that is AVAILABLE after an update of size or throughput and takes no other
    fsx_delete_s        file system in DELETING
    dra_create_s        one data repository association in CREATING or UPDATING; they are worked one at a time
    dra_delete_s        one association in DELETING
    task_s              one data repository task in EXECUTING; a batch import is one
    auto_export_s       from a write under an association until its auto export; long, so that
                        only an export task gives certainty, as on AWS
    efs_mount_target_s  mount target in "creating"
    endpoint_create_s   interface endpoint in "pending"
    endpoint_delete_s   interface endpoint in "deleting", its network interfaces still in their subnets
    rds_*               RDS instance: creating, modifying, deleting
    lambda_create_s     function in Pending
    lambda_update_s     function whose last update is InProgress
    lambda_network_s    from the deletion of a function in a VPC until its network interfaces are gone
    """

    cluster_create_s: float = 8.0
    cluster_update_s: float = 5.0
    cluster_delete_s: float = 4.0
    provider_create_s: float = 3.0
    fsx_create_s: float = 5.0
    fsx_update_s: float = 2.0
    fsx_optimize_s: float = 20.0
    fsx_delete_s: float = 2.0
    dra_create_s: float = 2.0
    dra_delete_s: float = 1.0
    task_s: float = 2.0
    auto_export_s: float = 3600.0
    efs_mount_target_s: float = 1.0
    endpoint_create_s: float = 2.0
    endpoint_delete_s: float = 1.0
    rds_create_s: float = 5.0
    rds_modify_s: float = 2.0
    rds_delete_s: float = 2.0
    lambda_create_s: float = 1.0
    lambda_update_s: float = 1.0
    lambda_network_s: float = 1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
                raise ValueError(f"{field.name} must be a number of seconds, 0 or more, not {value!r}")

    def changed(self, values: Mapping[str, object]) -> Durations:
        """These durations with some replaced. Raises ValueError on an unknown name or a bad value."""
        known = {field.name for field in dataclasses.fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown durations {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return dataclasses.replace(self, **values)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, float]:
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Durations:
        """Durations from a JSON object of some of the names. Raises ValueError."""
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("durations must be a JSON object")
        return cls().changed(values)


INSTANT = Durations(
    **{field.name: 0.0 for field in dataclasses.fields(Durations)} | {"auto_export_s": 3600.0}
)
"""Everything done by the next request; for tests that look at results, not at lifecycles."""
