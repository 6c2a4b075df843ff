"""The node configuration: what the software on a cluster's nodes needs to know about its project.

Terraform stores it as node.json, which nodes fetch at each step (modules/node-scripts). It holds no
secrets: every node of the project may read it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine.model.names import Names
from engine.model.settings import Settings
from engine.model.spec import LustreStorage, ProjectSpec
from engine.workspace.cluster_config import DATABASE_PORT, References
from engine.workspace.literals import terraform_literal

DATA_DIRECTORY = "/data"
"""Where jobs find project/public, project/private and scratch, whatever the storage."""

JWKS_KEY = "jwks.json"
"""Where the nodes bucket holds the keys of the REST API's tokens."""

USER_CLAIM = "preferred_username"
"""Keycloak's claim for the user's name."""


@dataclass(frozen=True)
class Project:
    vlab_id: str
    project_id: str
    cluster_name: str


@dataclass(frozen=True)
class User:
    """The unprivileged user of the Workflow Service; the same ids in every project, so that files on
    file systems that outlive a cluster keep their owner."""

    name: str
    uid: int
    group: str
    gid: int


@dataclass(frozen=True)
class Storage:
    kind: Literal["lustre", "efs"]
    data_directory: str
    private_bucket: str
    public_bucket: str


@dataclass(frozen=True)
class Accounting:
    """host without a port."""

    database: str
    user: str
    host: str
    port: int


@dataclass(frozen=True)
class RestApi:
    """The filter in front of Slurm's REST API: where it listens, and whose tokens it lets through.

    jwks_key   of the nodes bucket
    """

    port: int
    jwks_key: str
    issuer: str
    audience: str
    user_claim: str


@dataclass(frozen=True)
class NodeConfig:
    """rest, job_records   None while a cluster has no REST API, or records no jobs of its own"""

    project: Project
    user: User
    region: str
    os: str
    storage: Storage
    nodes_bucket: str
    authorized_keys_key: str
    accounting: Accounting
    rest: RestApi | None = None
    job_records: None = None


def node_config(
    *, spec: ProjectSpec, names: Names, settings: Settings, references: References
) -> dict[str, Any]:
    """The document as plain values; texts are Terraform's, `${...}` where only Terraform knows."""
    config = NodeConfig(
        project=Project(names.vlab_id, names.project_id, names.cluster),
        user=User(settings.user_name, settings.user_uid, settings.user_group, settings.user_gid),
        region=terraform_literal(settings.region),
        os=settings.os,
        storage=Storage(
            kind="lustre" if isinstance(spec.storage, LustreStorage) else "efs",
            data_directory=DATA_DIRECTORY,
            private_bucket=references.private_bucket,
            public_bucket=references.public_bucket,
        ),
        nodes_bucket=references.nodes_bucket,
        authorized_keys_key=names.authorized_keys_key,
        accounting=Accounting(
            database=names.database,
            user=names.database_user,
            host=references.accounting_host,
            port=DATABASE_PORT,
        ),
        rest=_rest_api(settings),
    )
    return asdict(config)


def _rest_api(settings: Settings) -> RestApi | None:
    if settings.jwt_issuer is None or settings.jwt_audience is None:
        return None
    return RestApi(
        port=settings.slurm_rest_port,
        jwks_key=JWKS_KEY,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        user_claim=USER_CLAIM,
    )
