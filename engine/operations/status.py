"""What the registry and AWS say of projects, together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.aws import addresses, clusters, filesystems, key_secrets
from engine.aws.registry import PassedOver, Phase, ProjectRecord
from engine.errors import BackendError
from engine.model.aws_commands import update_fleet
from engine.model.spec import LustreStorage, ProjectSpec
from engine.operations import records
from engine.operations.place import Place


@dataclass(frozen=True)
class ProjectStatus:
    """One project: what was asked, and what there is.

    fleet   status of the compute fleet in ParallelCluster's terms; None unless the cluster is ready, and
            where AWS did not tell
    """

    record: ProjectRecord
    spec: ProjectSpec
    cluster: clusters.ClusterStatus
    lustre: str | None
    address: str | None
    bucket: str
    key_secret: str
    user: str
    user_key_secret: str
    user_key_arn: str | None
    version_for_new: str
    key_arn: str | None = None
    fleet: str | None = None
    region: str = ""

    @property
    def failure_reasons(self) -> tuple[str, ...]:
        """Why the cluster failed, or can run no jobs, in one line each."""
        reasons = self.cluster.failure_reasons
        return (*reasons, self._why_no_nodes) if self.fleet == clusters.PROTECTED else reasons

    @property
    def _why_no_nodes(self) -> str:
        cluster = self.cluster.cluster_name
        command = update_fleet(cluster, "START_REQUESTED", region=self.region)
        return (
            "Compute nodes of a queue failed to start time after time, so ParallelCluster starts no more "
            "there, and jobs wait for ever (compute fleet PROTECTED). Read the streams ….cloud-init-output "
            f"in the log group /aws/parallelcluster/{cluster}-<date>: where a script of ours failed, a line "
            f"with node.sh says why. Mend that, and start the fleet again: `{command}`."
        )

    @property
    def newer_version(self) -> str | None:
        """The settings' ParallelCluster release where it is newer than the cluster's: a release and an
        apply move the project to it."""
        there = self.cluster.version
        return self.version_for_new if there and _order(there) < _order(self.version_for_new) else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; keys are stable."""
        return {
            "vlab_id": self.record.vlab_id,
            "project_id": self.record.project_id,
            "phase": str(self.record.phase),
            "message": self.record.message,
            "tier": self.spec.tier,
            "storage": self.spec.storage.kind,
            "created_at": self.record.created_at.isoformat(),
            "updated_at": self.record.updated_at.isoformat(),
            "purge_at": self.record.purge_at.isoformat() if self.record.purge_at else None,
            "cluster": {
                "name": self.record.cluster,
                "status": self.cluster.status,
                "stack_status": self.cluster.stack_status,
                "version": self.cluster.version,
                "newer_version": self.newer_version,
                "head_node_private_ip": self.cluster.head_node_private_ip,
                "head_node_state": self.cluster.head_node_state,
                "compute_fleet": self.fleet,
                "failure_reasons": list(self.failure_reasons),
            },
            "lustre": self.lustre,
            "address_block": self.address,
            "bucket": self.bucket,
            "ssh_key_secret": self.key_secret if self.record.phase is not Phase.PARKED else None,
            "ssh_key_arn": self.key_arn,
            "user": {
                "name": self.user,
                "ssh_key_secret": self.user_key_secret if self.user_key_arn else None,
                "ssh_key_arn": self.user_key_arn,
            },
        }


def project_status(place: Place, vlab_id: str, project_id: str) -> ProjectStatus:
    """One project in full.

    Raises   UnknownProject, BackendError
    """
    record = records.record_of(place, vlab_id, project_id)
    spec = records.spec_of(record)
    names = place.names(vlab_id, project_id)
    claim = addresses.get_claim(place.cloud, place.settings.registry_table, project=record.project)
    lustre = (
        filesystems.find_lustre(place.cloud, name=names.lustre)
        if isinstance(spec.storage, LustreStorage)
        else None
    )
    key = key_secrets.find_secret(place.cloud, names.key_secret)
    user_key = key_secrets.find_secret(place.cloud, names.user_key_secret)
    cluster = clusters.describe_cluster(place.cloud, cluster_name=names.cluster, stack_name=names.stack)
    return ProjectStatus(
        record=record,
        spec=spec,
        cluster=cluster,
        lustre=f"{lustre.id} {lustre.lifecycle}" if lustre else None,
        address=claim.cidr if claim else None,
        bucket=place.names_of(spec).bucket,
        key_secret=names.key_secret,
        user=place.settings.user_name,
        user_key_secret=names.user_key_secret,
        user_key_arn=user_key.arn if user_key and not user_key.going else None,
        version_for_new=place.settings.pcluster_version,
        key_arn=key.arn if key and not key.going else None,
        fleet=_fleet(place, cluster),
        region=place.settings.region,
    )


def _fleet(place: Place, cluster: clusters.ClusterStatus) -> str | None:
    """Nobody waits long for it, and all else is told without it."""
    if not cluster.ready:
        return None
    try:
        return clusters.fleet_status(place.cloud.impatient(), cluster.cluster_name)
    except BackendError:
        return None


def _order(version: str) -> tuple[int, ...]:
    """A release as numbers: 3.9.0 comes before 3.16.1."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", version))


@dataclass(frozen=True)
class Listed:
    """tier, storage: None where a newer version of the engine has written the record otherwise."""

    record: ProjectRecord
    tier: str | None
    storage: str | None
    cluster_status: str | None
    cluster_version: str | None


def list_projects(place: Place, *, passed_over: PassedOver | None = None) -> Iterator[Listed]:
    """Every project of the registry with its cluster's status; AWS is asked once for all of them.

    passed_over   as for Registry.list
    """
    summaries = clusters.cluster_summaries(place.cloud)
    for record in place.registry.list(passed_over=passed_over):
        yield _listed(record, summaries.get(record.cluster))


def list_page(
    place: Place, *, limit: int, after: str | None, passed_over: PassedOver | None = None
) -> tuple[list[Listed], str | None]:
    """Some projects of the registry, and where the next ones begin; see Registry.page.

    AWS is not asked for the cluster of a parked project: most projects are parked, and have none. Where it
    names one unasked, it is told.
    """
    found, last = place.registry.page(limit=limit, after=after, passed_over=passed_over)
    wanted = [record.cluster for record in found if record.phase is not Phase.PARKED]
    summaries = clusters.summaries_of(place.cloud, wanted) if found else {}
    return [_listed(record, summaries.get(record.cluster)) for record in found], last


def _asked_for(record: ProjectRecord) -> tuple[str | None, str | None]:
    """Tier and kind of storage, read without the rest: one spec that this version can't read must not keep
    all other projects from being listed."""
    try:
        spec = json.loads(record.spec_json)
        return spec.get("tier"), spec.get("storage", {}).get("kind")
    except (AttributeError, ValueError):
        return None, None


def _listed(record: ProjectRecord, found: clusters.ClusterSummary | None) -> Listed:
    tier, storage = _asked_for(record)
    return Listed(
        record,
        tier,
        storage,
        found.status if found else None,
        found.version if found else None,
    )
