"""The node software on a test cluster's head node, and what stands for AWS's CLI there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from engine.model.names import Names
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.workspace.node_config import node_config
from engine.workspace.stack import references
from tests.slurm.cluster import SlurmCluster

FILES = Path(__file__).parents[2] / "modules" / "node-scripts" / "files"
HOME = "/opt/provisioner/node"
BUCKET = "nodes"
# A bucket is a folder of /s3.
AWS = """#!/bin/bash
set -e
[[ $1 == s3 && $2 == cp ]] || { echo "aws $* is not played" >&2; exit 2; }
shift 2
[[ $1 != --only-show-errors ]] || shift
object=/s3/${1#s3://}
[[ -f $object ]] || { echo "fatal error: (403) Forbidden" >&2; exit 1; }
cp "$object" "$2"
"""


def spec_of(names: Names) -> ProjectSpec:
    return ProjectSpec.model_validate(
        {"vlab_id": names.vlab_id, "project_id": names.project_id, "storage": {"kind": "efs"}}
    )


def configuration(names: Names, settings: Settings) -> dict[str, Any]:
    """The node configuration, its references filled in."""
    found = node_config(
        spec=spec_of(names), names=names, settings=settings, references=references(spec_of(names))
    )
    return {**found, "nodes_bucket": BUCKET}


def install(cluster: SlurmCluster, names: Names, settings: Settings) -> None:
    """The software as node.sh unpacks it, and its configuration."""
    shutil.copytree(
        FILES, cluster.path(HOME), ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    config = cluster.path("/etc/provisioner/node.json")
    config.parent.mkdir(exist_ok=True)
    config.write_text(json.dumps(configuration(names, settings)))
    aws = cluster.path("/usr/local/bin/aws")
    aws.write_text(AWS)
    aws.chmod(0o755)
    cluster.path(f"/s3/{BUCKET}").mkdir(parents=True, exist_ok=True)


def put(cluster: SlurmCluster, key: str, text: str) -> None:
    """Write an object of the nodes bucket."""
    cluster.path(f"/s3/{BUCKET}/{key}").write_text(text)


def step(cluster: SlurmCluster, script: str) -> str:
    """Run one script of a step, such as head-start.d/30-jwks, as root; gives what it said."""
    done = cluster.run(f"{HOME}/{script}", environment={"PYTHONDONTWRITEBYTECODE": "1"})
    return done.stdout + done.stderr
