"""Who may sign in to a project's cluster: the keys of its administrators and of the workflow's user."""

from __future__ import annotations

from engine.aws import buckets, clusters, keys
from engine.model import tags
from engine.model.names import Names
from engine.model.spec import ProjectSpec
from engine.operations.place import Place


def ensure_keys(place: Place, names: Names, spec: ProjectSpec) -> None:
    """Make sure of both key pairs, and of the file that opens the workflow's user on the head node.

    Raises   as `keys.ensure_key_pair`
    """
    in_use = clusters.describe_cluster(place.cloud, cluster_name=names.cluster, stack_name=names.stack).exists
    marks = {
        tags.VLAB: spec.vlab_id,
        tags.PROJECT: spec.project_id,
        tags.OWNER: spec.owner_or_default,
        tags.MANAGED_BY: tags.ENGINE,
    }
    keys.ensure_key_pair(
        place.cloud, key_name=names.key_pair, secret_name=names.key_secret, in_use=in_use, tags=marks
    )
    user_key = keys.ensure_key_pair(
        place.cloud,
        key_name=names.user_key_pair,
        secret_name=names.user_key_secret,
        in_use=in_use,
        tags=marks,
    )
    line = f"{user_key.public_line} {place.settings.user_name}@{names.cluster}\n"
    buckets.keep_object(place.cloud, place.settings.nodes_bucket, names.authorized_keys_key, line.encode())


def hand_in_keys(place: Place, names: Names) -> None:
    """Delete what `ensure_keys` makes, for good; the cluster must be gone. Repeating it is safe."""
    buckets.remove_object(place.cloud, place.settings.nodes_bucket, names.authorized_keys_key)
    keys.delete_key_pair(place.cloud, key_name=names.user_key_pair, secret_name=names.user_key_secret)
    keys.delete_key_pair(place.cloud, key_name=names.key_pair, secret_name=names.key_secret)
