"""A stack that holds a `Custom::PclusterCluster`: asynchronous, with rollback, as CloudFormation runs it.

Stacks without one keep moto's behaviour. Resources beside the cluster are moto's and are made at once.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

from moto.cloudformation.custom_model import CustomModel
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.parsing import clean_json

from engine.local.clock import utc
from engine.local.cluster_stack import TimedStack
from engine.local.pcluster import Clusters, Outcome
from engine.local.world import World
from engine.model.cluster_updates import as_strings

CLUSTER_TYPE = "Custom::PclusterCluster"


class MissingAttribute(Exception):
    """Fn::GetAtt asked for something the custom resource did not answer with."""


class ClusterResource(CustomModel):
    """The custom resource inside its stack: its properties, and what the provider answered."""

    def __init__(self, properties: dict[str, Any], logical_id: str):
        self.properties: dict[str, Any] = as_strings(properties)
        self.logical_resource_id = logical_id
        self.cf_resource_type = CLUSTER_TYPE
        self.resource_status = "CREATE_IN_PROGRESS"
        self.data: dict[str, Any] = {}
        self.answered_id = ""

    def is_created(self) -> bool:
        return bool(self.data)

    @property
    def physical_resource_id(self) -> str:
        return self.answered_id

    def answer(self, data: dict[str, str]) -> None:
        self.data = dict(data)
        self.answered_id = data.get("cloudformationStackArn", self.answered_id)

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        if attribute_name not in self.data:
            raise MissingAttribute(attribute_name)
        return self.data[attribute_name]

    def delete(self, account_id: str, region_name: str) -> None:
        """The cluster is deleted by its stack's operation, not by moto's resource map."""

    @classmethod
    def create_from_cloudformation_json(cls, *args: Any, **kwargs: Any) -> ClusterResource:
        """args: resource name, template fragment with Properties, account, region."""
        return cls(args[1]["Properties"], kwargs["LogicalId"])

    @classmethod
    def update_from_cloudformation_json(cls, **given: Any) -> ClusterResource:  # type: ignore[override]
        """given: original_resource, cloudformation_json and more that a cluster has no use for."""
        original_resource = given["original_resource"]
        made = cls(given["cloudformation_json"]["Properties"], original_resource.logical_resource_id)
        made.answer(original_resource.data)
        made.resource_status = "UPDATE_IN_PROGRESS"
        return made


@dataclass(frozen=True)
class _Before:
    """What a failed update goes back to."""

    template: str
    parameters: dict[str, Any]
    tags: dict[str, str]
    resource: ClusterResource


class ParentStack(TimedStack):
    """moto's Stack where there is no cluster; our own course of events where there is one.

    world, clusters  set on a subclass when a local cloud starts
    """

    world: ClassVar[World]
    clusters: ClassVar[Clusters]

    _attempt = 0
    _computed: list[dict[str, Any]] | None = None

    def cluster(self) -> ClusterResource | None:
        """The stack's cluster resource; None for every other kind of stack."""
        names = cluster_names(self.template_dict)
        found = self.resource_map._parsed_resources.get(names[0]) if names else None
        return found if isinstance(found, ClusterResource) else None

    @property
    def outputs(self) -> list[dict[str, Any]] | None:
        if cluster_names(self.template_dict):
            return self._computed
        return super().outputs

    # ---- create

    def create_resources(self) -> None:
        if not cluster_names(self.template_dict):
            super().create_resources()
            return
        self.status = "CREATE_IN_PROGRESS"
        self.resource_map.create(self.template_dict)
        self.description = self.template_dict.get("Description")
        resource = self._resource()
        self._record(resource, "CREATE_IN_PROGRESS")
        self._record(resource, "CREATE_IN_PROGRESS", "Resource creation Initiated")
        self.clusters.create(
            self.region_name,
            resource.properties,
            parent=self.name,
            tags=self.tags,
            done=self._guard(self._created),
        )

    def _created(self, outcome: Outcome) -> None:
        resource = self._resource()
        if outcome.ok:
            resource.answer(outcome.data)
            problem = self._compute_outputs(resource)
            if problem is None:
                self._record(resource, "CREATE_COMPLETE")
                self.turn("CREATE_COMPLETE")
                return
            outcome = Outcome(False, reason=problem)
        self._record(resource, "CREATE_FAILED", outcome.reason)
        failed = f"The following resource(s) failed to create: [{resource.logical_resource_id}]. "
        if self.on_failure == "DO_NOTHING":
            self.turn("CREATE_FAILED", failed.strip())
            return
        if self.on_failure == "DELETE":
            self.turn("DELETE_IN_PROGRESS", failed + "Delete requested by user.")
        else:
            self.turn("ROLLBACK_IN_PROGRESS", failed + "Rollback requested by user.")
        self._record(resource, "DELETE_IN_PROGRESS")
        finish = self._deleted if self.on_failure == "DELETE" else self._rolled_back
        # A refused create is deleted, too, by the cluster's name: whoever made the one that has it loses it.
        if outcome.touched or self.clusters.answers(self.region_name, resource.properties):
            self.clusters.delete(self.region_name, resource.properties, done=self._guard(finish))
        else:
            self._guard(finish)(Outcome(True))

    def _rolled_back(self, outcome: Outcome) -> None:
        resource = self._resource()
        if not outcome.ok:
            self._record(resource, "DELETE_FAILED", outcome.reason)
            self.turn("ROLLBACK_FAILED", _failed_to("delete", resource))
            return
        self._record(resource, "DELETE_COMPLETE")
        self.resource_map.delete()
        self.turn("ROLLBACK_COMPLETE")

    # ---- update

    def update(
        self,
        template: str,
        role_arn: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        before, after = cluster_names(self.template_dict), cluster_names(self.parse_template(template))
        if not before and not after:
            super().update(template, role_arn, parameters, tags)
            return
        if before != after:
            raise ValidationError(
                self.name, message="The local cloud adds or removes no cluster in an update."
            )
        check_template(self.parse_template(template))
        old = _Before(str(self.template), dict(self.parameters), dict(self.tags), self._resource())
        self.last_updated_time = utc(self.world.now())
        self.turn("UPDATE_IN_PROGRESS", "User Initiated")
        self._replace(template, parameters, tags)
        self.role_arn = role_arn or self.role_arn
        self._update_cluster(old)

    def _update_cluster(self, old: _Before) -> None:
        earlier, resource = old.resource, self._resource()
        if earlier.properties == resource.properties:
            resource.resource_status = earlier.resource_status
            self._compute_outputs(resource)
            self._finish_update()
            return
        self._record(resource, "UPDATE_IN_PROGRESS")
        self.clusters.update(
            self.region_name,
            earlier.properties,
            resource.properties,
            parent=self.name,
            tags=self.tags,
            done=self._guard(lambda outcome: self._updated(outcome, old)),
        )

    def _updated(self, outcome: Outcome, old: _Before) -> None:
        resource = self._resource()
        if outcome.ok:
            resource.answer(outcome.data)
            problem = self._compute_outputs(resource)
            if problem is None:
                self._record(resource, "UPDATE_COMPLETE")
                self._finish_update()
                return
            outcome = Outcome(False, reason=problem)
        self._record(resource, "UPDATE_FAILED", outcome.reason)
        self.turn("UPDATE_ROLLBACK_IN_PROGRESS", _failed_to("update", resource))
        self._replace(old.template, old.parameters, old.tags)
        resource = self._resource()
        if outcome.touched:
            # The rollback's own update finds nothing to do, then polls a cluster that says UPDATE_FAILED.
            self._record(resource, "UPDATE_FAILED", outcome.reason)
            self.turn("UPDATE_ROLLBACK_FAILED", _failed_to("update", resource))
            return
        self._record(resource, "UPDATE_COMPLETE")
        self._compute_outputs(resource)
        self.turn("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self.turn("UPDATE_ROLLBACK_COMPLETE")

    def _finish_update(self) -> None:
        self.turn("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self.turn("UPDATE_COMPLETE")

    def _replace(self, template: str, parameters: dict[str, Any] | None, tags: dict[str, str] | None) -> None:
        self.template = template
        self._parse_template()
        self.resource_map.update(copy.deepcopy(self.template_dict), parameters)
        if parameters:
            self.parameters = parameters
        if tags is not None:
            self.tags = tags

    # ---- delete

    def begin_delete(self) -> None:
        """Start deleting; the stack moves to the deleted ones when its cluster is gone."""
        resource = self._resource()
        self._attempt += 1
        already_gone = self.status == "ROLLBACK_COMPLETE"
        self.turn("DELETE_IN_PROGRESS", "User Initiated")
        if already_gone:
            self._deleted(Outcome(True))
            return
        self._record(resource, "DELETE_IN_PROGRESS")
        self.clusters.delete(self.region_name, resource.properties, done=self._guard(self._deleted))

    def _deleted(self, outcome: Outcome) -> None:
        resource = self._resource()
        if not outcome.ok:
            self._record(resource, "DELETE_FAILED", outcome.reason)
            self.turn("DELETE_FAILED", _failed_to("delete", resource))
            return
        if resource.resource_status != "DELETE_COMPLETE":
            self._record(resource, "DELETE_COMPLETE")
        self.resource_map.delete()
        self.deletion_time = utc(self.world.now())
        self.turn("DELETE_COMPLETE")
        backend = self.world.backends.cloudformation(self.region_name)
        backend.stacks.pop(self.stack_id, None)
        backend.deleted_stacks[self.stack_id] = self

    # ---- shared

    def _resource(self) -> ClusterResource:
        resource: ClusterResource = self.resource_map[cluster_names(self.template_dict)[0]]  # type: ignore[assignment]
        return resource

    def _record(self, resource: ClusterResource, status: str, reason: str | None = None) -> None:
        resource.resource_status = status
        self.record(resource.logical_resource_id, resource.physical_resource_id, CLUSTER_TYPE, status, reason)

    def _guard(self, finish: Any) -> Any:
        """The callback, unless another operation has taken over meanwhile."""
        attempt = self._attempt
        return lambda outcome: finish(outcome) if attempt == self._attempt else None

    def _compute_outputs(self, resource: ClusterResource) -> str | None:
        """Resolve the template's outputs; gives the reason when one cannot be had."""
        computed = []
        for key, output in (self.template_dict.get("Outputs") or {}).items():
            condition = output.get("Condition")
            if condition and not self.resource_map.lazy_condition_map[condition]:
                continue
            try:
                value = clean_json(output["Value"], self.resource_map)
            except MissingAttribute as missing:
                return (
                    f"CustomResource attribute error: Vendor response doesn't contain {missing} attribute "
                    f"in object {resource.physical_resource_id}"
                )
            computed.append(
                {
                    "OutputKey": key,
                    "OutputValue": str(value),
                    "Description": output.get("Description"),
                    "ExportName": None,
                }
            )
        self._computed = computed or None
        return None


def cluster_names(template: dict[str, Any]) -> list[str]:
    """Logical ids of the cluster resources of a template."""
    resources = template.get("Resources") or {}
    return [
        name
        for name, item in resources.items()
        if isinstance(item, dict) and item.get("Type") == CLUSTER_TYPE
    ]


def check_template(template: dict[str, Any]) -> None:
    """Refuse what CloudFormation refuses before it starts. Raises moto's ValidationError."""
    if len(cluster_names(template)) > 1:
        raise ValidationError("", message="The local cloud takes one cluster per stack.")
    path = _null_path(template.get("Resources"), "/Resources")
    if path:
        raise ValidationError("", message=f"[{path}] 'null' values are not allowed in templates")


def _null_path(value: Any, path: str) -> str | None:
    if value is None:
        return path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found = _null_path(item, f"{path}/{key}")
        if found:
            return found
    return None


def _failed_to(what: str, resource: ClusterResource) -> str:
    return f"The following resource(s) failed to {what}: [{resource.logical_resource_id}]."
