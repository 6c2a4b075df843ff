"""What happens while Terraform runs, as typed events read from its -json stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.terraform.diagnostics import Diagnostic, from_json


@dataclass(frozen=True)
class CommandStarted:
    """Terraform was started with a command, such as "plan"."""

    command: str


@dataclass(frozen=True)
class CommandFinished:
    command: str
    exit_code: int
    elapsed_s: float


@dataclass(frozen=True)
class ResourceStarted:
    """Work on a resource began. action: create, read, update, delete, replace, ...

    id   what the provider calls it; None where there is none yet
    """

    address: str
    action: str
    type: str
    id: str | None = None


@dataclass(frozen=True)
class ResourceProgress:
    """Still at it; Terraform says so about every 10 seconds."""

    address: str
    action: str
    type: str
    elapsed_s: float
    id: str | None = None


@dataclass(frozen=True)
class ResourceFinished:
    address: str
    action: str
    type: str
    elapsed_s: float
    id: str | None = None


@dataclass(frozen=True)
class ResourceFailed:
    """The reason comes as a DiagnosticSeen with the same address."""

    address: str
    action: str
    type: str
    elapsed_s: float
    id: str | None = None


@dataclass(frozen=True)
class RefreshStarted:
    address: str
    type: str
    id: str | None = None


@dataclass(frozen=True)
class RefreshFinished:
    address: str
    type: str
    id: str | None = None


@dataclass(frozen=True)
class PlannedChange:
    """action: create, read, update, delete, replace, noop, move, import, remove."""

    address: str
    action: str
    type: str
    reason: str | None = None


@dataclass(frozen=True)
class DriftSeen:
    """A resource is no longer as the state remembers it."""

    address: str
    action: str
    type: str


@dataclass(frozen=True)
class ChangeSummary:
    """Numbers of resources. operation: plan, apply or destroy."""

    operation: str
    add: int
    change: int
    remove: int
    imported: int = 0


@dataclass(frozen=True)
class DiagnosticSeen:
    diagnostic: Diagnostic


@dataclass(frozen=True)
class OutputsSeen:
    """Names of the outputs and whether each is sensitive."""

    sensitive: Mapping[str, bool]


@dataclass(frozen=True)
class Interrupting:
    """We were asked to stop. Terraform got one SIGINT, at the first time, and is being waited for."""

    pid: int
    times: int

    @property
    def text(self) -> str:
        if self.times == 1:
            return (
                "Stopping: Terraform finishes the calls under way and saves its state. "
                "This can take a minute."
            )
        return (
            f"Still waiting for Terraform (process {self.pid}) to save its state. "
            "Killing it now would lose track of what it has made."
        )


@dataclass(frozen=True)
class Message:
    """Anything else it says. level: info, warn, error; "raw" for a line that is not JSON, kept as it is."""

    text: str
    level: str = "info"


Event = (
    CommandStarted
    | CommandFinished
    | ResourceStarted
    | ResourceProgress
    | ResourceFinished
    | ResourceFailed
    | RefreshStarted
    | RefreshFinished
    | PlannedChange
    | DriftSeen
    | ChangeSummary
    | DiagnosticSeen
    | OutputsSeen
    | Interrupting
    | Message
)


def decode(line: str) -> dict[str, Any] | None:
    """The JSON object on a line of output, or None when the line is something else."""
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def event_from(message: Mapping[str, Any]) -> Event:
    """The event a JSON message of the stream stands for; a type we do not know is a Message.

    Source   Terraform's documentation, "Machine-readable UI"; messages of Terraform 1.11.4 (ui 1.2)
    """
    try:
        return _known(str(message.get("type")), message)
    except (KeyError, TypeError, ValueError, AttributeError):
        # A newer Terraform may change a member; progress that cannot be read must not stop an apply.
        return _message(message)


def _known(kind: str, message: Mapping[str, Any]) -> Event:
    match kind:
        case "apply_start":
            return ResourceStarted(**_hook(message))
        case "apply_progress":
            return ResourceProgress(**_hook(message), elapsed_s=_elapsed_s(message))
        case "apply_complete":
            return ResourceFinished(**_hook(message), elapsed_s=_elapsed_s(message))
        case "apply_errored":
            return ResourceFailed(**_hook(message), elapsed_s=_elapsed_s(message))
        case "refresh_start":
            return RefreshStarted(**_resource(message["hook"]), id=message["hook"].get("id_value"))
        case "refresh_complete":
            return RefreshFinished(**_resource(message["hook"]), id=message["hook"].get("id_value"))
        case "planned_change":
            change = message["change"]
            return PlannedChange(**_resource(change), action=change["action"], reason=change.get("reason"))
        case "resource_drift":
            return DriftSeen(**_resource(message["change"]), action=message["change"]["action"])
        case "change_summary":
            return _summary(message["changes"])
        case "diagnostic":
            return DiagnosticSeen(from_json(message["diagnostic"]))
        case "outputs":
            outputs = message["outputs"]
            return OutputsSeen({name: bool(output["sensitive"]) for name, output in outputs.items()})
        case _:
            return _message(message)


def _resource(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"address": of["resource"]["addr"], "type": of["resource"]["resource_type"]}


def _hook(message: Mapping[str, Any]) -> dict[str, Any]:
    hook = message["hook"]
    return {**_resource(hook), "action": hook["action"], "id": hook.get("id_value")}


def _elapsed_s(message: Mapping[str, Any]) -> float:
    return float(message["hook"].get("elapsed_seconds", 0))


def _summary(changes: Mapping[str, Any]) -> ChangeSummary:
    return ChangeSummary(
        operation=changes["operation"],
        add=int(changes["add"]),
        change=int(changes["change"]),
        remove=int(changes["remove"]),
        imported=int(changes.get("import", 0)),
    )


def _message(message: Mapping[str, Any]) -> Message:
    return Message(str(message.get("@message", "")), str(message.get("@level", "info")))
