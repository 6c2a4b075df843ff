"""Who may sign in to a project's cluster: the keys of its administrators and of the workflow's user."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.aws import buckets, clusters, keys
from engine.aws.failures import PassingFailure
from engine.model import tags
from engine.model.names import Names
from engine.model.spec import ProjectSpec
from engine.operations.place import Place

# The longest that a caller waits for keys that another one makes just now: about six seconds.
_PAUSES_S = (0.1, 0.2, 0.3, 0.5, 0.5, *(1.0,) * 4)


def ensure_keys(place: Place, names: Names, spec: ProjectSpec) -> None:
    """Make sure of both key pairs, and of the file that opens the workflow's user on the head node.

    Raises   as `keys.ensure_key_pair`
    """
    in_use = clusters.describe_cluster(place.cloud, cluster_name=names.cluster, stack_name=names.stack).exists
    marks = tags.project_tags(spec, place.settings)
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


@dataclass(frozen=True)
class KeyArns:
    """ARNs of the secrets with the private keys of the administrators and of the workflow's user."""

    admin: str
    user: str


def offer_keys(
    place: Place, names: Names, spec: ProjectSpec, *, sleep: Callable[[float], None] = time.sleep
) -> KeyArns:
    """Where the private keys are, for a caller who waits: both pairs are made where they are not yet.

    Any number of callers at once get the same answer.
    Raises   PassingFailure when what an interruption left is still to be mended, which the operation does
    """
    marks = tags.project_tags(spec, place.settings)
    wanted = {names.key_pair: names.key_secret, names.user_key_pair: names.user_key_secret}
    arns: dict[str, str] = {}
    for pause_s in (*_PAUSES_S, None):
        for key_name, secret_name in wanted.items():
            if key_name not in arns:
                arn = keys.offer_key_pair(place.cloud, key_name=key_name, secret_name=secret_name, tags=marks)
                if arn is not None:
                    arns[key_name] = arn
        if len(arns) == len(wanted):
            return KeyArns(arns[names.key_pair], arns[names.user_key_pair])
        if pause_s is not None:
            sleep(pause_s)
    raise PassingFailure(
        f"The ssh keys of {names.project} are not there yet: an interruption has left halves of them.",
        hint="The operation mends that. Ask again in a minute.",
    )


def hand_in_keys(place: Place, names: Names) -> None:
    """Delete what `ensure_keys` makes, for good; the cluster must be gone. Repeating it is safe."""
    buckets.remove_object(place.cloud, place.settings.nodes_bucket, names.authorized_keys_key)
    keys.delete_key_pair(place.cloud, key_name=names.user_key_pair, secret_name=names.user_key_secret)
    keys.delete_key_pair(place.cloud, key_name=names.key_pair, secret_name=names.key_secret)
