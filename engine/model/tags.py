"""The tags by which people, bills and the engine find things, defined once.

Terraform gets them as modules/discovery/tags.json, which `make schemas` writes from here.

Tag values keep to the characters that every AWS service takes: letters, digits, spaces and
`+ - = . _ : / @` (AWS Resource Groups Tagging, "Tag naming limits").
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from engine.model.fields import refused
from engine.model.wording import shown

if TYPE_CHECKING:
    from engine.model.settings import Settings
    from engine.model.spec import ProjectSpec

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

MAX_TAGS = 30
"""Of people's own on one project: AWS takes 50 on most things, with ours and ParallelCluster's among them."""
MAX_PROJECT_TAGS = 14
"""Of an installation on every project: with 30 of a spec and 6 of ours AWS's 50 are full. A release does not
check the spec, and must not meet that limit half-way."""
KEY_LENGTH, VALUE_LENGTH = 128, 256

# Of everything below U+0080, what a tag may not hold. Letters and digits of other scripts are fine;
# JSON Schema's regular expressions can't name them portably, so the schema checks ASCII only.
ASCII_PATTERN = r"^[^\u0000-\u001f!-*,;<>?\[-^`{-\u009f]*$"
CHARACTERS = "letters, digits, spaces and + - = . _ : / @"
_RESERVED_PREFIXES = ("aws:", "parallelcluster:", "provisioner:")


def project_tags(spec: ProjectSpec, settings: Settings) -> dict[str, str]:
    """All tags on what a project owns: people's own, and ours on top."""
    return {
        **dict(sorted(own_tags(spec, settings).items())),
        VLAB: spec.vlab_id,
        PROJECT: spec.project_id,
        OWNER: spec.owner_or_default,
        MANAGED_BY: ENGINE,
    }


def own_tags(spec: ProjectSpec, settings: Settings) -> dict[str, str]:
    """The installation's (setting `project_tags`), and the spec's in their place and beside them.

    To IAM, which keeps the tags of the cluster's roles, keys that differ in case alone are one key.
    """
    in_spec = {key.lower() for key in spec.tags}
    of_installation = {
        key: filled(value, vlab_id=spec.vlab_id, project_id=spec.project_id)
        for key, value in settings.project_tags.items()
        if key.lower() not in in_spec
    }
    return of_installation | spec.tags


def filled(value: str, *, vlab_id: str, project_id: str) -> str:
    """A value of the setting `project_tags`, for this project."""
    return value.replace("{vlab_id}", vlab_id).replace("{project_id}", project_id)


def check_text(text: str, longest: int) -> None:
    """Refuse what no tag may be."""
    if len(text) > longest:
        raise refused(f"has {len(text)} characters", allowed=f"at most {longest} characters")
    if text != text.strip():
        raise refused(f"{shown(text)} has white space at its beginning or end")
    check_characters(text, of=text)


def check_characters(text: str, *, of: str) -> None:
    """Refuse characters that no tag may hold; `of` is the whole text, for the message."""
    for character in text:
        if character not in " +-=._:/@" and unicodedata.category(character)[0] not in "LN":
            raise refused(f"{shown(of)} contains {character!r}", allowed=CHARACTERS)


def check_key(key: str) -> str:
    """A key that people may give."""
    if not key:
        raise refused("has an empty key", allowed=f"keys of 1 to {KEY_LENGTH} characters")
    check_text(key, KEY_LENGTH)
    if key.lower().startswith(_RESERVED_PREFIXES):
        raise refused(
            f"{shown(key)} has a reserved prefix",
            allowed="keys that do not begin with " + ", ".join(_RESERVED_PREFIXES),
        )
    if key == "Name":
        raise refused("'Name' is set by the provisioner", allowed="any other key")
    return key


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
