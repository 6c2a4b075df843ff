"""Events on an EventBridge bus: what an operation does, for whoever listens instead of polling."""

from __future__ import annotations

import json

from engine.aws.failures import aws_errors
from engine.aws.session import Cloud
from engine.errors import BackendError
from engine.model.operation import Event, Operation

SOURCE = "parallelcluster.provisioner"
DETAIL_TYPE = "Operation Phase Change"


def publish(cloud: Cloud, bus: str, operation: Operation, event: Event) -> None:
    """Tell the bus what has just happened in an operation.

    bus      name or ARN
    event    text and data are sent as they are: neither may hold a secret
    Raises   AccessDenied, Unreachable, BackendError. Nobody's operation hangs on a listener: callers log
             these and go on
    """
    detail = {
        "project": operation.project,
        "operation_id": operation.id,
        "kind": str(operation.wish.kind),
        "state": str(operation.state),
        "phase": operation.phase,
        "progress": operation.to_dict()["progress"],
        "event": event.to_dict(),
    }
    doing = f"telling the event bus {bus} of {operation.id}"
    with aws_errors(doing):
        answer = cloud.events.put_events(
            Entries=[
                {
                    "EventBusName": bus,
                    "Source": SOURCE,
                    "DetailType": DETAIL_TYPE,
                    "Time": event.at,
                    "Resources": [],
                    "Detail": json.dumps(detail, ensure_ascii=False),
                }
            ]
        )
    if answer.get("FailedEntryCount"):
        code = answer["Entries"][0].get("ErrorCode", "no code")
        raise BackendError(f"EventBridge refused an event with {code} while {doing}.")
