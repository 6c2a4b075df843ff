"""Whether the nodes that a spec asks for can be made with what the installation says. Asks nobody."""

from __future__ import annotations

from engine.errors import FieldProblem, InvalidSpec
from engine.model.queues import head_node_refusals, image_refusals
from engine.model.settings import Settings
from engine.model.spec import ProjectSpec
from engine.model.tiers import Tier
from engine.model.wording import path_text


def check_nodes(spec: ProjectSpec, settings: Settings, tier: Tier) -> None:
    """What of the nodes hangs on settings too: whether the head node fits the others, and their images.

    AWS would refuse them only after the storage had been made.
    Raises   InvalidSpec
    """
    queues = tier.resized(spec.compute.max_nodes).queues
    chosen = head_node_type(spec, settings)
    refusals = [
        *head_node_refusals(chosen, queues),
        *image_refusals(chosen, queues, custom_ami=settings.custom_ami),
    ]
    if refusals:
        raise InvalidSpec(
            f"The nodes of {spec.project} can't make a cluster.",
            [FieldProblem(path_text(one.path), one.problem, one.allowed, one.example) for one in refusals],
            hint="Name another head_node.instance_type, or fewer or other compute nodes.",
        )


def head_node_type(spec: ProjectSpec, settings: Settings) -> str:
    """Instance type of the project's head node: the spec's, else the installation's."""
    return spec.head_node.instance_type or settings.head_node_instance_type
