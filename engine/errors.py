"""Every error the engine raises on purpose, one small tree.

    EngineError                    code, message, hint, retryable, exit_code
    |- RequestError                the caller can fix it; nothing was changed             exit 3
    |  |- InvalidSpec              the spec breaks a rule; carries the fields
    |  |- InvalidSettings          the settings break a rule, or one is missing
    |  |- InvalidRequest           a parameter or header of a request breaks a rule; carries the fields
    |  |- UnknownProject           no such project in the registry
    |  |- NotConfirmed             a destructive command without its confirmation
    |  |- DataAtRisk               the change would lose data and nobody waived it
    |  |- RuleBroken               the plan breaks a rule of the installation, and no waiver covers it
    |  |- ClusterUpdateRefused     the cluster cannot have that change as it runs
    |  |- AccountingRefused        the accounting function is asked for what it never does
    |  |- UnknownOperation         no such operation of the project
    |  |- IdempotencyConflict      the key was used for another request
    |  |- UnknownPlan              no plan is saved under that digest
    |  |- PlanRefused              a saved plan is not what may be applied now; nothing was changed
    |  |  |- PlanTampered          a part of it is not what was saved
    |  |  |- PlanExpired           it is older than plans may be
    |  |  |- PlanApplied           an apply of it was begun before
    |  |  |- PlanOfAnotherProject  it is not of the project that was named
    |  |  |- PlanSpecMoved         the spec, or the one in the registry, is another one since
    |  |  |- PlanStateMoved        the project's state is another one since
    |  |  |- PlanModulesMoved      the Terraform modules are others since
    |  |  |- PlanEngineMoved       the engine is another one since
    |  |  |- PlanProviderMoved     Terraform or the AWS provider is another one since
    |  |  |- PlanSettingsMoved     settings or tiers would give another workspace by now
    |  |  |- PlanNotApproved       the installation demands an approval, and there is none
    |- BusyError                   somebody else is at work on it                         exit 4
    |  |- StateLocked              Terraform's state lock is held; names the holder
    |  |- OperationInProgress      another operation of the project is under way
    |  |- LeaseLost                somebody else has taken the operation over; our result is thrown away
    |- CapacityError               nothing is wrong, there is no room                     exit 5
    |  |- NoAddressLeft            the address range has no free block
    |- TerraformError              carries command, exit code and diagnostics             exit 6
    |  |- TerraformMissing         no usable terraform or provider, and how to get one
    |  |- TerraformInterrupted     we stopped it on purpose
    |- BackendError                AWS or the state did not answer as it must             exit 7
    |  |- Unreachable              the endpoint did not answer
    |  |- AccessDenied             the credentials were refused, or there are none
    |  |  |- CredentialsExpired    they were good; the next run has new ones
    |  |- NotBootstrapped          state bucket or a table is missing
    |  |- WrongRegion              something stands in another region than the settings say
    |  |- DiskFull                 no space is left on the disk of the engine
    |  |- FileUnusable             a file or folder of this machine cannot be read or written
    |  |- SharedGroundMissing      the shared VPC, database or provider stack is not there
    |  |- AccountingError          the accounting database, or the function in front of it, failed
    |  |  |- AccountingUnavailable it does not answer now, or others are at work on the same project
    |  |- KeysUnavailable          the identity provider does not answer now
    |  |- KeysRefused              what it publishes are no keys that may sign tokens
    |- OutOfTime                   the time of this run is up, the operation continues later    exit 9
    |- ClusterError                AWS says the cluster (or its data export) failed       exit 8

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
    code = "INVALID_SPEC"


class InvalidSettings(_FieldsError):
    code = "INVALID_SETTINGS"


class InvalidRequest(_FieldsError):
    code = "INVALID_REQUEST"


class UnknownProject(RequestError):
    code = "UNKNOWN_PROJECT"


class NotConfirmed(RequestError):
    code = "NOT_CONFIRMED"


class DataAtRisk(RequestError):
    code = "DATA_AT_RISK"


class RuleBroken(RequestError):
    code = "RULE_BROKEN"


class ClusterUpdateRefused(RequestError):
    code = "CLUSTER_UPDATE_REFUSED"


class AccountingRefused(RequestError):
    code = "ACCOUNTING_REFUSED"


class UnknownOperation(RequestError):
    code = "UNKNOWN_OPERATION"


class IdempotencyConflict(RequestError):
    code = "IDEMPOTENCY_CONFLICT"


class UnknownPlan(RequestError):
    code = "UNKNOWN_PLAN"


class PlanRefused(RequestError):
    code = "PLAN_REFUSED"


class PlanTampered(PlanRefused):
    code = "PLAN_TAMPERED"


class PlanExpired(PlanRefused):
    code = "PLAN_EXPIRED"


class PlanApplied(PlanRefused):
    code = "PLAN_APPLIED"


class PlanOfAnotherProject(PlanRefused):
    code = "PLAN_OF_ANOTHER_PROJECT"


class PlanSpecMoved(PlanRefused):
    code = "PLAN_SPEC_MOVED"


class PlanStateMoved(PlanRefused):
    code = "PLAN_STATE_MOVED"


class PlanModulesMoved(PlanRefused):
    code = "PLAN_MODULES_MOVED"


class PlanEngineMoved(PlanRefused):
    code = "PLAN_ENGINE_MOVED"


class PlanProviderMoved(PlanRefused):
    code = "PLAN_PROVIDER_MOVED"


class PlanSettingsMoved(PlanRefused):
    code = "PLAN_SETTINGS_MOVED"


class PlanNotApproved(PlanRefused):
    code = "PLAN_NOT_APPROVED"


class BusyError(EngineError):
    code = "BUSY"
    exit_code = 4
    retryable = True


class StateLocked(BusyError):
    code = "STATE_LOCKED"


class OperationInProgress(BusyError):
    code = "OPERATION_IN_PROGRESS"


class LeaseLost(BusyError):
    code = "LEASE_LOST"


class CapacityError(EngineError):
    code = "NO_CAPACITY"
    exit_code = 5
    retryable = True


class NoAddressLeft(CapacityError):
    code = "NO_ADDRESS_LEFT"


class TerraformError(EngineError):
    code = "TERRAFORM_FAILED"
    exit_code = 6


class TerraformMissing(TerraformError):
    code = "TERRAFORM_MISSING"


class TerraformInterrupted(TerraformError):
    code = "TERRAFORM_INTERRUPTED"
    retryable = True


class BackendError(EngineError):
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
    code = "FILE_UNUSABLE"


class Unreachable(BackendError):
    code = "UNREACHABLE"
    retryable = True


class AccessDenied(BackendError):
    code = "ACCESS_DENIED"


class CredentialsExpired(AccessDenied):
    """Same code as its parent: callers do the same about it."""

    retryable = True


class NotBootstrapped(BackendError):
    code = "NOT_BOOTSTRAPPED"


class WrongRegion(BackendError):
    code = "WRONG_REGION"


class SharedGroundMissing(BackendError):
    code = "SHARED_GROUND_MISSING"


class AccountingError(BackendError):
    code = "ACCOUNTING_FAILED"


class AccountingUnavailable(AccountingError):
    code = "ACCOUNTING_UNAVAILABLE"
    retryable = True


class KeysUnavailable(BackendError):
    code = "KEYS_UNAVAILABLE"
    retryable = True


class KeysRefused(BackendError):
    code = "KEYS_REFUSED"


class ClusterError(EngineError):
    code = "CLUSTER_FAILED"
    exit_code = 8


class OutOfTime(EngineError):
    """Not a failure: what was begun goes on in the next run."""

    code = "OUT_OF_TIME"
    exit_code = 9
    retryable = True
