"""The tags by which people, bills and the engine find things, defined once.

Terraform gets them as modules/discovery/tags.json, which `make schemas` writes from here.

Tag values keep to the characters that every AWS service takes: letters, digits, spaces and
`+ - = . _ : / @` (AWS Resource Groups Tagging, "Tag naming limits").
"""

from __future__ import annotations

import re

VLAB = "provisioner:vlab"
PROJECT = "provisioner:project"
OWNER = "provisioner:owner"
ADDRESS = "provisioner:address"
MANAGED_BY = "provisioner:managed-by"
SHARED = "provisioner:shared"

ENGINE = "parallelcluster-provisioner"

# Values of the SHARED tag: one resource of the shared ground each, found exactly once per region.
SHARED_VPC = "vpc"
SHARED_ROUTE_TABLE = "project-route-table"
SHARED_ENDPOINT_ACCESS = "endpoint-access"
SHARED_ACCOUNTING_ACCESS = "accounting-access"
SHARED_WORKFLOW_ACCESS = "workflow-access"


def address_tag(address: str) -> str:
    """A Terraform address written with the characters a tag may hold.

    `module.subnet[0].aws_subnet.this` -> `module.subnet.0.aws_subnet.this`,
    `aws_x.this["public"]` -> `aws_x.this.public`. Encode the planned address and compare;
    the tag is not meant to be decoded.
    """
    return re.sub(r'\["?([^]"]*)"?\]', r".\1", address)


def definitions() -> dict[str, dict[str, str]]:
    """Everything above as data: keys, fixed values, and the value of the SHARED tag by role."""
    return {
        "keys": {
            "vlab": VLAB,
            "project": PROJECT,
            "owner": OWNER,
            "address": ADDRESS,
            "managed_by": MANAGED_BY,
            "shared": SHARED,
        },
        "values": {"managed_by": ENGINE},
        "shared": {
            "vpc": SHARED_VPC,
            "project_route_table": SHARED_ROUTE_TABLE,
            "endpoint_access": SHARED_ENDPOINT_ACCESS,
            "accounting_access": SHARED_ACCOUNTING_ACCESS,
            "workflow_access": SHARED_WORKFLOW_ACCESS,
        },
    }
