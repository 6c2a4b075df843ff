"""Keys of a project: made with its cluster, gone with it, the file on the shared bucket too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.local.server import LocalCloud
from engine.model.settings import load_settings
from engine.model.spec import load_spec
from engine.operations.access import ensure_keys, hand_in_keys
from engine.operations.engine import Engine, open_engine
from engine.operations.reporting import Silent


@pytest.fixture
def engine(cloud: LocalCloud, backend, terraform: str, tmp_path: Path) -> Engine:
    flags = {"endpoint_url": cloud.endpoint, "terraform": terraform, "home": str(tmp_path / "home")}
    settings = load_settings(environ={}, flags=flags).settings
    return open_engine(settings, base=tmp_path, environ=os.environ, reporter=Silent())


def test_what_opens_a_cluster_goes_with_it(cloud: LocalCloud, engine: Engine) -> None:
    spec = load_spec("vlab_id: lab-1\nproject_id: proj-1\nstorage: {kind: efs}\n", source="test")
    names = engine.names("lab-1", "proj-1")
    s3, ec2 = cloud.client("s3"), cloud.client("ec2")

    def opened() -> tuple[list[str], list[str]]:
        listed = s3.list_objects_v2(Bucket=engine.settings.nodes_bucket, Prefix="projects/")
        pairs = ec2.describe_key_pairs()["KeyPairs"]
        return [one["Key"] for one in listed.get("Contents", [])], sorted(one["KeyName"] for one in pairs)

    # WHEN the keys are made, twice THEN there is one of each
    for _ in range(2):
        ensure_keys(engine, names, spec)
        assert opened() == ([names.authorized_keys_key], sorted([names.key_pair, names.user_key_pair]))
    versions = s3.list_object_versions(Bucket=engine.settings.nodes_bucket, Prefix="projects/")["Versions"]
    assert len(versions) == 1

    # WHEN they are handed in, twice THEN nothing opens a cluster any more
    for _ in range(2):
        hand_in_keys(engine, names)
        assert opened() == ([], [])
