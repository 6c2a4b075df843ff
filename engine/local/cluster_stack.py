"""CloudFormation stacks whose status, events and resources follow our clock instead of moto's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from moto.cloudformation.models import Event
from moto.cloudformation.models import Stack as MotoStack

REASON_LENGTH = 256


@dataclass
class StackResource:
    """What DescribeStackResources shows of one resource."""

    logical_resource_id: str
    physical_resource_id: str
    cf_resource_type: str
    resource_status: str = "CREATE_COMPLETE"


class TimedStack(MotoStack):
    """A stack with a status reason and dated changes.

    request_token  ClientRequestToken of the operation under way; Terraform's provider finds the reasons
                   of a failure by it
    opening_token  that of the CreateStack request being served
    capabilities   as the stack was created with them
    on_failure     what becomes of a stack that could not be created
    """

    opening_token: ClassVar[str | None] = None
    stack_status_reason: str | None = None
    last_updated_time: datetime | None = None
    deletion_time: datetime | None = None
    request_token: str | None = None
    capabilities: tuple[str, ...] = ()
    on_failure: str = "ROLLBACK"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.request_token = self.opening_token

    def is_created(self) -> bool:
        return self.status == "CREATE_COMPLETE"

    @staticmethod
    def cloudformation_name_type() -> str:
        return "StackName"

    # moto's serializer derives these from a class called "Stack"; ours has another name.
    @property
    def stack_name(self) -> str:
        return self.name

    @property
    def stack_status(self) -> str:
        return self.status

    def turn(self, status: str, reason: str | None = None) -> None:
        """Enter a status and record its event."""
        self.status = status
        self.stack_status_reason = reason
        self.record(self.name, self.stack_id, "AWS::CloudFormation::Stack", status, reason)

    def record(
        self, logical_id: str, physical_id: str, resource_type: str, status: str, reason: str | None = None
    ) -> None:
        event = Event(
            stack_id=self.stack_id,
            stack_name=self.name,
            logical_resource_id=logical_id,
            physical_resource_id=physical_id,
            resource_type=resource_type,
            resource_status=status,
            resource_status_reason=reason,
            resource_properties=None,
        )
        event.client_request_token = self.request_token  # type: ignore[assignment]
        self.events.append(event)

    def _add_stack_event(
        self,
        resource_status: str,
        resource_status_reason: str | None = None,
        resource_properties: str | None = None,  # noqa: ARG002
    ) -> None:
        self.record(
            self.name,
            self.stack_id,
            "AWS::CloudFormation::Stack",
            resource_status,
            resource_status_reason,
        )


class ClusterStack(TimedStack):
    """The stack ParallelCluster makes for a cluster, named like it."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._made: list[StackResource] = []
        self._shown: dict[str, str] = {}

    def add_resource(self, logical_id: str, physical_id: str, resource_type: str) -> None:
        self._made.append(StackResource(logical_id, physical_id, resource_type))
        self.record(logical_id, physical_id, resource_type, "CREATE_COMPLETE")

    def show_outputs(self, outputs: dict[str, str]) -> None:
        self._shown = dict(outputs)

    @property
    def stack_resources(self) -> Any:
        return self._made

    @property
    def outputs(self) -> list[dict[str, Any]] | None:
        return [
            {"OutputKey": key, "OutputValue": value, "Description": None, "ExportName": None}
            for key, value in self._shown.items()
        ] or None
