"""Reading a Terraform state as `terraform state pull` gives it (state format version 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# `provider["registry.terraform.io/hashicorp/aws"]`, behind a module's address where it stands in one.
_PROVIDER = re.compile(r'provider\["([^/"]+)/')


@dataclass(frozen=True)
class Instance:
    """One resource instance of the state. attributes: all that Terraform knows of it, secrets included."""

    address: str
    type: str
    id: str
    tainted: bool
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)


def instances(state: Mapping[str, Any]) -> Iterator[Instance]:
    """Every managed resource instance; none for an empty state."""
    for resource in state.get("resources", ()):
        if resource.get("mode") != "managed":
            continue
        for instance in resource.get("instances", ()):
            attributes = instance.get("attributes") or {}
            yield Instance(
                address=_address(resource, instance),
                type=resource["type"],
                id=str(attributes.get("id", "")),
                tainted=instance.get("status") == "tainted",
                attributes=attributes,
            )


def tainted_instances(state: Mapping[str, Any]) -> list[Instance]:
    """What Terraform would replace because it was interrupted."""
    return [instance for instance in instances(state) if instance.tainted]


def provider_hosts(state: Mapping[str, Any]) -> set[str]:
    """The registries that the state's resources name their providers by, such as "registry.terraform.io"."""
    named = (str(resource.get("provider", "")) for resource in state.get("resources", ()))
    return {found[1] for provider in named if (found := _PROVIDER.search(provider))}


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    module = f"{resource['module']}." if resource.get("module") else ""
    key = instance.get("index_key")
    index = "" if key is None else f'["{key}"]' if isinstance(key, str) else f"[{key}]"
    return f"{module}{resource['type']}.{resource['name']}{index}"
