"""What the changes of a cluster's configuration mean for the cluster that runs.

The rules are AWS's, see engine/model/cluster_updates.py; for the node configuration they are our own
software's, see engine/model/cluster_fields.py. Here they are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.cluster_fields import fixed_on_nodes, reached_by
from engine.model.cluster_updates import (
    DEFAULT_STRATEGY,
    Need,
    cluster_changes,
    is_seeming,
    queue_update_strategy,
)
from engine.review.model import NODE_CONFIG, ClusterUpdate
from engine.review.values import parsed_json

CUSTOM_RESOURCE = "Custom::PclusterCluster"
_FIXED: Mapping[str, tuple[str, ...]] = {
    "ClusterName": (),
    "ServiceToken": ("setting pcluster_provider_stack",),
}
"""Properties beside the configuration that can't be changed, and the fields that reach them."""


def cluster_updates(
    address: str, before: Any, after: Any, *, own_queues: bool = False
) -> tuple[ClusterUpdate, ...]:
    """What differs in the cluster configuration between both sides of a stack; empty where that is hidden.

    own_queues   whether the spec has queues in place of a tier; only the fields that are named hang on it
    """
    old, new = cluster_properties(before), cluster_properties(after)
    return tuple(_updates(address, old, new, own_queues)) if old and new else ()


def cluster_name(side: Any) -> str:
    """The cluster's name in one side of a stack, "CLUSTER" where that is not known."""
    return str(cluster_properties(side).get("ClusterName") or "CLUSTER")


def node_updates(address: str, before: Any, after: Any) -> tuple[ClusterUpdate, ...]:
    """What differs in the node configuration, and nodes go by only when their cluster is made.

    address         of the cluster
    before, after   both sides of an S3 object; empty for any other object, and where the text is hidden
    """
    old, new = _node_config(before), _node_config(after)
    sides = ((place, field, _at(old, place), _at(new, place)) for place, field in fixed_on_nodes().items())
    return tuple(
        ClusterUpdate(address, f"{NODE_CONFIG}: {place}", (field,), Need.NEW_CLUSTER, DEFAULT_STRATEGY)
        for place, field, was, becomes in sides
        # A place that only one of them has is of another release of the engine.
        if was is not None and becomes is not None and was != becomes
    )


def cluster_properties(side: Any) -> Mapping[str, Any]:
    """Properties of the cluster in a stack's template; empty where there is none, or it is not known."""
    template = parsed_json(side.get("template_body")) if isinstance(side, Mapping) else None
    resources = template.get("Resources") if isinstance(template, Mapping) else None
    for resource in (resources or {}).values() if isinstance(resources, Mapping) else ():
        if isinstance(resource, Mapping) and resource.get("Type") == CUSTOM_RESOURCE:
            properties = resource.get("Properties")
            return properties if isinstance(properties, Mapping) else {}
    return {}


def cluster_configuration(side: Any) -> Mapping[str, Any]:
    """The cluster's configuration in a stack's template; empty where there is none, or it is not known."""
    configuration = cluster_properties(side).get("ClusterConfiguration")
    return configuration if isinstance(configuration, Mapping) else {}


def sentences(updates: tuple[ClusterUpdate, ...]) -> tuple[str, ...]:
    """The consequences in plain words, alike ones together: "Live, while jobs run: Tags[owner].Value."."""
    keys: dict[str, list[str]] = {}
    for update in updates:
        keys.setdefault(update.says, []).append(update.key)
    return tuple(f"{says}: {', '.join(named)}." for says, named in keys.items())


def _updates(
    address: str, old: Mapping[str, Any], new: Mapping[str, Any], own_queues: bool
) -> Iterator[ClusterUpdate]:
    before, after = (side.get("ClusterConfiguration") or {} for side in (old, new))
    strategy = queue_update_strategy(after)
    for change in cluster_changes(before, after):
        if is_seeming(change, before, after):
            continue
        fields = reached_by(change.difference.place, own_queues=own_queues)
        yield ClusterUpdate(address, str(change), fields, change.need, strategy)
    for name, fields in _FIXED.items():
        if old.get(name) != new.get(name):
            yield ClusterUpdate(address, name, fields, Need.NEW_CLUSTER, strategy)


def _node_config(side: Any) -> Any:
    if not isinstance(side, Mapping) or not str(side.get("key")).endswith(f"/{NODE_CONFIG}"):
        return None
    return parsed_json(side.get("content"))


def _at(document: Any, place: str) -> Any:
    for key in place.split("."):
        document = document.get(key) if isinstance(document, Mapping) else None
    return document
