"""What nodes are told: everything that their software reads, and nothing secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.model.names import names_for
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.workspace.node_config import node_config
from engine.workspace.stack import references

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")


def config(kind: str = "lustre", **settings: Any) -> dict[str, Any]:
    spec = ProjectSpec.model_validate(
        {"vlab_id": "lab-1", "project_id": "proj-1", "storage": {"kind": kind}, "tags": {"a": "b"}}
    )
    return node_config(
        spec=spec, names=NAMES, settings=Settings.model_validate(settings), references=references(spec)
    )


def test_a_projects_configuration() -> None:
    assert config(user_name="flow", user_uid=4711, region="eu-central-1") == {
        "project": {"vlab_id": "lab-1", "project_id": "proj-1", "cluster_name": NAMES.cluster},
        "user": {"name": "flow", "uid": 4711, "group": "project", "gid": 2000},
        "region": "eu-central-1",
        "os": "alinux2023",
        "storage": {
            "kind": "lustre",
            "data_directory": "/data",
            "private_bucket": "${module.bucket.name}",
            "public_bucket": "${data.aws_s3_bucket.public.id}",
        },
        "nodes_bucket": "${data.aws_s3_bucket.nodes.id}",
        "authorized_keys_key": f"projects/{NAMES.cluster}/authorized_keys",
        "accounting": {
            "database": NAMES.database,
            "user": NAMES.database_user,
            "host": "${data.aws_db_instance.accounting.address}",
            "port": 3306,
        },
        "rest": None,
        "job_records": None,
    }


@pytest.mark.parametrize("kind", ["lustre", "efs"])
def test_jobs_find_their_data_in_the_same_place_whatever_the_storage(kind: str) -> None:
    storage = config(kind)["storage"]
    assert (storage["kind"], storage["data_directory"]) == (kind, "/data")


def test_no_secret_is_referred_to() -> None:
    assert "secret" not in json.dumps(config()).lower()


def test_the_rest_api_is_on_where_the_settings_say_whose_tokens_it_takes() -> None:
    rest = {"jwks_url": "https://sso.example.org/certs", "jwt_issuer": "https://sso", "jwt_audience": "slurm"}
    assert config(**rest)["rest"] == {
        "port": 8082,
        "jwks_key": "jwks.json",
        "issuer": "https://sso",
        "audience": "slurm",
        "user_claim": "preferred_username",
    }
