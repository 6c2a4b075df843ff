"""A project's two stacks as AWS tells of them: the one around the cluster, and the cluster's own."""

from __future__ import annotations

from engine.aws.clusters import ClusterStatus
from engine.model.names import names_for

NAMES = names_for("lab-1", "proj-1", account_id="123456789012")


def standing(outer: str | None, inner: str | None, *, protected: bool = False) -> ClusterStatus:
    """None: that stack does not exist."""
    return ClusterStatus(NAMES.cluster, inner or outer, outer, inner, None, None, protected=protected)
