"""What moto finds out the long way, found out the short one; what it answers stays the same.

For each request it lists its own folders on the disk to tell which service is meant, goes through all members
of the service's class to find the function that answers, and spells names letter by letter: about half of
what a short request costs. For the tags of one resource of EC2 it holds a pattern against each tag of each
resource: with 25 projects that was half of all that it did.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    """The last of all: what others have added to moto's classes is among the functions then."""
    import moto.backends
    import moto.core.responses
    import moto.sqs.models
    from moto.ec2.models.core import TaggedEC2Resource
    from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

    folders = tuple(moto.backends.list_of_moto_modules())
    patches.set(moto.backends, "list_of_moto_modules", lambda: folders)
    for module, name in (
        (moto.core.responses, "method_names_from_class"),
        (moto.core.responses, "camelcase_to_underscores"),
        (moto.sqs.models, "camelcase_to_underscores"),
    ):
        patches.set(module, name, cache(getattr(module, name)))

    def tags_of(resource: Any) -> list[dict[str, str]]:
        found = resource.ec2_backend.tags.get(resource.id, {}) if resource.id else {}
        kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "") if found else ""
        return [
            {"resource_id": resource.id, "key": key, "value": value, "resource_type": kind}
            for key, value in found.items()
        ]

    patches.set(TaggedEC2Resource, "get_tags", tags_of)
