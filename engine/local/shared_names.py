"""Names of the shared infrastructure that the local cloud seeds; the same defaults as the settings."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from engine.model import tags

ENDPOINT_SERVICES = (
    "cloudformation",
    "ec2",
    "logs",
    "secretsmanager",
    "monitoring",
    "ssm",
    "ssmmessages",
    "elasticfilesystem",
    "fsx",
    "sts",
)
GATEWAY_SERVICES = ("s3", "dynamodb")


@dataclass(frozen=True)
class SharedNames:
    """Where the seed puts things.

    account_id          12 digits; moto's
    vpc_cidr            the shared VPC; projects get their blocks inside it
    main_vpc_cidr       where the Workflow Service lives: let in to head nodes
    project_cidrs       blocks of it from which projects get their subnets, kept apart from each other
    endpoint_cidrs      subnets of the interface endpoints and the database, one per zone
    public_bucket       "" for provisioner-public-<account>-<region>; the nodes bucket likewise
    """

    account_id: str = "123456789012"
    region: str = "us-east-1"
    vpc_cidr: str = "10.42.0.0/16"
    main_vpc_cidr: str = "10.0.0.0/16"
    project_cidrs: tuple[str, ...] = ("10.42.64.0/18", "10.42.128.0/17")
    endpoint_cidrs: tuple[str, ...] = ("10.42.0.0/24", "10.42.1.0/24")
    public_bucket: str = ""
    nodes_bucket: str = ""
    accounting_database: str = "provisioner-slurm-accounting"
    accounting_function: str = "provisioner-accounting"
    pcluster_version: str = "3.16.1"
    pcluster_provider_stack: str = ""

    @property
    def bucket(self) -> str:
        return self.public_bucket or f"provisioner-public-{self.account_id}-{self.region}"

    @property
    def bucket_of_nodes(self) -> str:
        return self.nodes_bucket or f"provisioner-nodes-{self.account_id}-{self.region}"

    @property
    def provider_stack(self) -> str:
        return (
            self.pcluster_provider_stack
            or f"parallelcluster-provider-{self.pcluster_version.replace('.', '-')}"
        )

    @classmethod
    def from_json(cls, text: str) -> SharedNames:
        """Names from a JSON object of some of the fields. Raises ValueError."""
        values = json.loads(text)
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) - known:
            raise ValueError(f"the seed must be a JSON object with some of {', '.join(sorted(known))}")
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**values | lists)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


SHARED_TAGS = {
    "vpc": {tags.SHARED: tags.SHARED_VPC, "Name": "provisioner-shared"},
    "route_table": {tags.SHARED: tags.SHARED_ROUTE_TABLE, "Name": "provisioner-projects"},
    "endpoint_access": {tags.SHARED: tags.SHARED_ENDPOINT_ACCESS, "Name": "provisioner-endpoint-access"},
    "accounting_access": {
        tags.SHARED: tags.SHARED_ACCOUNTING_ACCESS,
        "Name": "provisioner-accounting-access",
    },
    "workflow_access": {
        tags.SHARED: tags.SHARED_WORKFLOW_ACCESS,
        "Name": "provisioner-workflow-access",
    },
}
