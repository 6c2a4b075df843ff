"""What the ParallelCluster provider does behind `Custom::PclusterCluster`: create, update, delete clusters.

Every operation answers later, through a callback, as the provider's Lambda and its poller do.
Source: ParallelCluster 3.16.1 and the custom-resource template, as collected in the facts, section 1.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.local import pcluster_validation
from engine.local.accounting import AccountingDatabase
from engine.local.cluster_stack import REASON_LENGTH, ClusterStack
from engine.local.faults import Fault
from engine.local.fsx_api import FsxApi
from engine.local.pcluster_cluster import Cluster, log_group_name, stack_template
from engine.local.pcluster_config import dig
from engine.local.pcluster_ground import Ground
from engine.local.pcluster_update import refusals
from engine.local.provider_stack import ProviderStack
from engine.local.world import World
from engine.model.cluster_updates import as_strings

log = logging.getLogger(__name__)
COMMON = {
    "ServiceToken",
    "ClusterName",
    "ClusterConfiguration",
    "DeletionPolicy",
    "Region",
    "SuppressValidators",
    "ValidationFailureLevel",
}


@dataclass(frozen=True)
class Outcome:
    """How an operation ended.

    data     attributes for Fn::GetAtt
    reason   why it failed, at most 256 characters, as CloudFormation cuts it
    touched  False when the cluster is as it was before (refused), True when something was changed
    """

    ok: bool
    data: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    touched: bool = True


Done = Callable[[Outcome], None]


class Clusters:
    def __init__(self, world: World, fsx: FsxApi, accounting: AccountingDatabase):
        self._world = world
        self._fsx = fsx
        self._accounting = accounting
        self._clusters: dict[tuple[str, str], Cluster] = {}
        world.watchers.append(self._watch)

    def create(
        self, region: str, properties: dict[str, Any], *, parent: str, tags: dict[str, str], done: Done
    ) -> None:
        """properties  of the custom resource, scalars already strings
        parent      name of the stack the resource is in
        tags        of that stack; they reach the cluster's configuration
        """
        name = str(properties.get("ClusterName", ""))
        extra = sorted(set(properties) - COMMON - {"RollbackOnFailure"})
        config = _with_tags(properties.get("ClusterConfiguration"), tags)
        problem = self._property_problem(region, properties, extra, name, parent)
        if problem is None and self._stack_named(region, name):
            problem = f"cluster {name} already exists"
        messages = [problem] if problem else self._config_problems(region, properties, name, config)
        if messages:
            self._refuse(done, messages, validation=problem is None)
            return
        cluster = self._start(region, name, config, self._version(region, properties))
        cluster.step = self._world.agenda.at(
            self._world.now() + self._world.durations.cluster_create_s,
            lambda at: self._created(cluster, properties, at, done),
        )

    def update(
        self,
        region: str,
        old: dict[str, Any],
        new: dict[str, Any],
        *,
        parent: str,
        tags: dict[str, str],
        done: Done,
    ) -> None:
        name = str(new.get("ClusterName", ""))
        extra = sorted(set(new) - COMMON - {"ForceUpdate"})
        problem = self._property_problem(region, new, extra, name, parent)
        if old.get("ServiceToken") != new.get("ServiceToken"):
            problem = "Modifying service token is not allowed."
        elif old.get("ClusterName") != name:
            problem = "Cannot update the ClusterName."
        cluster = self._clusters.get((region, name))
        if problem is None and cluster is None:
            problem = f"Cluster '{name}' does not exist or belongs to another ParallelCluster major version."
        # The provider's stack may have been updated to another release; its token stays the same.
        if problem is None and cluster and self._version(region, new) != cluster.version:
            problem = (
                "Bad Request: the update can be performed only with the same ParallelCluster version "
                f"({cluster.version}) used to create the cluster."
            )
        config = _with_tags(new.get("ClusterConfiguration"), tags)
        messages = [problem] if problem else self._config_problems(region, new, name, config)
        if not messages and cluster and cluster.status.endswith("_IN_PROGRESS"):
            messages = [f"Cannot execute update while stack is in {cluster.stack.status} status."]
        if not messages and cluster:
            messages = refusals(cluster.config, config, fleet_status=cluster.fleet_status())
        if messages or cluster is None:
            self._refuse(done, messages, validation=problem is None)
            return
        if config == cluster.config:
            self._later(0.0, lambda: done(Outcome(True, cluster.attributes(), touched=False)))
            return
        cluster.status = "UPDATE_IN_PROGRESS"
        cluster.stack.turn("UPDATE_IN_PROGRESS", "User Initiated")
        cluster.step = self._world.agenda.at(
            self._world.now() + self._world.durations.cluster_update_s,
            lambda at: self._updated(cluster, new, config, at, done),
        )

    def delete(self, region: str, properties: dict[str, Any], *, done: Done) -> None:
        """A cluster that is not there counts as deleted; DeletionPolicy Retain leaves it alone.

        All of that is the provider's word: without its function CloudFormation can delete nothing.
        """
        if self._provider(region, properties.get("ServiceToken")) is None:
            self._refuse(done, [_function_not_found(properties.get("ServiceToken"))], validation=False)
            return
        cluster = self._clusters.get((region, str(properties.get("ClusterName", ""))))
        if cluster is None or properties.get("DeletionPolicy") == "Retain":
            self._later(0.0, lambda: done(Outcome(True)))
            return
        self._begin_delete(cluster, properties, done)

    def answers(self, region: str, properties: dict[str, Any]) -> bool:
        """Whether there is a function behind the resource's token."""
        return self._provider(region, properties.get("ServiceToken")) is not None

    def delete_stack(self, region: str, name: str) -> None:
        """The cluster's own stack is deleted from outside its parent."""
        cluster = self._clusters.get((region, name))
        if cluster and cluster.status != "DELETE_IN_PROGRESS":
            self._begin_delete(cluster, {}, lambda _: None)

    def _start(self, region: str, name: str, config: dict[str, Any], version: str) -> Cluster:
        from moto.cloudformation.utils import generate_stack_id

        now, backend = self._world.now(), self._world.backends.cloudformation(region)
        tags = {str(tag["Key"]): str(tag.get("Value", "")) for tag in dig(config, "Tags", default=[]) or []}
        stack = ClusterStack(
            stack_id=generate_stack_id(name, region, self._world.account_id),
            name=name,
            template=stack_template(name),
            parameters={},
            account_id=self._world.account_id,
            region_name=region,
            tags=tags | {"parallelcluster:cluster-name": name, "parallelcluster:version": version},
        )
        backend.stacks[stack.stack_id] = stack
        stack.turn("CREATE_IN_PROGRESS", "User Initiated")
        cluster = Cluster(
            self._world,
            region,
            name,
            version,
            config,
            stack,
            now,
            now,
            log_group_name(name, now),
        )
        self._clusters[region, name] = cluster
        cluster.build()
        return cluster

    def _created(self, cluster: Cluster, properties: dict[str, Any], at: float, done: Done) -> None:
        failure = self._bootstrap_failure(cluster)
        if failure:
            code, sentence = failure
            cluster.log("chef-client", f"cluster {cluster.name}: {code}: {sentence}")
            cluster.script_failed(code, sentence)
            log.warning("cluster %s failed: %s: %s", cluster.name, code, sentence)
            cluster.status = "CREATE_FAILED"
            cluster.stack.turn(
                "CREATE_FAILED", "The following resource(s) failed to create: [HeadNodeWaitCondition]."
            )
            cluster.stack.turn("ROLLBACK_IN_PROGRESS", None)
            cluster.stack.turn("ROLLBACK_COMPLETE", None)
            done(self._polled_failure(cluster, properties, code))
            return
        cluster.log("chef-client", f"cluster {cluster.name}: head node is configured")
        cluster.status = "CREATE_COMPLETE"
        cluster.updated = at
        cluster.stack.turn("CREATE_COMPLETE")
        cluster.show_outputs()
        done(Outcome(True, cluster.attributes()))

    def _bootstrap_failure(self, cluster: Cluster) -> tuple[str, str] | None:
        """ParallelCluster's failure code and what the head node would log when it cannot finish."""
        fault = self._world.faults.take(cluster.name, "create")
        if fault:
            return fault.failure_code, "ordered by the local cloud's failure list."
        ground = self._ground(cluster.region)
        problem = ground.accounting_problem(cluster.name, cluster.config)
        if problem:
            return "HeadNodeBootstrapFailure", f"{problem}, port 6819 refused."
        for event in ("OnNodeStart", "OnNodeConfigured"):
            action = dig(cluster.config, "HeadNode", "CustomActions", event, default={})
            for step in action.get("Sequence", [action] if action else []):
                if not ground.object_exists(str(step.get("Script"))):
                    return f"{event}DownloadFailure", f"failed to download {step.get('Script')}."
        return None

    def _updated(
        self, cluster: Cluster, properties: dict[str, Any], config: dict[str, Any], at: float, done: Done
    ) -> None:
        fault = self._world.faults.take(cluster.name, "update")
        cluster.updated = at
        if fault:
            cluster.status = "UPDATE_FAILED"
            cluster.stack.turn("UPDATE_ROLLBACK_IN_PROGRESS", "ordered by the local cloud's failure list")
            cluster.stack.turn("UPDATE_ROLLBACK_COMPLETE")
            done(self._polled_failure(cluster, properties))
            return
        cluster.config = config
        cluster.status = "UPDATE_COMPLETE"
        cluster.stack.turn("UPDATE_COMPLETE")
        done(Outcome(True, cluster.attributes()))

    def _begin_delete(self, cluster: Cluster, properties: dict[str, Any], done: Done) -> None:
        if cluster.step:
            cluster.step.cancel()
        cluster.status = "DELETE_IN_PROGRESS"
        cluster.stack.turn("DELETE_IN_PROGRESS", "User Initiated")
        cluster.step = self._world.agenda.at(
            self._world.now() + self._world.durations.cluster_delete_s,
            lambda _: self._deleted(cluster, properties, done),
        )

    def _deleted(self, cluster: Cluster, properties: dict[str, Any], done: Done) -> None:
        fault: Fault | None = self._world.faults.take(cluster.name, "delete")
        if fault:
            cluster.status = "DELETE_FAILED"
            cluster.stack.turn("DELETE_FAILED", "ordered by the local cloud's failure list")
            done(self._polled_failure(cluster, properties))
            return
        cluster.remove()
        cluster.stack.turn("DELETE_COMPLETE")
        backend = self._world.backends.cloudformation(cluster.region)
        backend.stacks.pop(cluster.stack.stack_id, None)
        backend.deleted_stacks[cluster.stack.stack_id] = cluster.stack
        self._clusters.pop((cluster.region, cluster.name), None)
        done(Outcome(True))

    def _polled_failure(self, cluster: Cluster, properties: dict[str, Any], code: str = "") -> Outcome:
        """What the provider's poller says of a cluster that failed; only a failed create has a code.

        Source   ParallelCluster's custom_resource/cluster.yaml, poll
        """
        provider = self._provider(cluster.region, properties.get("ServiceToken"))
        log_group = provider.log_group if provider else ""
        return _failed(f"{cluster.name}: {code} (LogGroup: {log_group})")

    def _property_problem(
        self, region: str, properties: dict[str, Any], extra: list[str], name: str, parent: str
    ) -> str | None:
        if self._provider(region, properties.get("ServiceToken")) is None:
            return _function_not_found(properties.get("ServiceToken"))
        if extra:
            return f"got unexpected arguments: {', '.join(extra)}"
        if not name or not isinstance(properties.get("ClusterConfiguration"), dict):
            return "ClusterName and ClusterConfiguration are required."
        if name == parent:
            return f"ClusterName must differ from the name of the stack it is in ({parent})."
        return None

    def _provider(self, region: str, token: Any) -> ProviderStack | None:
        """The provider stack of this region that gave the token out, while its function is there."""
        for stack in self._world.backends.cloudformation(region).stacks.values():
            if isinstance(stack, ProviderStack) and stack.stands and stack.service_token == token:
                return stack
        return None

    def _version(self, region: str, properties: dict[str, Any]) -> str:
        """A cluster is of the release of the provider that makes it; the token has been checked."""
        provider = self._provider(region, properties.get("ServiceToken"))
        return provider.version if provider else ""

    def _stack_named(self, region: str, name: str) -> bool:
        return any(
            stack.name == name for stack in self._world.backends.cloudformation(region).stacks.values()
        )

    def _config_problems(
        self, region: str, properties: dict[str, Any], name: str, config: dict[str, Any]
    ) -> list[str]:
        release = self._version(region, properties)
        return pcluster_validation.problems(name, config) or self._ground(region).problems(config, release)

    def _ground(self, region: str) -> Ground:
        return Ground(self._world.backends, region, self._fsx.store(region), self._accounting)

    def _refuse(self, done: Done, messages: list[str], *, validation: bool) -> None:
        text = "; ".join(messages)
        log.warning("cluster operation refused: %s", text)
        reason = f"Bad Request: Configuration is invalid. {text}" if validation else text
        self._later(0.0, lambda: done(_failed(reason, touched=False)))

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._world.after(seconds, lambda _: action())

    def _watch(self, _: float) -> None:
        for cluster in self._clusters.values():
            cluster.advance_fleet()


def _function_not_found(token: Any) -> str:
    return f"Custom Resource failed to invoke: function not found: {token}"


def _failed(reason: str, *, touched: bool = True) -> Outcome:
    text = f"Received response status [FAILED] from custom resource. Message returned: {reason}"
    return Outcome(False, reason=text[:REASON_LENGTH], touched=touched)


def _with_tags(config: Any, stack_tags: dict[str, str]) -> dict[str, Any]:
    """The configuration with the stack's tags and the provider's mark; its own tags win."""
    if not isinstance(config, dict):
        return {}
    own = {str(tag.get("Key")): tag.get("Value") for tag in config.get("Tags") or [] if isinstance(tag, dict)}
    inherited = {key: value for key, value in stack_tags.items() if not key.startswith("aws:")}
    tags = inherited | own | {"parallelcluster:custom_resource": "cluster"}
    made: dict[str, Any] = as_strings(
        config | {"Tags": [{"Key": k, "Value": v} for k, v in sorted(tags.items())]}
    )
    return made
