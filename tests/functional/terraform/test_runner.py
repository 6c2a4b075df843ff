"""The runner with real Terraform, without any cloud."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import TerraformError, TerraformMissing
from engine.terraform.events import (
    ChangeSummary,
    CommandFinished,
    CommandStarted,
    Event,
    Message,
    OutputsSeen,
    PlannedChange,
    ResourceFailed,
    ResourceFinished,
    ResourceStarted,
)
from engine.terraform.failures import PlanIsStale
from engine.terraform.output import CommandLog
from engine.terraform.programs import start_detached
from engine.terraform.runner import PlanResult, Runner
from engine.terraform.state import instances

if TYPE_CHECKING:
    from tests.functional.terraform.conftest import Workplace

Pretender = Callable[..., Path]
TWO = """
variable "size" {
  default = 1
}
resource "terraform_data" "first" {
  input = var.size
}
resource "terraform_data" "second" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "true"
  }
}
output "size" {
  value = terraform_data.first.output
}
"""


def addresses(runner: Runner) -> list[str]:
    return sorted(one.address for one in instances(runner.state()))


def test_a_project_is_planned_applied_and_read(workplace: Workplace) -> None:
    # GIVEN an initialised workspace
    (workplace.folder / "terraform.tfvars.json").write_text('{"size": 7}')
    runner = workplace.write(TWO).runner()
    runner.init()

    # WHEN it is planned and that plan is applied
    planned = runner.plan(workplace.plan)
    changes = runner.show_plan(planned.path)["resource_changes"]
    runner.apply(planned.path)

    # THEN
    assert planned == PlanResult(workplace.plan, has_changes=True)
    assert {change["address"] for change in changes} == {"terraform_data.first", "terraform_data.second"}
    assert addresses(runner) == ["terraform_data.first", "terraform_data.second"]
    assert runner.state()["outputs"]["size"]["value"] == 7
    assert runner.state()["serial"] > 0
    # AND planning again finds nothing to do
    assert runner.plan(workplace.plan).has_changes is False
    assert workplace.plan.is_file()


def test_events_come_while_it_runs_and_in_order(workplace: Workplace) -> None:
    # GIVEN a plan whose second resource is made when its beginning was heard, and fails otherwise
    waits = "for _ in $(seq 600); do test -e heard && exit; sleep 0.1; done; exit 1"
    runner = workplace.write(TWO.replace("true", waits)).runner()
    runner.init()
    runner.plan(workplace.plan)
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if isinstance(event, ResourceStarted) and event.address == "terraform_data.second":
            (workplace.folder / "heard").touch()

    # WHEN THEN it is heard at once, not at the end
    workplace.runner(on_event=hear).apply(workplace.plan)

    # AND every step is told, in the order it happened
    told = [event for event in heard if not isinstance(event, Message | PlannedChange)]
    assert [(type(event), getattr(event, "address", "")) for event in told] == [
        (CommandStarted, ""),
        (ResourceStarted, "terraform_data.first"),
        (ResourceFinished, "terraform_data.first"),
        (ResourceStarted, "terraform_data.second"),
        (ResourceFinished, "terraform_data.second"),
        (ChangeSummary, ""),
        (OutputsSeen, ""),
        (CommandFinished, ""),
    ]


def test_a_change_of_outputs_alone_is_a_change(workplace: Workplace) -> None:
    runner = workplace.write('output "a" {\n  value = 1\n}\n').runner()
    runner.init()

    assert runner.plan(workplace.plan).has_changes is True


def test_destroying_and_targets(workplace: Workplace) -> None:
    # GIVEN two resources that exist
    runner = workplace.write(TWO).runner()
    runner.init()
    runner.apply(runner.plan(workplace.plan).path)

    # WHEN only one is destroyed, and then all that is left
    runner.apply(runner.plan(workplace.plan, destroy=True, targets=["terraform_data.second"]).path)
    left = addresses(runner)
    runner.apply(runner.plan(workplace.plan, destroy=True).path)

    # THEN
    assert left == ["terraform_data.first"]
    assert addresses(runner) == []


def test_what_may_hold_secrets_is_for_its_owner_alone(workplace: Workplace) -> None:
    # GIVEN a log file that anybody may read, and a caller who gives everything away
    workplace.log.parent.mkdir()
    workplace.log.touch(mode=0o644)
    workplace.log.chmod(0o644)
    before = os.umask(0)
    try:
        runner = workplace.write(TWO).runner()
        runner.init()
        runner.apply(runner.plan(workplace.plan).path)
    finally:
        os.umask(before)

    # THEN
    for path in (workplace.log, workplace.plan, workplace.folder / "terraform.tfstate"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_plan_that_fails_leaves_no_plan(workplace: Workplace) -> None:
    # GIVEN a plan of an earlier day, and a configuration that is broken since
    workplace.plan.write_text("old")
    runner = workplace.write('output "a" {\n  value = terraform_data.absent.output\n}\n').runner()

    # WHEN
    with pytest.raises(TerraformError) as raised:
        runner.plan(workplace.plan)

    # THEN nobody can apply what was not planned
    assert not workplace.plan.exists()
    assert "Reference to undeclared resource" in raised.value.message
    assert "lab-1/proj-1" in raised.value.message
    assert raised.value.details["exit_code"] == 1


def test_a_state_moves_to_another_backend(workplace: Workplace, tmp_path: Path) -> None:
    # GIVEN a state in the folder, applied with a backend that an override file names
    workplace.write('terraform {\n  backend "local" {}\n}\noutput "answer" { value = 42 }\n')
    override = workplace.folder / "backend_override.tf.json"
    override.write_text('{"terraform": {"backend": {"local": {"path": "here.tfstate"}}}}')
    runner = workplace.runner()
    runner.init()
    runner.plan(workplace.plan)
    runner.apply(workplace.plan)

    # WHEN the configuration leaves the place open, and a file says it
    override.unlink()
    elsewhere = tmp_path / "backend.hcl"
    elsewhere.write_text(f'path = "{tmp_path}/there.tfstate"\n')
    runner.migrate_state(backend_config=elsewhere)

    # THEN the state is there, also for a run that starts anew; the old one stays
    assert "42" in (tmp_path / "there.tfstate").read_text()
    assert (workplace.folder / "here.tfstate").is_file()
    runner.init(backend_config=elsewhere)
    assert runner.state()["outputs"]["answer"]["value"] == 42


def test_validate_finds_what_is_wrong_and_passes_what_is_not(workplace: Workplace) -> None:
    assert workplace.write(TWO).runner().validate() == ()

    workplace.write('output "a" {\n  value = var.absent\n}\n')
    with pytest.raises(TerraformError, match="undeclared input variable"):
        workplace.runner().validate()


def test_a_plan_is_applied_once(workplace: Workplace) -> None:
    # GIVEN a plan that was applied
    runner = workplace.write(TWO).runner()
    runner.init()
    runner.apply(runner.plan(workplace.plan).path)

    # THEN it is stale
    with pytest.raises(PlanIsStale, match="Nothing was changed"):
        runner.apply(workplace.plan)


def test_a_workspace_that_is_not_there_yet(workplace: Workplace) -> None:
    # GIVEN no state
    runner = workplace.write(TWO).runner()
    runner.init()

    # THEN
    assert runner.state() == {}


def test_a_failing_resource_is_named(workplace: Workplace) -> None:
    # GIVEN
    broken = TWO.replace("true", "exit 3")
    runner = workplace.write(broken).runner()
    runner.init()
    runner.plan(workplace.plan)

    # WHEN
    with pytest.raises(TerraformError) as raised:
        runner.apply(workplace.plan)

    # THEN
    assert raised.value.details["address"] == "terraform_data.second"
    assert "exit status 3" in raised.value.message
    assert [e.address for e in workplace.events if isinstance(e, ResourceFailed)] == ["terraform_data.second"]
    # AND what was tainted by it can be kept
    runner.untaint("terraform_data.second")
    assert runner.plan(workplace.plan).has_changes is False
    # AND somebody else's plan may have kept it a moment before
    runner.untaint("terraform_data.second")
    with pytest.raises(TerraformError, match="no_such"):
        runner.untaint("terraform_data.no_such")


def test_what_exists_is_taken_over_without_a_plan(workplace: Workplace) -> None:
    runner = workplace.write(TWO).runner()
    runner.init()
    runner.take_over("terraform_data.first", "there-already")
    assert [(one.address, one.id) for one in instances(runner.state())] == [
        ("terraform_data.first", "there-already")
    ]
    with pytest.raises(TerraformError, match="no_such"):
        runner.take_over("terraform_data.no_such", "there-already")


CANARY = "canary-4b1d5f0e-secret"
# As AWS explains a signature that does not match.
LEAKY = f"""
resource "terraform_data" "leak" {{
  provisioner "local-exec" {{
    command = "echo x-amz-security-token:{CANARY}; echo refused: x-amz-security-token:{CANARY} >&2; exit 1"
  }}
}}
"""


def test_a_session_token_is_seen_nowhere(workplace: Workplace, tmp_path: Path) -> None:
    runner = workplace.write(LEAKY).runner()
    runner.init()
    runner.plan(workplace.plan)

    # WHEN
    with pytest.raises(TerraformError) as raised:
        runner.apply(workplace.plan)

    # THEN neither events nor error nor log tell it
    told = [repr(workplace.events), json.dumps(raised.value.to_dict()), workplace.log.read_text()]
    assert all("refused: x-amz-security-token:***" in text for text in told)
    assert not [text for text in told if CANARY in text]


def test_documents_never_go_to_the_log(workplace: Workplace) -> None:
    # GIVEN
    text = 'output "hidden" {\n  value = "x"\n  sensitive = true\n}\noutput "open" {\n  value = "y"\n}\n'
    runner = workplace.write(text).runner()
    runner.init()
    runner.apply(runner.plan(workplace.plan).path)

    # THEN
    outputs = runner.state()["outputs"]
    assert {name: one["value"] for name, one in outputs.items()} == {"hidden": "x", "open": "y"}
    # AND none of that is in the log
    assert '"y"' in workplace.log.read_text()  # as Terraform's own message on apply, not sensitive
    assert '"x"' not in workplace.log.read_text()


def test_the_log_has_a_part_for_every_command(workplace: Workplace) -> None:
    runner = workplace.write(TWO).runner()
    runner.init()
    runner.plan(workplace.plan)

    lines = workplace.log.read_text().splitlines()
    headers = [line for line in lines if line.startswith("# 2") and " -input=false " in line]
    assert len(headers) == 2
    assert sum(line.startswith("# exit code") for line in lines) == 2


def test_nothing_is_inherited(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN something in our own environment that was not asked for
    monkeypatch.setenv("LEFTOVER", "seen")
    runner = workplace.write(
        'resource "terraform_data" "a" {\n  provisioner "local-exec" {\n    command = "env > seen"\n  }\n}\n'
    ).runner(env={"PATH": os.environ["PATH"], "TF_CLI_CONFIG_FILE": os.devnull})

    # WHEN
    runner.init()
    runner.apply(runner.plan(workplace.plan).path)

    # THEN
    assert "LEFTOVER" not in (workplace.folder / "seen").read_text()


def test_a_display_that_breaks_does_not_cut_an_apply_short(workplace: Workplace) -> None:
    # GIVEN
    def breaks(event: Event) -> None:
        if isinstance(event, ResourceStarted):
            raise RuntimeError("no more paper")

    runner = workplace.write(TWO).runner()
    runner.init()
    runner.plan(workplace.plan)

    # WHEN
    with pytest.raises(RuntimeError, match="no more paper"):
        workplace.runner(on_event=breaks).apply(workplace.plan)

    # THEN everything was made all the same
    assert addresses(runner) == ["terraform_data.first", "terraform_data.second"]


def test_a_full_disk_does_not_cut_an_apply_short(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a log that takes nothing any more once Terraform runs
    def full(self: CommandLog, text: str) -> None:
        if text.startswith("{"):
            raise OSError(errno.ENOSPC, "No space left on device")

    runner = workplace.write(TWO).runner()
    runner.init()
    runner.plan(workplace.plan)
    monkeypatch.setattr(CommandLog, "line", full)

    # WHEN
    with pytest.raises(TerraformError, match="No space left on device"):
        runner.apply(workplace.plan)

    # THEN everything was made all the same, and told
    assert addresses(runner) == ["terraform_data.first", "terraform_data.second"]
    assert any(isinstance(event, ResourceFinished) for event in workplace.events)


@pytest.fixture
def full(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write to the log fails as on a full disk, by the kernel's word."""
    # Its mode is the device's, which is everybody's.
    monkeypatch.setattr("engine.terraform.output.os.fchmod", lambda *_: None)
    workplace.log = Path("/dev/full")


def test_a_failing_apply_names_its_reason_on_a_full_disk(
    workplace: Workplace, pretender: Pretender, full: None
) -> None:
    error = {"@level": "error", "@message": "Error", "type": "diagnostic"}
    told = {"severity": "error", "summary": "the subnet is gone", "detail": ""}
    program = pretender(f"echo '{json.dumps({**error, 'diagnostic': told})}'; exit 1")
    with pytest.raises(TerraformError, match="the subnet is gone"):
        workplace.runner(binary=program).apply(workplace.plan)


def test_an_apply_that_ends_well_on_a_full_disk_is_told_of_as_written(
    workplace: Workplace, pretender: Pretender, full: None
) -> None:
    written: list[bool] = []
    runner = workplace.runner(binary=pretender("exit 0"), on_written=lambda: written.append(True))
    with pytest.raises(TerraformError, match="Terraform has ended, but its log could not be written"):
        runner.apply(workplace.plan)
    assert written == [True]
    assert any(isinstance(event, CommandFinished) for event in workplace.events)


def test_no_program_and_no_folder(workplace: Workplace, tmp_path: Path) -> None:
    with pytest.raises(TerraformMissing, match="no program at"):
        workplace.runner(binary=tmp_path / "absent").init()

    workplace.folder.rmdir()
    with pytest.raises(TerraformError, match="The workspace of lab-1/proj-1 is not at"):
        workplace.runner().init()


VERSION_LINE = json.dumps({"@level": "info", "@message": "Terraform 1.11.4", "type": "version"})


def test_words_between_the_json_are_kept(workplace: Workplace, pretender: Pretender) -> None:
    # GIVEN a Terraform that crashes in the middle, its last line cut off
    program = pretender(f"echo '{VERSION_LINE}'; echo 'panic: oh' >&2; echo; printf 'goroutine 1'; exit 11")

    # WHEN
    with pytest.raises(TerraformError, match="panic: oh"):
        workplace.runner(binary=program).apply(workplace.plan)

    # THEN
    raw = [event.text for event in workplace.events if isinstance(event, Message) and event.level == "raw"]
    assert sorted(raw) == ["goroutine 1", "panic: oh"]
    assert "goroutine 1" in workplace.log.read_text()


def test_a_crash_with_exit_code_2_is_no_plan_with_changes(workplace: Workplace, pretender: Pretender) -> None:
    # GIVEN Go ends with 2 on a fatal error, as a plan with changes does
    program = pretender("echo 'fatal error: out of memory' >&2; exit 2")

    with pytest.raises(TerraformError, match="out of memory"):
        workplace.runner(binary=program).plan(workplace.plan)


def test_being_killed_is_told(workplace: Workplace, pretender: Pretender) -> None:
    with pytest.raises(TerraformError, match="killed by signal 9"):
        workplace.runner(binary=pretender("kill -9 $$")).init()


def test_much_output_on_both_ways_blocks_nothing(workplace: Workplace, pretender: Pretender) -> None:
    # GIVEN more than any pipe holds, on both
    program = pretender(
        "i=0; while [ $i -lt 3000 ]; do echo out-$i-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; "
        "echo err-$i-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx >&2; i=$((i+1)); done"
    )

    # WHEN
    workplace.runner(binary=program).init()

    # THEN all of it came
    texts = [event.text for event in workplace.events if isinstance(event, Message)]
    assert len(texts) == 6000


def test_a_document_that_is_none(workplace: Workplace, pretender: Pretender) -> None:
    with pytest.raises(TerraformError, match="not JSON"):
        workplace.runner(binary=pretender("echo hello")).state()


@pytest.mark.parametrize("call", ["init", "validate", "state"])
def test_nothing_waits_for_an_answer(workplace: Workplace, pretender: Pretender, call: str) -> None:
    # GIVEN a program that asks, and takes the end of input for no
    program = pretender("read answer && exit 0; echo 'nobody there' >&2; exit 1")

    with pytest.raises(TerraformError, match="nobody there"):
        getattr(workplace.runner(binary=program), call)()


def test_a_detached_program_outlives_the_call_and_leaves_no_zombie(
    tmp_path: Path, pretender: Pretender
) -> None:
    # GIVEN
    log = tmp_path / "deep" / "server.log"
    program = pretender('echo "$WORD from $(ps -o sid= -p $$ | tr -d " ")"; sleep 0.3; echo end >&2')

    # WHEN
    pid = start_detached([str(program)], env={"WORD": "hello", "PATH": os.environ["PATH"]}, log_path=log)
    wait_until(lambda: not alive(pid))

    # THEN it had a session of its own, and both its outputs are in the log
    assert log.read_text() == f"hello from {pid}\nend\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
