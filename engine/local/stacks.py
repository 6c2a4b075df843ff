"""CloudFormation's API over our stacks: what moto leaves out or answers at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.cloudformation import models, parsing, responses
from moto.cloudformation.exceptions import ValidationError
from moto.core.responses import ActionResult

from engine.local.cluster_stack import ClusterStack, TimedStack
from engine.local.parent_stack import (
    CLUSTER_TYPE,
    ClusterResource,
    ParentStack,
    check_template,
    cluster_names,
)
from engine.local.patches import Patches
from engine.local.pcluster import Clusters
from engine.local.provider_stack import ProviderStack, check_request, provider_version, template_at
from engine.local.world import World

TEMPLATE_LIMIT_BYTES = 51_200
ON_FAILURE = ("DO_NOTHING", "ROLLBACK", "DELETE")


def install(world: World, clusters: Clusters, patches: Patches) -> None:
    _patch_stack_class(world, clusters, patches)
    _patch_template_urls(patches)
    _patch_resource_class(patches)
    _patch_delete(clusters, patches)
    _patch_requests(patches)
    _patch_listings(patches)


def _patch_stack_class(world: World, clusters: Clusters, patches: Patches) -> None:
    parent = type("ParentStack", (ParentStack,), {"world": world, "clusters": clusters})
    provider = type("ProviderStack", (ProviderStack,), {"world": world})

    def stack(**given: Any) -> TimedStack:
        template = ParentStack.parse_template(given["template"]) if given["template"] else {}
        made: TimedStack = (provider if provider_version(template) else parent)(**given)
        return made

    patches.set(models, "Stack", stack)


def _patch_template_urls(patches: Patches) -> None:
    def get_stack_from_s3_url(self: Any, template_url: str) -> str:
        return template_at(template_url) or str(original(self, template_url))

    original = patches.set(responses.CloudFormationResponse, "_get_stack_from_s3_url", get_stack_from_s3_url)


def _patch_resource_class(patches: Patches) -> None:
    def resource_class_from_type(resource_type: str) -> Any:
        return ClusterResource if resource_type == CLUSTER_TYPE else original(resource_type)

    original = patches.set(parsing, "resource_class_from_type", resource_class_from_type)


def _patch_delete(clusters: Clusters, patches: Patches) -> None:
    def delete_stack(backend: Any, name_or_stack_id: str) -> None:
        stack = next(
            (one for one in backend.stacks.values() if name_or_stack_id in (one.name, one.stack_id)), None
        )
        if stack is None or stack.status == "DELETE_IN_PROGRESS":
            return
        if stack.enable_termination_protection:
            raise ValidationError(
                stack.name,
                message=f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled",
            )
        if stack.status.startswith("UPDATE_") and stack.status.endswith("_IN_PROGRESS"):
            raise ValidationError(
                stack.name,
                message=f"Stack [{stack.stack_id}] cannot be deleted while in status {stack.status}",
            )
        if isinstance(stack, ClusterStack):
            clusters.delete_stack(stack.region_name, stack.name)
        elif isinstance(stack, ProviderStack) or (
            isinstance(stack, ParentStack) and cluster_names(stack.template_dict)
        ):
            stack.begin_delete()
        else:
            original(backend, name_or_stack_id)

    original = patches.set(models.CloudFormationBackend, "delete_stack", delete_stack)


def _patch_requests(patches: Patches) -> None:
    def create_stack(self: Any) -> Any:
        template = _template(self)
        _check_size(template)
        _check_tags(self._get_param("Tags") or [])
        capabilities = self._get_param("Capabilities") or []
        if template:
            _check_template(self, template, capabilities)
        on_failure = self._get_param("OnFailure") or (
            "DO_NOTHING" if self._get_param("DisableRollback") else None
        )
        if on_failure is not None and on_failure not in ON_FAILURE:
            raise ValidationError("", message=f"OnFailure must be one of {', '.join(ON_FAILURE)}")
        TimedStack.opening_token = self._get_param("ClientRequestToken")
        try:
            answer = original_create(self)
        finally:
            TimedStack.opening_token = None
        stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
        stack.on_failure = on_failure or "ROLLBACK"
        stack.disable_rollback = stack.on_failure == "DO_NOTHING"
        stack.capabilities = tuple(capabilities)
        return answer

    def update_stack(self: Any) -> Any:
        template = _template(self)
        _check_size(template)
        _check_tags(self._get_param("Tags") or [])
        stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
        _check_updatable(stack)
        if template:
            _check_template(self, template, self._get_param("Capabilities") or [])
        if _unchanged(self, stack, template):
            raise ValidationError(stack.name, message="No updates are to be performed.")
        stack.request_token = self._get_param("ClientRequestToken")
        return original_update(self)

    def delete_stack(self: Any) -> Any:
        name = self._get_param("StackName")
        for stack in self.cloudformation_backend.stacks.values():
            if name in (stack.name, stack.stack_id):
                stack.request_token = self._get_param("ClientRequestToken")
        return original_delete(self)

    def update_termination_protection(self: Any) -> Any:
        stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
        stack.enable_termination_protection = self._get_bool_param("EnableTerminationProtection")
        return ActionResult({"StackId": stack.stack_id})

    protection = "update_termination_protection"  # moto has no such operation
    patches.set(responses.CloudFormationResponse, protection, update_termination_protection)
    original_create = patches.set(responses.CloudFormationResponse, "create_stack", create_stack)
    original_update = patches.set(responses.CloudFormationResponse, "update_stack", update_stack)
    original_delete = patches.set(responses.CloudFormationResponse, "delete_stack", delete_stack)


def _check_template(response: Any, template: str, capabilities: list[str]) -> None:
    parsed = ParentStack.parse_template(template)
    check_template(parsed)
    given = [item["ParameterKey"] for item in response._get_param("Parameters", [])]
    check_request(parsed, capabilities, given)


def _check_updatable(stack: Any) -> None:
    fixed = stack.status.endswith(("_IN_PROGRESS", "_FAILED")) and stack.status != "UPDATE_FAILED"
    if fixed or stack.status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE"):
        raise ValidationError(
            stack.stack_id,
            message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.",
        )


def _unchanged(response: Any, stack: Any, template: str | None) -> bool:
    if template is None or not stack.has_template(template):
        return False
    given = {
        item["ParameterKey"]: item.get("ParameterValue") for item in response._get_param("Parameters", [])
    }
    tags = {item["Key"]: item["Value"] for item in response._get_param("Tags", [])}
    same_parameters = all(value is None or stack.parameters.get(key) == value for key, value in given.items())
    return same_parameters and (not tags or tags == stack.tags)


def _template(response: Any) -> str | None:
    body, url = response._get_param("TemplateBody"), response._get_param("TemplateURL")
    if body is None and url:
        body = response._get_stack_from_s3_url(url)
    return str(body) if body is not None else None


def _check_size(template: str | None) -> None:
    if template is not None and len(template.encode()) > TEMPLATE_LIMIT_BYTES:
        raise ValidationError(
            "",
            message="1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {TEMPLATE_LIMIT_BYTES}",
        )


def _check_tags(tags: list[dict[str, str]]) -> None:
    """CloudFormation API, Tag: a value has at least one character."""
    for number, tag in enumerate(tags, 1):
        if not tag.get("Value"):
            raise ValidationError(
                "",
                message=f"1 validation error detected: Value '' at 'tags.{number}.member.value' failed to "
                "satisfy constraint: Member must have length greater than or equal to 1",
            )


def _patch_listings(patches: Patches) -> None:
    class StackResource(responses.StackResourceDTO):
        def __init__(self, stack: Any, resource: Any):
            super().__init__(stack, resource)
            self.resource_status = getattr(resource, "resource_status", None) or "CREATE_COMPLETE"
            self.timestamp: Any = datetime.now(UTC)
            self.last_updated_timestamp = self.timestamp

    def list_stack_resources(self: Any) -> Any:
        stack, found = self.cloudformation_backend.list_stack_resources(self._get_param("StackName"))
        return ActionResult(
            {"StackResourceSummaries": [StackResource(stack, resource) for resource in found]}
        )

    patches.set(responses, "StackResourceDTO", StackResource)
    patches.set(responses.CloudFormationResponse, "list_stack_resources", list_stack_resources)
