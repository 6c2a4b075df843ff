"""The ParallelCluster configuration of a project: one Jinja2 stage, Terraform references in place.

The text is for people; `cluster_configuration` reads the same text back for main.tf.json, so what
is reviewed is what is applied.

Source   AWS ParallelCluster 3.16.1: ClusterSchema, and the validators that need no AWS.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from engine.errors import FieldProblem, InvalidSpec
from engine.model import tags
from engine.model.names import Names
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import Tier
from engine.workspace.literals import terraform_literal

HOME_DIRECTORY = "/home"
LUSTRE_DIRECTORY = "/data"

SCALEDOWN_IDLE_MIN = 10
DATABASE_PORT = 3306

_GIB_PER_VCPU = {"c": 2, "m": 4, "r": 8}
_BURSTABLE_GIB = {"nano": 0.5, "micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}
_VCPUS = {"medium": 1, "large": 2, "xlarge": 4}


@dataclass(frozen=True)
class References:
    """What only Terraform knows, as `${...}` expressions that are placed straight into the text.

    lustre_id              None for a project without Lustre
    accounting_host        without a port
    accounting_secret_arn  of the project's own database user; known once that user is there
    head_node_script_url   s3:// address of the script that finishes the head node
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
    head_node_script_url: str
    public_bucket: str
    private_bucket: str


def render_cluster_config(
    *, spec: ProjectSpec, names: Names, settings: Settings, tier: Tier, references: References
) -> str:
    """The configuration as YAML text; the same input gives the same bytes.

    tier     as in the catalogue; the spec's `compute.max_nodes` is applied here
    Raises   InvalidSpec for a head node that AWS would refuse only after the storage had been made
    """
    sized = tier.resized(spec.compute.max_nodes)
    head_node_type = spec.head_node.instance_type or settings.head_node_instance_type
    _check_head_node(spec, sized, head_node_type)
    return (
        _environment()
        .get_template("cluster-config.yaml.j2")
        .render(
            spec=spec,
            names=names,
            settings=settings,
            tier=sized,
            references=references,
            head_node_type=head_node_type,
            data_directory=data_directory(references),
            database_port=DATABASE_PORT,
            scaledown_idle_min=SCALEDOWN_IDLE_MIN,
            project_tags=_project_tags(spec),
        )
    )


def cluster_configuration(text: str) -> dict[str, Any]:
    """The rendered text as the nested value that Terraform and CloudFormation take."""
    value = yaml.safe_load(text)
    if not isinstance(value, dict):
        raise ValueError("a cluster configuration is a mapping")
    return value


def data_directory(references: References) -> str:
    """Where jobs keep their data; `scratch` is made in it.

    Without Lustre that is the EFS home: ParallelCluster refuses to mount one file system twice, so
    there is no second place to mount it at.
    """
    return HOME_DIRECTORY if references.lustre_id is None else LUSTRE_DIRECTORY


def head_node_memory_gib(instance_type: str) -> float | None:
    """Memory of a head node, in GiB, for sizes below 16 GiB of the common families; None where unknown.

    Those families have a fixed amount for each vCPU; c5n, the odd one, is left out.

    Source   Amazon EC2 instance types guide: T; C, M and R from the fifth generation on
    """
    family, _, size = instance_type.partition(".")
    if re.fullmatch(r"t[234][ag]?", family):
        return _BURSTABLE_GIB.get(size)
    ratio = re.fullmatch(r"([cmr])(?:[5-9]|1[0-9])[iag]?(?:d|n|dn)?", family)
    if ratio and size in _VCPUS and family != "c5n":
        return float(_GIB_PER_VCPU[ratio[1]] * _VCPUS[size])
    return None


def is_arm(instance_type: str) -> bool:
    """Whether it has a Graviton processor, by the `g` after the generation: m7g, c6gn, hpc7g.

    Source   Amazon EC2 user guide, "Instance type naming conventions"
    """
    family = instance_type.partition(".")[0]
    return family == "a1" or re.fullmatch(r"[a-z]+[0-9]+g[a-z]*", family) is not None


def _check_head_node(spec: ProjectSpec, tier: Tier, head_node_type: str) -> None:
    """HeadNodeMemorySizeValidator and InstanceArchitectureCompatibilityValidator, as far as known."""
    problems = []
    memory_gib = head_node_memory_gib(head_node_type)
    needed_gib = min(tier.nodes_max / 25 + 0.6, 16)
    if memory_gib is not None and memory_gib < needed_gib:
        problems.append(
            FieldProblem(
                path="head_node.instance_type",
                problem=f"{head_node_type} has {memory_gib:g} GiB of memory, too little to look after "
                f"{tier.nodes_max} nodes",
                allowed=f"at least {needed_gib:.1f} GiB, or a smaller compute.max_nodes",
                example="m7i.xlarge",
            )
        )
    compute_types = [
        instance_type
        for queue in tier.queues
        for resource in queue.compute_resources
        for instance_type in resource.instance_types
    ]
    other = next((kind for kind in compute_types if is_arm(kind) != is_arm(head_node_type)), None)
    if other:
        problems.append(
            FieldProblem(
                path="head_node.instance_type",
                problem=f"{head_node_type} and {other} of tier {tier.name} differ in processor architecture",
                allowed="an instance type with an ARM processor" if is_arm(other) else "an x86 instance type",
                example="m7g.xlarge" if is_arm(other) else "m7i.xlarge",
            )
        )
    if problems:
        raise InvalidSpec(f"The head node of {spec.project} does not fit its compute nodes.", problems)


def _project_tags(spec: ProjectSpec) -> Mapping[str, str]:
    """The user's tags, and ours on top: the same set as the provider's default tags."""
    return {
        **dict(sorted(spec.tags.items())),
        tags.VLAB: spec.vlab_id,
        tags.PROJECT: spec.project_id,
        tags.OWNER: spec.owner_or_default,
        tags.MANAGED_BY: tags.ENGINE,
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("engine.workspace"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["literal"] = lambda text: _quoted(terraform_literal(text))
    environment.filters["reference"] = _quoted
    return environment


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar on one line: JSON's, but right beyond JSON's characters too."""
    quoted: str = yaml.dump(text, default_style='"', allow_unicode=True, width=sys.maxsize)
    return quoted.rstrip("\n")
