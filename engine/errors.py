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
    """The request or the command line is wrong, and the message says in what; nothing was changed."""

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
    """The spec breaks a rule, or asks for nodes that make no cluster; the answer names the fields."""

    code = "INVALID_SPEC"


class InvalidSettings(_FieldsError):
    """The installation's settings break a rule, or one is missing; the answer names it."""

    code = "INVALID_SETTINGS"


class InvalidRequest(_FieldsError):
    """A parameter or header of the request breaks a rule; the answer names it."""

    code = "INVALID_REQUEST"


class UnknownProject(RequestError):
    """There is no such project in the registry."""

    code = "UNKNOWN_PROJECT"


class NotConfirmed(RequestError):
    """What was asked for needs a confirmation, and has none or a wrong one; nothing was changed."""

    code = "NOT_CONFIRMED"


class DataAtRisk(RequestError):
    """Data would be lost that nobody gave up, or that could not be exported; or the project's data is being
    deleted already, so that nothing is built on it."""

    code = "DATA_AT_RISK"


class PurgeCancelled(RequestError):
    """The data is kept after all: somebody said so before its deletion began."""

    code = "PURGE_CANCELLED"


class RuleBroken(RequestError):
    """The plan, or what is asked for, breaks a rule of the installation, and no waiver covers it."""

    code = "RULE_BROKEN"


class ClusterUpdateRefused(RequestError):
    """The cluster cannot have that change while it runs; nothing was changed."""

    code = "CLUSTER_UPDATE_REFUSED"


class AccountingRefused(RequestError):
    """The accounting function was asked for something that it does for nobody."""

    code = "ACCOUNTING_REFUSED"


class UnknownOperation(RequestError):
    """The project has no such operation."""

    code = "UNKNOWN_OPERATION"


class IdempotencyConflict(RequestError):
    """The `Idempotency-Key` was used for another request before."""

    code = "IDEMPOTENCY_CONFLICT"


class UnknownPlan(RequestError):
    """No plan is saved under that digest."""

    code = "UNKNOWN_PLAN"


class PlanRefused(RequestError):
    """The saved plan may not be applied now; nothing was changed."""

    code = "PLAN_REFUSED"


class PlanTampered(PlanRefused):
    """A part of the saved plan is not what was saved."""

    code = "PLAN_TAMPERED"


class PlanExpired(PlanRefused):
    """The saved plan is older than plans may be."""

    code = "PLAN_EXPIRED"


class PlanApplied(PlanRefused):
    """An apply of the saved plan was begun before; each plan is applied once."""

    code = "PLAN_APPLIED"


class PlanOfAnotherProject(PlanRefused):
    """The saved plan is of another project than the one that was named."""

    code = "PLAN_OF_ANOTHER_PROJECT"


class PlanSpecMoved(PlanRefused):
    """The spec, or the one in the registry, is another one than when the plan was saved."""

    code = "PLAN_SPEC_MOVED"


class PlanStateMoved(PlanRefused):
    """The project's Terraform state is another one than when the plan was saved."""

    code = "PLAN_STATE_MOVED"


class PlanModulesMoved(PlanRefused):
    """The Terraform modules are others than when the plan was saved."""

    code = "PLAN_MODULES_MOVED"


class PlanEngineMoved(PlanRefused):
    """The engine is another version than when the plan was saved."""

    code = "PLAN_ENGINE_MOVED"


class PlanProviderMoved(PlanRefused):
    """Terraform or the AWS provider is another version than when the plan was saved."""

    code = "PLAN_PROVIDER_MOVED"


class PlanSettingsMoved(PlanRefused):
    """With the settings or tiers as they are now, the saved plan would be another one."""

    code = "PLAN_SETTINGS_MOVED"


class PlanNotApproved(PlanRefused):
    """The installation applies approved plans only, and there is no approval."""

    code = "PLAN_NOT_APPROVED"


class BusyError(EngineError):
    """Somebody else is at work on the same thing."""

    code = "BUSY"
    exit_code = 4
    retryable = True


class StateLocked(BusyError):
    """Somebody holds the lock of the project's Terraform state; the answer says who."""

    code = "STATE_LOCKED"


class OperationInProgress(BusyError):
    """Another operation of the project is under way."""

    code = "OPERATION_IN_PROGRESS"


class LeaseLost(BusyError):
    """Somebody else has taken the operation over, or ended it: what this run did is not recorded any more."""

    code = "LEASE_LOST"


class Superseded(BusyError):
    """The operation was given up for another wish of the project, while nobody worked on it.

    Never raised: an operation ends with it.
    """

    code = "SUPERSEDED"
    retryable = False


class CapacityError(EngineError):
    """AWS has no room for it, or a quota of the account is used up."""

    code = "NO_CAPACITY"
    exit_code = 5
    retryable = True


class NoAddressLeft(CapacityError):
    """The address range of the projects has no free block."""

    code = "NO_ADDRESS_LEFT"


class TerraformError(EngineError):
    """Terraform failed; the answer has its command, exit code and diagnostics. Worth another try where what
    it would make or take away is there or gone already: an earlier answer of AWS may have been lost."""

    code = "TERRAFORM_FAILED"
    exit_code = 6


class TerraformMissing(TerraformError):
    """This machine has no usable Terraform or AWS provider; the answer says how to get one."""

    code = "TERRAFORM_MISSING"


class TerraformInterrupted(TerraformError):
    """Terraform was stopped on purpose: somebody interrupted the command, or its time was up."""

    code = "TERRAFORM_INTERRUPTED"
    retryable = True


class BackendError(EngineError):
    """AWS did not answer as it must, or what is stored there is not as the engine keeps it. Worth another try
    where AWS was busy for the moment."""

    code = "BACKEND_ERROR"
    exit_code = 7


class DiskFull(BackendError):
    """The machine has no space left where the engine keeps workspaces, plans and logs. What was made at AWS
    is found again."""

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
    """A file or folder on the engine's machine cannot be read or written."""

    code = "FILE_UNUSABLE"


class Unreachable(BackendError):
    """AWS, or the endpoint of the settings, did not answer."""

    code = "UNREACHABLE"
    retryable = True


class AccessDenied(BackendError):
    """AWS refused the credentials or what they were to do, or there are none. Worth another
    try, after signing in, where they had expired."""

    code = "ACCESS_DENIED"


class CredentialsExpired(AccessDenied):
    """Same code as its parent: callers do the same about it."""

    retryable = True


class NotBootstrapped(BackendError):
    """The state bucket or a table of the installation is missing, or a workspace is not initialised."""

    code = "NOT_BOOTSTRAPPED"


class ItemUnreadable(BackendError):
    """What is stored of one project in the registry cannot be read: commands for all projects pass it over,
    and say so."""

    code = "ITEM_UNREADABLE"

    @property
    def project(self) -> str:
        return str(self.details.get("project", ""))


class WrongRegion(BackendError):
    """A bucket or something else stands in another region than the settings say."""

    code = "WRONG_REGION"


class SharedGroundMissing(BackendError):
    """Infrastructure that all projects share is not there: the VPC, the database, the provider stack."""

    code = "SHARED_GROUND_MISSING"


class SharedGroundBusy(BackendError):
    """AWS is at work on infrastructure that all projects share: that passes by itself."""

    code = "SHARED_GROUND_BUSY"
    retryable = True


class AccountingError(BackendError):
    """The accounting database, or the function in front of it, failed."""

    code = "ACCOUNTING_FAILED"


class AccountingUnavailable(AccountingError):
    """The accounting database does not answer now, or others are at work on the accounting of the project."""

    code = "ACCOUNTING_UNAVAILABLE"
    retryable = True


class KeysUnavailable(BackendError):
    """The identity provider, which publishes the keys of tokens, does not answer now."""

    code = "KEYS_UNAVAILABLE"
    retryable = True


class KeysRefused(BackendError):
    """What the identity provider publishes are no keys that may sign tokens."""

    code = "KEYS_REFUSED"


class ClusterError(EngineError):
    """AWS says that the cluster, its Lustre or an export of its data failed, or is not done in time."""

    code = "CLUSTER_FAILED"
    exit_code = 8


class OutOfTime(EngineError):
    """Not a failure: the time of this run was up, and what was begun goes on in the next one."""

    code = "OUT_OF_TIME"
    exit_code = 9
    retryable = True
