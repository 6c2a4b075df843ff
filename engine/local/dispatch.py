"""What moto finds out anew for each request, and which is always the same, found out once.

To tell which service a request is for it lists its own folders on the disk; to find the function that answers
it goes through all members of the service's class; and it spells names letter by letter. That is about half
of what a short request costs.
"""

from __future__ import annotations

from functools import cache

from engine.local.patches import Patches


def install(patches: Patches) -> None:
    """The last of all: what others have added to moto's classes is among the functions then."""
    import moto.backends
    import moto.core.responses
    import moto.sqs.models

    folders = tuple(moto.backends.list_of_moto_modules())
    patches.set(moto.backends, "list_of_moto_modules", lambda: folders)
    for module, name in (
        (moto.core.responses, "method_names_from_class"),
        (moto.core.responses, "camelcase_to_underscores"),
        (moto.sqs.models, "camelcase_to_underscores"),
    ):
        patches.set(module, name, cache(getattr(module, name)))
