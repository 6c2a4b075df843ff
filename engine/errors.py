"""The errors that the engine raises on purpose: the trunk of one tree, and what several modules raise.

    EngineError             code, message, hint, retryable, exit_code
    |- RequestError         the caller can fix it; nothing was changed           exit 3
    |- BusyError            somebody else is at work on it                       exit 4
    |- CapacityError        nothing is wrong, there is no room                   exit 5
    |- TerraformError       carries command, exit code and diagnostics           exit 6
    |- BackendError         AWS or the state did not answer as it must           exit 7
    |- ClusterError         AWS says the cluster (or its data export) failed     exit 8
    |- OutOfTime            the time of this run is up, it goes on later         exit 9

What one module alone raises stands in it. docs/errors.md has them all, from the docstrings.
Codes are stable: clients and scripts compare them. Messages say what happened, to which
project, and what to do next (the hint), in that order.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any, ClassVar


class EngineError(Exception):
    """Root of the tree.

    message    what happened, and to which project
    hint       what to do next; empty when there is nothing sensible to say
    details    JSON-ready extras for machines (field errors, diagnostics, holders)
    """

    code: ClassVar[str] = "ENGINE_ERROR"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details or {}

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON: code, message, hint, retryable, details."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "details": self.details,
        }


class RequestError(EngineError):
    """The caller can fix it; nothing was changed."""

    code = "BAD_REQUEST"
    exit_code = 3


@dataclass(frozen=True)
class FieldProblem:
    """One broken rule: where, what is wrong, what is allowed, and an example that works."""

    path: str
    problem: str
    allowed: str = ""
    example: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: {self.problem}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.example:
            text += f"; example: {self.example}"
        return text


class _FieldsError(RequestError):
    """A document that breaks rules field by field."""

    def __init__(self, message: str, problems: list[FieldProblem], *, hint: str = "") -> None:
        self.problems = problems
        listed = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(
            message + listed,
            hint=hint,
            details={"problems": [vars(problem) for problem in problems]},
        )


class InvalidSpec(_FieldsError):
    """The spec breaks a rule; carries the fields."""

    code = "INVALID_SPEC"


class InvalidSettings(_FieldsError):
    """The settings break a rule, or one is missing."""

    code = "INVALID_SETTINGS"


class InvalidRequest(_FieldsError):
    """A parameter or header of a request breaks a rule; carries the fields."""

    code = "INVALID_REQUEST"


class UnknownProject(RequestError):
    """No such project in the registry."""

    code = "UNKNOWN_PROJECT"


class NotConfirmed(RequestError):
    """A destructive command without its confirmation."""

    code = "NOT_CONFIRMED"


class DataAtRisk(RequestError):
    """The change would lose data and nobody waived it."""

    code = "DATA_AT_RISK"


class PurgeCancelled(RequestError):
    """The data is kept after all: somebody said so before its deletion began."""

    code = "PURGE_CANCELLED"


class RuleBroken(RequestError):
    """The plan breaks a rule of the installation, and no waiver covers it."""

    code = "RULE_BROKEN"


class ClusterUpdateRefused(RequestError):
    """The cluster cannot have that change as it runs."""

    code = "CLUSTER_UPDATE_REFUSED"


class AccountingRefused(RequestError):
    """The accounting function is asked for what it never does."""

    code = "ACCOUNTING_REFUSED"


class UnknownOperation(RequestError):
    """No such operation of the project."""

    code = "UNKNOWN_OPERATION"


class IdempotencyConflict(RequestError):
    """The key was used for another request."""

    code = "IDEMPOTENCY_CONFLICT"


class UnknownPlan(RequestError):
    """No plan is saved under that digest."""

    code = "UNKNOWN_PLAN"


class PlanRefused(RequestError):
    """A saved plan is not what may be applied now; nothing was changed."""

    code = "PLAN_REFUSED"


class PlanTampered(PlanRefused):
    """A part of it is not what was saved."""

    code = "PLAN_TAMPERED"


class PlanExpired(PlanRefused):
    """It is older than plans may be."""

    code = "PLAN_EXPIRED"


class PlanApplied(PlanRefused):
    """An apply of it was begun before."""

    code = "PLAN_APPLIED"


class PlanOfAnotherProject(PlanRefused):
    """It is not of the project that was named."""

    code = "PLAN_OF_ANOTHER_PROJECT"


class PlanSpecMoved(PlanRefused):
    """The spec, or the one in the registry, is another one since."""

    code = "PLAN_SPEC_MOVED"


class PlanStateMoved(PlanRefused):
    """The project's state is another one since."""

    code = "PLAN_STATE_MOVED"


class PlanModulesMoved(PlanRefused):
    """The Terraform modules are others since."""

    code = "PLAN_MODULES_MOVED"


class PlanEngineMoved(PlanRefused):
    """The engine is another one since."""

    code = "PLAN_ENGINE_MOVED"


class PlanProviderMoved(PlanRefused):
    """Terraform or the AWS provider is another one since."""

    code = "PLAN_PROVIDER_MOVED"


class PlanSettingsMoved(PlanRefused):
    """Settings or tiers would give another workspace by now."""

    code = "PLAN_SETTINGS_MOVED"


class PlanNotApproved(PlanRefused):
    """The installation demands an approval, and there is none."""

    code = "PLAN_NOT_APPROVED"


class BusyError(EngineError):
    """Somebody else is at work on it."""

    code = "BUSY"
    exit_code = 4
    retryable = True


class StateLocked(BusyError):
    """Terraform's state lock is held; names the holder."""

    code = "STATE_LOCKED"


class OperationInProgress(BusyError):
    """Another operation of the project is under way."""

    code = "OPERATION_IN_PROGRESS"


class LeaseLost(BusyError):
    """Somebody else has taken the operation over; our result is thrown away."""

    code = "LEASE_LOST"


class CapacityError(EngineError):
    """Nothing is wrong, there is no room."""

    code = "NO_CAPACITY"
    exit_code = 5
    retryable = True


class NoAddressLeft(CapacityError):
    """The address range has no free block."""

    code = "NO_ADDRESS_LEFT"


class TerraformError(EngineError):
    """Carries command, exit code and diagnostics."""

    code = "TERRAFORM_FAILED"
    exit_code = 6


class TerraformMissing(TerraformError):
    """No usable terraform or provider, and how to get one."""

    code = "TERRAFORM_MISSING"


class TerraformInterrupted(TerraformError):
    """We stopped it on purpose."""

    code = "TERRAFORM_INTERRUPTED"
    retryable = True


class BackendError(EngineError):
    """AWS or the state did not answer as it must."""

    code = "BACKEND_ERROR"
    exit_code = 7


class DiskFull(BackendError):
    """No space is left where the engine keeps workspaces, plans and logs. What was made is found again."""

    code = "DISK_FULL"

    @classmethod
    def of(cls, error: OSError, what: str) -> DiskFull | None:
        """Of the operating system's error; None for another one than a full disk.

        what   could not be done for it: "lab-1/proj-1 could not be gone on with"
        """
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return None
        return cls(
            f"The disk of this machine is full: {what}.",
            hint="Make room in `home` and `workspaces_dir` (`provisioner settings`), then run it again.",
        )


class FileUnusable(BackendError):
    """A file or folder of this machine cannot be read or written."""

    code = "FILE_UNUSABLE"


class Unreachable(BackendError):
    """The endpoint did not answer."""

    code = "UNREACHABLE"
    retryable = True


class AccessDenied(BackendError):
    """The credentials were refused, or there are none."""

    code = "ACCESS_DENIED"


class CredentialsExpired(AccessDenied):
    """Same code as its parent: callers do the same about it."""

    retryable = True


class NotBootstrapped(BackendError):
    """State bucket or a table is missing."""

    code = "NOT_BOOTSTRAPPED"


class ItemUnreadable(BackendError):
    """One item, of one project: what goes through all of them passes it over, and says so."""

    code = "ITEM_UNREADABLE"

    @property
    def project(self) -> str:
        return str(self.details.get("project", ""))


class WrongRegion(BackendError):
    """Something stands in another region than the settings say."""

    code = "WRONG_REGION"


class SharedGroundMissing(BackendError):
    """The shared VPC, database or provider stack is not there."""

    code = "SHARED_GROUND_MISSING"


class SharedGroundBusy(BackendError):
    """The shared ground is there, and AWS is at work on it: that passes by itself."""

    code = "SHARED_GROUND_BUSY"
    retryable = True


class AccountingError(BackendError):
    """The accounting database, or the function in front of it, failed."""

    code = "ACCOUNTING_FAILED"


class AccountingUnavailable(AccountingError):
    """It does not answer now, or others are at work on the same project."""

    code = "ACCOUNTING_UNAVAILABLE"
    retryable = True


class KeysUnavailable(BackendError):
    """The identity provider does not answer now."""

    code = "KEYS_UNAVAILABLE"
    retryable = True


class KeysRefused(BackendError):
    """What it publishes are no keys that may sign tokens."""

    code = "KEYS_REFUSED"


class ClusterError(EngineError):
    """AWS says the cluster (or its data export) failed."""

    code = "CLUSTER_FAILED"
    exit_code = 8


class OutOfTime(EngineError):
    """Not a failure: what was begun goes on in the next run."""

    code = "OUT_OF_TIME"
    exit_code = 9
    retryable = True
