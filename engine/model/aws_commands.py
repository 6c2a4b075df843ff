"""Commands of AWS's own tools, as they are advised: with the region, since a shell may well stand in another.

A hint has them from here and nowhere else (tests/unit/model/test_aws_commands.py).
"""

from __future__ import annotations


def aws(command: str, *, region: str) -> str:
    """`aws …` of the AWS CLI."""
    return f"aws {command} --region {region}"


def pcluster(command: str, *, region: str) -> str:
    """`pcluster …` of ParallelCluster's CLI, which takes the region as the AWS CLI does."""
    return f"pcluster {command} --region {region}"


def update_fleet(cluster: str, status: str, *, region: str) -> str:
    """What stops a cluster's compute fleet (STOP_REQUESTED) or starts it (START_REQUESTED)."""
    return pcluster(f"update-compute-fleet --cluster-name {cluster} --status {status}", region=region)
