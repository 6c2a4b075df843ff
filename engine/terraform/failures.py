"""From Terraform's diagnostics to the engine's errors: one table, tried from the top.

The patterns were made from what Terraform 1.11.4 and AWS provider 5.100.0 print; the tests hold that text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import (
    AccessDenied,
    BackendError,
    CapacityError,
    ClusterError,
    CredentialsExpired,
    DataAtRisk,
    DiskFull,
    EngineError,
    NotBootstrapped,
    SharedGroundMissing,
    StateLocked,
    TerraformError,
    TerraformInterrupted,
    TerraformMissing,
    Unreachable,
    WrongRegion,
)
from engine.model.passing import Why, pattern
from engine.terraform.diagnostics import Diagnostic

_MOST_LISTED = 8


class PlanIsStale(TerraformError):
    """The project's Terraform state moved on between plan and apply; nothing was changed."""

    code = "PLAN_IS_STALE"
    retryable = True


class ServiceBusy(BackendError):
    """AWS asks for fewer requests, or is ill for the moment."""

    code = "SERVICE_BUSY"
    retryable = True


class AlreadyThere(TerraformError):
    """Something that Terraform would make exists: the answer to an earlier try of this very call may have
    been lost. The next run looks for it and takes it over, or says whose it is (operations/adopt.py)."""

    retryable = True


class AlreadyGone(TerraformError):
    """Something that Terraform would take away is not there: the answer to an earlier try of this very call
    may have been lost."""

    retryable = True


class ClusterBusy(ClusterError):
    """CloudFormation is at work on the cluster's stack already: the answer to an earlier try may have been
    lost, or somebody else changes the cluster. The next run waits for it."""

    code = "CLUSTER_BUSY"
    retryable = True


class LustreBusy(TerraformError):
    """FSx is at work on a change of the project's Lustre already: an earlier run asked for it, or the answer
    to an earlier try was lost. The next apply waits for it; no plan is saved meanwhile.

    See operations/lustre.py.
    """

    code = "LUSTRE_BUSY"
    retryable = True


@dataclass(frozen=True)
class Rule:
    """If `pattern` is found in an error's text (on one line), and `address` in its address, it is `error`.

    says     the message; {project}, {command} and the pattern's named groups are filled in
    hint     what to do next, filled in the same way
    quoted   the errors' own texts follow the message
    facts    under which name the named groups go into the error's details
    """

    name: str
    pattern: re.Pattern[str]
    error: type[EngineError]
    says: str
    hint: str
    address: re.Pattern[str] | None = None
    quoted: bool = True
    facts: str = "facts"

    def match(self, diagnostic: Diagnostic) -> re.Match[str] | None:
        if self.address and not self.address.search(diagnostic.address or ""):
            return None
        return self.pattern.search(diagnostic.text)


def _rule(name: str, pattern: str, error: type[EngineError], says: str, hint: str, **more: Any) -> Rule:
    return Rule(name, re.compile(pattern), error, says, hint, **more)


_SIGN_IN = "Sign in again, or check the profile and the AWS_* variables this command runs with."

# The order matters where one text fits several rows: without credentials, the provider's text also
# speaks of an unreachable metadata service; an unreachable registry is a missing provider; and while
# an endpoint is down, the provider calls a bucket missing.
RULES: tuple[Rule, ...] = (
    _rule(
        "state locked",
        r"Lock Info: ID: (?P<id>\S+) Path: (?P<path>.*?) ?Operation: (?P<operation>\S*) ?"
        r"Who: (?P<who>.*?) ?Version: (?P<version>\S*) ?Created: (?P<created>.*?) ?Info:",
        StateLocked,
        "Somebody else is at work on {project}: {who} holds its state lock since {created} ({operation}).",
        "Wait until that has finished, then run the command again. If it should be over, ask {who} whether "
        "it still runs; only when it surely does not, run `terraform force-unlock {id}` in the workspace.",
        quoted=False,
        facts="holder",
    ),
    _rule(
        "disk full",
        r"no space left on device|disk quota exceeded",
        DiskFull,
        "The disk of this machine is full: {command} for {project} could not go on.",
        "Make room in `home` and `workspaces_dir` (`provisioner settings`), then run the command again: what "
        "was made and could not be written down is found at AWS.",
    ),
    _rule(
        "data protected",
        r"Instance cannot be destroyed|lifecycle\.prevent_destroy set",
        DataAtRisk,
        "The plan for {project} would destroy something that holds data. Nothing was changed.",
        "Look at what in the spec asks for its removal. `provisioner release` keeps the data; only "
        "`provisioner destroy --purge-data` removes it.",
    ),
    _rule(
        "provider missing",
        r"Failed to query available provider packages|Failed to install provider"
        r"|Required plugins are not installed|Could not retrieve the list of available versions for provider",
        TerraformMissing,
        "Terraform found no usable AWS provider for {project}.",
        "Run `provisioner setup`. Without a way to the provider registry, point TF_PLUGIN_MIRROR at a folder "
        "made by `terraform providers mirror` on a machine that has one.",
    ),
    _rule(
        "terraform version",
        r"Unsupported Terraform Core version",
        TerraformMissing,
        "This Terraform does not suit the workspace of {project}.",
        "Use Terraform >= 1.11, < 2: `provisioner setup` finds or fetches one.",
    ),
    _rule(
        "not initialised",
        r"[Ii]nitialization required|Inconsistent dependency lock file|Module not installed",
        NotBootstrapped,
        "The workspace of {project} is not initialised, or was for something else.",
        "Run `provisioner plan` for the project, which initialises it, or `terraform init` in the workspace.",
    ),
    _rule(
        "state digest",
        r"does not have the expected content(.*?Stored checksum: (?P<stored>\w*))?",
        BackendError,
        "The state of {project} does not match the checksum kept beside it: a write was cut short, or "
        "somebody replaced the state. Nothing was changed.",
        "Try again in two minutes. If it stays so, compare the newest versions of the state object with what "
        "exists, then set Digest in the lock table to the checksum of the right one.",
    ),
    _rule(
        "wrong region",
        r"requested bucket from \"(?P<asked>[^\"]+)\", actual location \"(?P<actual>[^\"]+)\""
        r"|the region '(?P<signed>[^']+)' is wrong; expecting '(?P<expected>[^']+)'"
        r"|PermanentRedirect|StatusCode: 301|BucketRegionError|IllegalLocationConstraint",
        WrongRegion,
        "Something that {project} needs stands in another region than the settings say.",
        "Compare `region` and the bucket names in `provisioner settings` with the text above.",
    ),
    _rule(
        "no such region",
        r"(?i)invalid AWS Region: (?P<asked>\S+)|Invalid region value",
        WrongRegion,
        "The region that the settings give for {project} is not one of AWS.",
        "Correct `region` in the settings; `provisioner settings` shows where its value comes from.",
    ),
    _rule(
        "no credentials",
        r"No valid credential sources found|failed to refresh cached credentials|SSO session has expired"
        r"|failed to get shared config profile",
        AccessDenied,
        "There are no AWS credentials to work on {project} with.",
        _SIGN_IN,
    ),
    _rule(
        "unreachable",
        pattern(Why.LOST),
        Unreachable,
        "AWS, or the endpoint of the settings, did not answer while {command} ran for {project}.",
        "Check `endpoint_url` in `provisioner settings` and the network; for the local cloud, "
        "`provisioner local status`. Then run the command again.",
    ),
    _rule(
        "credentials expired",
        # To HEAD, S3 gives no reason: see HEAD_SAYS_NO_MORE.
        rf"{pattern(Why.EXPIRED)}|operation error S3: Head\w+, https response error StatusCode: 400",
        CredentialsExpired,
        "The credentials used for {project} expired.",
        _SIGN_IN,
    ),
    _rule(
        "credentials refused",
        r"InvalidClientTokenId|InvalidAccessKeyId|UnrecognizedClient|SignatureDoesNotMatch"
        r"|InvalidSignature|IncompleteSignature|AuthFailure|InvalidToken|MissingAuthenticationToken",
        AccessDenied,
        "AWS did not take the credentials used for {project}.",
        _SIGN_IN,
    ),
    _rule(
        "permission refused",
        r"is not authorized to perform|UnauthorizedOperation|AccessDenied|StatusCode: 403",
        AccessDenied,
        "AWS refused an action that {project} needs.",
        "Ask for the permission named above, or use another profile.",
    ),
    _rule(
        "state bucket or lock table missing",
        r"(Error acquiring the state lock|Error releasing the state lock) .*ResourceNotFoundException"
        r"|S3 bucket \"(?P<bucket>[^\"]+)\" does not exist",
        NotBootstrapped,
        "The state bucket or the lock table is missing, so {project} has no place for its state.",
        "Run `provisioner bootstrap`, or correct `state_bucket`, `lock_table` and `region` in the settings.",
    ),
    _rule(
        "throttled",
        pattern(Why.THROTTLED),
        ServiceBusy,
        "AWS asks for fewer requests; {command} for {project} gave up waiting.",
        "Run the command again in a few minutes; it goes on from where it stopped.",
    ),
    _rule(
        "shared ground missing",
        r"no matching|couldn't find resource|could not be found|returned no results|empty result|NotFound",
        SharedGroundMissing,
        "Shared infrastructure that {project} needs was not found.",
        "Check its tags and names against `provisioner settings`, and the region; an administrator sets it "
        "up once per region.",
        address=re.compile(r"(^|\.)data\."),
    ),
    _rule(
        "no capacity",
        r"Insufficient\w*Capacity|InsufficientFreeAddresses|\w+(Limit|Quota)Exceeded|TooManyBuckets"
        r"|MaxSpotInstanceCountExceeded",
        CapacityError,
        "AWS has no room for {project}, or a quota of the account is used up.",
        "Try again later, ask for a smaller cluster or another instance type, or have the quota raised "
        "(AWS console, Service Quotas).",
    ),
    _rule(
        "service ill",
        rf"StatusCode: 5\d\d|{pattern(Why.ILL, Why.SETTLING)}",
        ServiceBusy,
        "AWS answered with an error of its own while {command} ran for {project}.",
        "Run the command again in a few minutes; it goes on from where it stopped.",
    ),
    _rule(
        "plan stale",
        r"Saved plan is stale|plan file can no longer be applied",
        PlanIsStale,
        "The state of {project} has changed since the plan was made. Nothing was changed.",
        "Plan again, review, and apply that plan.",
    ),
    _rule(
        "exists already",
        # A bucket's name that is taken in another account stays taken, and what a cluster's stack met, too.
        r"^(?!.*waiting for CloudFormation Stack).*((?<!Bucket)AlreadyExists|already exists|AlreadyOwnedByYou"
        r"|InvalidSubnet\.Conflict|InvalidGroup\.Duplicate|InvalidPermission\.Duplicate"
        r"|ResourceConflictException|MountTargetConflict|Resource\.AlreadyAssociated)",
        AlreadyThere,
        "Something that {command} would make for {project} is there already.",
        "Run the command again: what is the project's own is taken over then, and else it says whose it is.",
    ),
    _rule(
        "gone already",
        # AWS provider 5.100.0 takes a new security group's egress rule away, and the SDK asks twice.
        r"InvalidPermission\.NotFound",
        AlreadyGone,
        "Something that {command} would take away from {project} is gone already.",
        "Run the command again: it goes on from what there is.",
    ),
    _rule(
        "cluster busy",
        # Of updates only: the provider takes each refusal to delete for "it is gone" (operations/release.py).
        r"updating CloudFormation Stack .* is in \w+_IN_PROGRESS state and can ?not be updated",
        ClusterBusy,
        "CloudFormation is at work on the cluster of {project}, and takes nothing else until it is done.",
        "Run the command again: it waits for that, and goes on from there.",
    ),
    _rule(
        "lustre busy",
        # In these words: github.com/kubernetes-sigs/aws-fsx-csi-driver, pkg/cloud/cloud.go
        r"updating FSX for Lustre File System .*update already in progress",
        LustreBusy,
        "FSx is at work on a change of the Lustre file system of {project}, and takes no other meanwhile.",
        "Run the command again: it waits for that, and goes on from there. While FSx optimizes what it has "
        "changed, which may take days, it is not waited for: apply again when that is over.",
    ),
    _rule(
        "lustre change refused",
        r"updating FSX for Lustre File System .*BadRequest",
        TerraformError,
        "FSx refuses this change of the Lustre file system of {project}, which stays as it was.",
        "Read the reason above. FSx takes another change of size or throughput six hours after the last one "
        "was asked for, and not before it has optimized what that one changed (`aws fsx "
        "describe-file-systems --region REGION`, AdministrativeActions): apply again then, or take the "
        "change back.",
    ),
    _rule(
        "cluster failed",
        r"(waiting for|creating|updating|deleting) CloudFormation Stack",
        ClusterError,
        "The cluster of {project} did not come up, change or go as asked.",
        "Read the reason above and `provisioner status {project}`. Once the cause is gone, run the command "
        "again.",
    ),
    _rule(
        "cluster not complete",
        r"Resource postcondition failed",
        ClusterError,
        "The cluster of {project} is not in the state it must be in.",
        "See `provisioner status {project}`. If it is still in progress, run the command again once it is "
        "done.",
    ),
)


def error_for(
    command: str, exit_code: int, diagnostics: Sequence[Diagnostic], *, project: str, log_path: Path
) -> EngineError:
    """The engine's error for a Terraform command that failed.

    command      such as "plan"
    diagnostics  all that were seen, warnings too; session tokens are already taken out
    Gives        the error of the first row of RULES that fits any of the errors, else TerraformError
                 naming the first error's place. All errors are in details["diagnostics"].
    """
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
    details: dict[str, Any] = {
        "command": command,
        "exit_code": exit_code,
        "address": next((one.address for one in errors if one.address), None),
        "diagnostics": [diagnostic.to_dict() for diagnostic in errors],
        "log": str(log_path),
    }
    for rule in RULES:
        matches = [(one, found) for one in errors if (found := rule.match(one))]
        if matches:
            return _of_rule(rule, matches, command=command, project=project, details=details)
    return _unknown(command, exit_code, errors, project=project, details=details)


def interrupted(
    command: str,
    exit_code: int,
    diagnostics: Sequence[Diagnostic],
    *,
    succeeded: bool,
    project: str,
    log_path: Path,
) -> TerraformInterrupted:
    """The error for a command that we stopped; `succeeded` when it had done its work before it noticed."""
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
    unsaved = any("save state" in one.text or "errored.tfstate" in one.text for one in errors)
    message = f"terraform {command} for {project} was stopped on request"
    message += ", when it had already finished." if succeeded else "."
    if unsaved:
        hint = "Its state could not be saved: read the log before anything else is done to the project."
    elif command == "apply" and not succeeded:
        hint = "What was made so far is in the state. Run the command again to go on from there."
    else:
        hint = "Nothing is left half done. Run the command again when you are ready."
    return TerraformInterrupted(
        message,
        hint=hint,
        details={
            "command": command,
            "exit_code": exit_code,
            "succeeded": succeeded,
            "state_saved": not unsaved,
            "diagnostics": [diagnostic.to_dict() for diagnostic in errors],
            "log": str(log_path),
        },
    )


def _of_rule(
    rule: Rule,
    matches: Sequence[tuple[Diagnostic, re.Match[str]]],
    *,
    command: str,
    project: str,
    details: dict[str, Any],
) -> EngineError:
    diagnostic, match = matches[0]
    facts = {name: value for name, value in match.groupdict().items() if value}
    filled = dict.fromkeys(match.groupdict(), "?") | facts
    filled |= {"project": project, "command": f"terraform {command}"}
    message = rule.says.format_map(filled)
    if rule.quoted:
        message += "".join(f"\n  - {line}" for line in _lines([one for one, _ in matches]))
    details = details | {"address": diagnostic.address or details["address"], rule.facts: facts}
    return rule.error(message, hint=rule.hint.format_map(filled), details=details)


def _unknown(
    command: str, exit_code: int, errors: Sequence[Diagnostic], *, project: str, details: dict[str, Any]
) -> TerraformError:
    hint = f"The whole story is in {details['log']}."
    if errors:
        where = f" at {errors[0].where}" if errors[0].where else ""
        message = f"terraform {command} failed for {project}{where}:"
        return TerraformError(
            message + "".join(f"\n  - {line}" for line in _lines(errors)),
            hint=f"Mend what the first error names, then run the command again. {hint}",
            details=details,
        )
    if exit_code < 0:
        message = f"terraform {command} for {project} was killed by signal {-exit_code}, not by us."
        hint = f"The machine may be out of memory. {hint} What it was making may be missing from the state."
    else:
        message = f"terraform {command} for {project} ended with exit code {exit_code} and gave no reason."
    return TerraformError(message, hint=hint, details=details)


def _lines(errors: Sequence[Diagnostic]) -> list[str]:
    lines = [f"{one.where}: {one.text}" if one.where else one.text for one in errors[:_MOST_LISTED]]
    if len(errors) > _MOST_LISTED:
        lines.append(f"and {len(errors) - _MOST_LISTED} more, see the log")
    return lines
