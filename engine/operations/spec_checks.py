"""Whether the installation can make what a spec asks for, before anything is recorded of it."""

from __future__ import annotations

from engine.aws import clusters
from engine.errors import FieldProblem, InvalidSpec
from engine.model import tags
from engine.model.node_checks import check_nodes
from engine.model.spec import ProjectSpec
from engine.model.tiers import chosen_tier
from engine.operations.place import Place


def check_spec(place: Place, spec: ProjectSpec) -> None:
    """Look whether nodes as the spec asks for can be made, and all can have its tags. AWS is asked for the
    release of the project's cluster alone, and only where an older release has an image of its own
    (`custom_amis`).

    Raises   InvalidSpec; AccessDenied, Unreachable or BackendError where AWS is asked
    """
    settings = place.settings
    if settings.custom_amis:
        version = clusters.standing_version(place.cloud, place.names_of(spec).cluster)
        settings = settings.of_release(version or settings.pcluster_version)
    check_nodes(spec, settings, chosen_tier(place.catalogue, spec))
    _check_tags(place, spec)


def _check_tags(place: Place, spec: ProjectSpec) -> None:
    """Ours, ParallelCluster's and all of these must fit on what takes 50."""
    together = len(tags.own_tags(spec, place.settings))
    if together > tags.MAX_TAGS:
        raise InvalidSpec(
            f"{spec.project} would have too many tags.",
            [
                FieldProblem(
                    "tags",
                    f"has {len(spec.tags)} entries, and the setting project_tags adds "
                    f"{together - len(spec.tags)}",
                    f"at most {tags.MAX_TAGS} together",
                )
            ],
        )
