"""The specs behind the plans of a project: what is created anew, and what changes one that stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.model.spec import ProjectSpec

CREATED: Mapping[str, dict[str, Any]] = {
    "create-lustre-125": {"storage": {"kind": "lustre", "throughput_mbps_per_tib": 125}},
    "create-lustre-250": {"storage": {"kind": "lustre", "capacity_gib": 2400}},
    "create-lustre-500": {
        "tier": "prod-mpi",
        "storage": {"kind": "lustre", "capacity_gib": 9600, "throughput_mbps_per_tib": 500},
        "head_node": {"instance_type": "m7i.xlarge"},
        "compute": {"max_nodes": 40},
    },
    "create-lustre-1000": {"storage": {"kind": "lustre", "throughput_mbps_per_tib": 1000}},
    "create-efs": {"storage": {"kind": "efs"}},
    "create-queues": {
        "storage": {"kind": "efs"},
        "head_node": {"instance_type": "m7i.xlarge", "root_volume": {"size_gib": 100}},
        "queues": [
            {
                "name": "mpi",
                "placement_group": True,
                "compute_resources": [
                    {"name": "c7i", "instance_types": ["c7i.48xlarge"], "max_count": 16, "efa": True}
                ],
            },
            {
                "name": "spot",
                "spot": True,
                "compute_resources": [
                    {"name": "two", "instance_types": ["m7i.2xlarge", "m6i.2xlarge"], "max_count": 50}
                ],
            },
            {
                "name": "standing",
                "root_volume": {"size_gib": 200},
                "compute_resources": [
                    {"name": "c7a", "instance_types": ["c7a.48xlarge"], "min_count": 2, "max_count": 4}
                ],
            },
        ],
    },
    "create-gpu": {
        "storage": {"kind": "efs"},
        "queues": [
            {
                "name": "gpu",
                "compute_resources": [
                    {"name": "g5", "instance_types": ["g5.xlarge"], "max_count": 8},
                    {"name": "unpriced", "instance_types": ["g6e.xlarge"], "max_count": 2},
                ],
            }
        ],
    },
}

CHANGED: Mapping[str, dict[str, Any]] = {
    "unchanged": {},
    "grow-lustre": {"storage": {"kind": "lustre", "capacity_gib": 2400}},
    "faster-lustre": {"storage": {"kind": "lustre", "throughput_mbps_per_tib": 500}},
    "lustre-to-efs": {"storage": {"kind": "efs"}},
    "more-nodes": {"compute": {"max_nodes": 16}},
    "fewer-nodes": {"compute": {"max_nodes": 1}},
    "new-owner": {"owner": "ada@example.org"},
    "new-tags": {"tags": {"cost-center": "4711"}},
    "other-tier": {"tier": "prod-batch"},
    "other-head-node": {"head_node": {"instance_type": "t3.large"}},
    "head-node-disk": {"head_node": {"root_volume": {"size_gib": 100}}},
    "idle-time": {"compute": {"scaledown_idle_min": 30}},
    "own-queues": {
        "queues": [
            {
                "name": "debug",
                "compute_resources": [{"name": "t3", "instance_types": ["t3.micro"], "max_count": 4}],
            }
        ]
    },
}


def spec_of(**more: Any) -> ProjectSpec:
    """The spec of lab-1/proj-1 with these fields; with the debug tier where it has no queues of its own."""
    tier = {} if "queues" in more else {"tier": "debug"}
    return ProjectSpec.model_validate({"vlab_id": "lab-1", "project_id": "proj-1", **tier, **more})
