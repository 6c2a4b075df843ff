"""Failures on demand: what shall go wrong, for whom, how, and how many times."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OPERATIONS = ("create", "update", "delete", "create_lustre", "export")

# failureCode values of aws-parallelcluster 3.16.1.
CLUSTER_FAILURE_CODES = (
    "OnNodeStartDownloadFailure",
    "OnNodeStartExecutionFailure",
    "OnNodeStartFailure",
    "OnNodeConfiguredDownloadFailure",
    "OnNodeConfiguredExecutionFailure",
    "OnNodeConfiguredFailure",
    "EbsMountFailure",
    "EfsMountFailure",
    "FsxMountFailure",
    "RaidMountFailure",
    "HeadNodeBootstrapFailure",
    "StaticNodeBootstrapFailure",
    "ResourceCreationFailure",
    "ClusterCreationFailure",
)


@dataclass
class Fault:
    """One ordered failure.

    cluster       cluster name (for "create_lustre": the file system's Name tag; for "export": its id), or "*"
    operation     create, update or delete of a cluster; create_lustre or export of a file system
    failure_code  what ParallelCluster reports; unused for file systems
    times         how many operations it still spoils
    """

    cluster: str
    operation: str
    failure_code: str = "HeadNodeBootstrapFailure"
    times: int = 1

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, not {self.operation!r}")
        if self.failure_code not in CLUSTER_FAILURE_CODES:
            raise ValueError(f"failure_code must be one of {', '.join(CLUSTER_FAILURE_CODES)}")
        if isinstance(self.times, bool) or not isinstance(self.times, int) or self.times < 1:
            raise ValueError("times must be a whole number from 1")


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        self._faults.append(fault)

    def take(self, name: str, operation: str) -> Fault | None:
        """The fault for this operation, used up by one; None when it shall succeed."""
        for fault in self._faults:
            if fault.operation == operation and fault.cluster in (name, "*"):
                fault.times -= 1
                if fault.times == 0:
                    self._faults.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        self._faults.clear()

    def to_list(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._faults]
