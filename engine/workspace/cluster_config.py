"""The ParallelCluster configuration of a project: one Jinja2 stage, Terraform references in place.

The text is for people; `cluster_configuration` reads the same text back for main.tf.json, so what
is reviewed is what is applied.

Source   AWS ParallelCluster 3.16.1: ClusterSchema, and the validators that need no AWS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.model import tags
from engine.model.data_files import parse_data
from engine.model.names import Names
from engine.model.node_checks import head_node_type
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import Tier
from engine.workspace.slurm_settings import SLURM_SETTINGS
from engine.workspace.text_templates import template

SCALEDOWN_IDLE_MIN = 10
DATABASE_PORT = 3306


@dataclass(frozen=True)
class References:
    """What only Terraform knows, as `${...}` expressions that are placed straight into the text.

    lustre_id              None for a project without Lustre
    accounting_host        without a port
    accounting_secret_arn  of the project's own database user; known once that user is there
    node_software_url      s3:// address of the node software, node.sh
    node_config_url        s3:// address of the node configuration, node.json
    node_update_url        another one of the same, which changes with the configuration
    job_log_group          CloudWatch log group of the job records; known once it is there
    """

    subnet_id: str
    node_security_group_id: str
    endpoint_security_group_id: str
    accounting_security_group_id: str
    workflow_security_group_id: str
    efs_id: str
    lustre_id: str | None
    accounting_host: str
    accounting_secret_arn: str
    node_software_url: str
    node_config_url: str
    node_update_url: str
    job_log_group: str
    nodes_bucket: str
    public_bucket: str
    private_bucket: str


def render_cluster_config(
    *, spec: ProjectSpec, names: Names, settings: Settings, tier: Tier, references: References
) -> str:
    """The configuration as YAML text; the same input gives the same bytes.

    tier     as in the catalogue; the spec's `compute.max_nodes` is applied here
    """
    return template("cluster-config.yaml.j2").render(
        spec=spec,
        names=names,
        settings=settings,
        tier=tier.resized(spec.compute.max_nodes),
        references=references,
        head_node_type=head_node_type(spec, settings),
        database_port=DATABASE_PORT,
        scaledown_idle_min=_scaledown_idle_min(spec, tier),
        slurm_settings=SLURM_SETTINGS,
        project_tags=tags.project_tags(spec, settings),
    )


def cluster_configuration(text: str) -> dict[str, Any]:
    """The rendered text as the nested value that Terraform and CloudFormation take."""
    value = parse_data(text)
    if not isinstance(value, dict):
        raise ValueError("a cluster configuration is a mapping")
    return value


def _scaledown_idle_min(spec: ProjectSpec, tier: Tier) -> int:
    chosen = (spec.compute.scaledown_idle_min, tier.scaledown_idle_min, SCALEDOWN_IDLE_MIN)
    return next(minutes for minutes in chosen if minutes is not None)
