"""Terraform's own words, captured from real runs, become the engine's errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
    TerraformMissing,
    Unreachable,
    WrongRegion,
)
from engine.terraform.diagnostics import Diagnostic, from_bare_words, from_json, from_text
from engine.terraform.failures import (
    RULES,
    AlreadyGone,
    AlreadyThere,
    ClusterBusy,
    LustreBusy,
    PlanIsStale,
    ServiceBusy,
    error_for,
    interrupted,
)

# Terraform 1.11.4 and AWS provider 5.100.0 against a moto server (or a server that answers with the
# error AWS documents), by the name of what was wrong.
CAPTURED = json.loads(Path(__file__).with_name("captured.json").read_text("utf-8"))
LOG = Path("logs/pc-lab-1.log")

EXPECTED: dict[str, type[EngineError]] = {
    "lock_plan": StateLocked,
    "full": DiskFull,
    "prevent_destroy": DataAtRisk,
    "prov_mirror_empty": TerraformMissing,
    "prov_direct": TerraformMissing,
    "old_init": TerraformMissing,
    "prov_notinstalled": NotBootstrapped,
    "notinit_plan": NotBootstrapped,
    "digest": BackendError,
    "redirect": WrongRegion,
    "malformed": WrongRegion,
    "badregion_init": WrongRegion,
    "prov_badregion": WrongRegion,
    "nocreds_init": AccessDenied,
    "prov_nocreds": AccessDenied,
    "down_init": Unreachable,
    "down_plan": Unreachable,
    "nohost_init": Unreachable,
    "prov_down": Unreachable,
    "expiredtoken": CredentialsExpired,
    "expired": CredentialsExpired,
    "badkey": AccessDenied,
    "sigmismatch": AccessDenied,
    "sts_invalid": AccessDenied,
    "prov_sts_invalid": AccessDenied,
    "authfailure": AccessDenied,
    "denied": AccessDenied,
    "s3denied": AccessDenied,
    "nobucket_init": NotBootstrapped,
    "notable_plan": NotBootstrapped,
    "throttle": ServiceBusy,
    "slow": ServiceBusy,
    "s500": ServiceBusy,
    "gateway": ServiceBusy,
    "shared": SharedGroundMissing,
    "limit": CapacityError,
    "nocap": CapacityError,
    "fsxlimit": CapacityError,
    "stale": PlanIsStale,
    "busy": ClusterBusy,
    "fsxbusy": LustreBusy,
    "fsxsoon": TerraformError,
    "stackfail": ClusterError,
    "postcondition": ClusterError,
    "bad_plan": TerraformError,
    "exists": TerraformError,
    "other": AlreadyThere,
    "gone": AlreadyGone,
}


def captured(name: str) -> list[Diagnostic]:
    return [from_json(raw) for raw in CAPTURED["json"][name]]


def error_of(name: str, command: str = "plan") -> EngineError:
    return error_for(command, 1, captured(name), project="lab-1/proj-1", log_path=LOG)


@pytest.mark.parametrize("name", sorted(CAPTURED["json"]))
def test_captured_text_becomes_its_error(name: str) -> None:
    # GIVEN diagnostics as Terraform printed them
    # WHEN they are turned into an error
    error = error_of(name)

    # THEN it is of that class and no other, names the project, and says what to do
    assert type(error) is EXPECTED[name]
    assert "lab-1/proj-1" in error.message
    assert error.hint
    # AND all errors are there for machines, warnings are not
    errors = [one for one in captured(name) if one.is_error]
    assert [one["summary"] for one in error.details["diagnostics"]] == [one.summary for one in errors]
    assert json.loads(json.dumps(error.to_dict())) == error.to_dict()


def test_every_row_of_the_table_is_shown_by_captured_text() -> None:
    # GIVEN every captured error
    everything = [one for name in CAPTURED["json"] for one in captured(name) if one.is_error]

    # THEN no row of the table stands there on trust
    assert {rule.name for rule in RULES if not any(map(rule.match, everything))} == set()


def test_a_held_lock_names_its_holder_and_never_forces() -> None:
    error = error_of("lock_plan")

    assert error.details["holder"] == {
        "id": "5c9d2d5f-f0e9-4a02-0c8e-0b0e8f1a2b3c",
        "path": "state/projects/a/b/terraform.tfstate",
        "operation": "OperationTypeApply",
        "who": "alice@head",
        "version": "1.11.4",
        "created": "2026-11-23 03:00:00.123456789 +0000 UTC",
    }
    assert "alice@head" in error.message
    assert "OperationTypeApply" in error.message
    assert "ask alice@head" in error.hint
    assert error.retryable


def test_a_held_lock_is_known_from_wrapped_plain_text_too() -> None:
    # GIVEN `terraform untaint` without JSON output, its lines wrapped
    diagnostics = from_text(CAPTURED["text"]["lock_untaint"])

    # WHEN
    error = error_for("untaint", 1, diagnostics, project="lab-1/proj-1", log_path=LOG)

    # THEN
    assert type(error) is StateLocked
    assert error.details["holder"]["who"] == "alice@head"


def test_a_missing_lock_table_is_not_a_held_lock() -> None:
    # GIVEN both begin with "Error acquiring the state lock"
    # THEN
    assert type(error_of("notable_plan")) is NotBootstrapped
    assert "provisioner bootstrap" in error_of("notable_plan").hint


def test_a_change_of_lustre_too_soon_says_when_it_can_be_asked_for() -> None:
    assert error_of("fsxbusy", "apply").retryable
    error = error_of("fsxsoon", "apply")
    assert not error.retryable
    assert "refuses this change of the Lustre file system of lab-1/proj-1" in error.message
    assert "six hours" in error.hint


def test_shared_ground_lists_everything_that_is_missing() -> None:
    message = error_of("shared").message

    assert "data.aws_vpc.shared: no matching EC2 VPC found" in message
    assert "data.aws_cloudformation_stack.p: no matching CloudFormation Stack found" in message
    assert "and 1 more" in message


def test_the_same_words_about_a_resource_of_our_own_are_not_shared_ground() -> None:
    # GIVEN
    lost = Diagnostic(
        "error", "reading EC2 Subnet: couldn't find resource", address="module.subnet.aws_subnet.this"
    )

    # THEN
    error = error_for("plan", 1, [lost], project="lab-1/proj-1", log_path=LOG)
    assert type(error) is TerraformError


@pytest.mark.parametrize(
    "said",
    [
        # EC2 API reference, "Error codes"; EFS API reference, CreateMountTarget and CreateFileSystem.
        "Resource.AlreadyAssociated",
        "InvalidPermission.Duplicate",
        "MountTargetConflict",
        "FileSystemAlreadyExists",
    ],
)
def test_what_an_earlier_try_of_the_same_call_made_is_looked_for_by_the_next_run(said: str) -> None:
    seen = Diagnostic("error", f"creating something: api error {said}: no", address="module.a.aws_b.this")
    error = error_for("apply", 1, [seen], project="lab-1/proj-1", log_path=LOG)
    assert type(error) is AlreadyThere and error.retryable


def test_an_unknown_error_names_the_resource_its_text_and_the_log() -> None:
    error = error_of("exists", command="apply")

    assert "aws_s3_bucket.x: creating S3 Bucket" in error.message
    assert "BucketAlreadyExists" in error.message
    assert error.details["address"] == "aws_s3_bucket.x"
    assert str(LOG) in error.hint


def test_what_protects_data_is_named_although_terraform_gives_no_address() -> None:
    assert error_of("prevent_destroy").details["address"] == "terraform_data.a"


def test_a_failed_condition_without_an_address_says_where_it_stands() -> None:
    message = error_of("postcondition", command="apply").message

    assert 'resource "aws_cloudformation_stack" "this" (main.tf:24)' in message
    assert "is not up" in message


def test_capacity_inside_a_cluster_failure_is_capacity() -> None:
    # GIVEN a stack that failed for want of machines
    reason = (
        "waiting for CloudFormation Stack (arn) create: (ROLLBACK_COMPLETE): InsufficientInstanceCapacity"
    )

    # THEN
    error = error_for("apply", 1, [Diagnostic("error", reason)], project="a/b", log_path=LOG)
    assert type(error) is CapacityError


@pytest.mark.parametrize(
    ("name", "error"), [("digest_state_list", BackendError), ("notinit_output", NotBootstrapped)]
)
def test_commands_without_json(name: str, error: type[EngineError]) -> None:
    text = CAPTURED["text"][name]
    diagnostics = from_text(text) or from_bare_words(text)

    assert type(error_for("state list", 1, diagnostics, project="a/b", log_path=LOG)) is error


def test_wrong_flags_are_read_through_frames_and_colours() -> None:
    (diagnostic,) = from_text(CAPTURED["text"]["bad_usage"])

    assert diagnostic.summary == "Failed to parse command-line flags"
    assert diagnostic.detail.startswith("flag provided but not defined: -nonsense")


def test_plain_text_gives_address_and_place() -> None:
    # GIVEN as `terraform show` prints it
    text = """
Warning: Something old

Words.

Error: creating EC2 Subnet: no

  with module.subnet[0].aws_subnet.this,
  on modules/subnet/main.tf line 7, in resource "aws_subnet" "this":
   7: resource "aws_subnet" "this" {

Because of that.
"""
    # WHEN
    warning, error = from_text(text)

    # THEN
    assert (warning.severity, warning.detail) == ("warning", "Words.")
    assert error == Diagnostic(
        "error",
        "creating EC2 Subnet: no",
        "Because of that.",
        address="module.subnet[0].aws_subnet.this",
        file="modules/subnet/main.tf",
        line=7,
    )


def test_being_killed_and_silence_are_told_apart() -> None:
    killed = error_for("apply", -9, [], project="a/b", log_path=LOG)
    silent = error_for("apply", 11, [], project="a/b", log_path=LOG)

    assert "signal 9" in killed.message
    assert "exit code 11" in silent.message


def test_an_interruption_that_lost_the_state_says_so() -> None:
    # GIVEN
    unsaved = Diagnostic("error", "Failed to save state", "Error saving state: ...")

    # WHEN
    fine = interrupted("apply", 1, [], succeeded=False, project="a/b", log_path=LOG)
    lost = interrupted("apply", 1, [unsaved], succeeded=False, project="a/b", log_path=LOG)
    late = interrupted("apply", 0, [], succeeded=True, project="a/b", log_path=LOG)

    # THEN
    assert fine.details["state_saved"] is True
    assert "in the state" in fine.hint
    assert lost.details["state_saved"] is False
    assert "could not be saved" in lost.hint
    assert "already finished" in late.message
