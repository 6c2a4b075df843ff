"""Stopping Terraform: by a call, by Ctrl-C, and by the death of the engine itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import TerraformInterrupted
from engine.terraform.events import CommandStarted, Interrupting, Message, ResourceStarted

if TYPE_CHECKING:
    from engine.terraform.runner import Runner
    from tests.functional.terraform.conftest import Workplace

REPOSITORY = Path(__file__).parents[3]
SLOW = """
resource "terraform_data" "first" {}
resource "terraform_data" "second" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "sleep 30"
  }
}
resource "terraform_data" "third" {
  depends_on = [terraform_data.second]
}
"""
# Counts the SIGINTs it gets, and goes on until a file appears.
STUBBORN = """
trap 'echo x >> "{counts}"' INT
echo started
while [ ! -e "{end}" ]; do sleep 0.05; done
exit 1
"""
# An engine of its own: argv is folder, binary, log, CLI configuration, command.
ENGINE = """
import os, sys
from pathlib import Path
from engine.errors import TerraformInterrupted
from engine.terraform.runner import Runner
folder, binary, log, config, command = sys.argv[1:]
env = {"PATH": os.environ["PATH"], "TF_CLI_CONFIG_FILE": config}
runner = Runner(Path(folder), binary=Path(binary), env=env, log_path=Path(log),
                on_event=lambda event: print(event, flush=True))
try:
    getattr(runner, command)(*([Path(folder, "project.tfplan")] if command == "apply" else []))
except TerraformInterrupted as error:
    print("raised", error.code, error.details["exit_code"], flush=True)
    sys.exit(6)
"""
# A lock on the state that takes its time, goes when a file is there, and says what it is at.
LOCK = """
import time
from contextlib import contextmanager
from pathlib import Path
from engine.terraform.runner import Runner
class Lock:
    @contextmanager
    def held(self, command):
        print("locking", flush=True)
        time.sleep({locking_s})
        yield "run-1"
        print("releasing", flush=True)
        for _ in range(600):
            if Path("{end}").exists():
                break
            time.sleep(0.1)
        print("released", flush=True)
as_it_is = Runner.__init__
Runner.__init__ = lambda self, folder, **given: as_it_is(self, folder, lock=Lock(), **given)
"""


@pytest.fixture
def slow(workplace: Workplace) -> Runner:
    """A runner whose saved plan takes half a minute in its second resource."""
    runner = workplace.write(SLOW).runner()
    runner.init()
    runner.plan(workplace.plan)
    return runner


def tainted(runner: Runner) -> dict[str, bool]:
    resources = runner.state()["resources"]
    return {one["name"]: one["instances"][0].get("status") == "tainted" for one in resources}


def test_an_apply_is_interrupted_and_its_state_kept(workplace: Workplace, slow: Runner) -> None:
    # GIVEN an apply that is interrupted from another thread, more than once
    def stop() -> None:
        wait_until(lambda: started(workplace, "terraform_data.second"))
        for _ in range(3):
            slow.interrupt()

    stopper = threading.Thread(target=stop)
    stopper.start()
    began = time.monotonic()

    # WHEN
    with pytest.raises(TerraformInterrupted) as raised:
        slow.apply(workplace.plan)
    stopper.join()

    # THEN it ended soon, said so, and told it apart from a failure
    assert time.monotonic() - began < 15
    assert any(isinstance(event, Interrupting) for event in workplace.events)
    assert raised.value.retryable
    assert raised.value.details["succeeded"] is False
    assert raised.value.details["exit_code"] == 1
    # AND the state knows what was made, what is in doubt, and nobody holds the lock
    assert tainted(slow) == {"first": False, "second": True}
    assert slow.plan(workplace.plan).has_changes


def test_one_sigint_to_terraform_alone(
    workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path
) -> None:
    # GIVEN a Terraform that counts
    counts, end = tmp_path / "counts", tmp_path / "end"
    runner = workplace.runner(binary=pretender(STUBBORN.format(counts=counts, end=end)))
    going = Going(runner.init)
    wait_until(lambda: Message("started", "raw") in workplace.events)

    # WHEN it is interrupted again and again
    for _ in range(5):
        runner.interrupt()
        time.sleep(0.05)
    wait_until(lambda: stops(workplace) and stops(workplace)[-1].times == 5)
    end.touch()

    # THEN it got one, and each later time said what is waited for
    assert isinstance(going.error(), TerraformInterrupted)
    assert counts.read_text() == "x\n"
    assert "Stopping" in stops(workplace)[0].text
    assert f"process {stops(workplace)[-1].pid}" in stops(workplace)[-1].text


def test_interrupting_between_two_commands_stops_the_next_once(workplace: Workplace) -> None:
    # GIVEN nothing is running
    runner = workplace.write(SLOW).runner()
    runner.interrupt()

    # THEN the next command does not start at all
    with pytest.raises(TerraformInterrupted):
        runner.init()
    assert CommandStarted("init") not in workplace.events
    # AND the one after that does: the wish is fulfilled
    runner.init()


def test_a_command_that_ended_well_all_the_same_is_told_as_stopped(
    workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path
) -> None:
    # GIVEN a command that does not notice
    end = tmp_path / "end"
    script = f"trap '' INT; echo started; while [ ! -e '{end}' ]; do sleep 0.05; done; exit 0"
    runner = workplace.runner(binary=pretender(script))
    going = Going(runner.init)
    wait_until(lambda: Message("started", "raw") in workplace.events)

    # WHEN
    runner.interrupt()
    end.touch()

    # THEN
    error = going.error()
    assert isinstance(error, TerraformInterrupted)
    assert error.details["succeeded"] is True
    assert "already finished" in error.message


def test_an_interrupted_plan_is_no_plan(workplace: Workplace, pretender: Callable[..., Path]) -> None:
    # GIVEN
    runner = workplace.runner(binary=pretender(f"echo x > {workplace.plan}; echo started; exec sleep 20"))
    going = Going(lambda: runner.plan(workplace.plan))
    wait_until(lambda: Message("started", "raw") in workplace.events)

    # WHEN
    runner.interrupt()

    # THEN
    assert isinstance(going.error(), TerraformInterrupted)
    assert not workplace.plan.exists()


def test_ctrl_c_reaches_the_engine_and_is_passed_on_once(
    workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path
) -> None:
    # GIVEN an engine in a process group of its own, as a shell's job is
    counts, end = tmp_path / "counts", tmp_path / "end"
    program = pretender(STUBBORN.format(counts=counts, end=end))
    engine = start_engine(workplace, "init", binary=program)
    lines = Lines(engine)
    lines.wait_for("Message(text='started'")

    # WHEN Ctrl-C is pressed three times: the terminal signals the whole group
    for times in (1, 2, 3):
        os.killpg(engine.pid, signal.SIGINT)
        lines.wait_for(f"times={times})")
    end.touch()

    # THEN Terraform, in another session, got one from the engine, and the engine ended in order
    assert engine.wait(timeout=20) == 6
    assert counts.read_text() == "x\n"
    lines.wait_for("raised TERRAFORM_INTERRUPTED 1")


def test_a_closed_terminal_after_ctrl_c_is_no_second_sigint(
    workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path
) -> None:
    # GIVEN a Terraform that has been asked to stop
    counts, end = tmp_path / "counts", tmp_path / "end"
    engine = start_engine(workplace, "init", binary=pretender(STUBBORN.format(counts=counts, end=end)))
    lines = Lines(engine)
    lines.wait_for("Message(text='started'")
    os.killpg(engine.pid, signal.SIGINT)
    lines.wait_for("times=1)")

    # WHEN the terminal is closed, or the pipeline cancelled: on a second SIGINT Terraform drops its work
    engine.send_signal(signal.SIGHUP)
    engine.send_signal(signal.SIGTERM)
    lines.wait_for("times=3)")
    end.touch()

    # THEN the engine has waited, and Terraform got one
    assert engine.wait(timeout=20) == 6
    assert counts.read_text() == "x\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_being_stopped_in_an_apply_keeps_the_state(
    number: signal.Signals, workplace: Workplace, slow: Runner
) -> None:
    # GIVEN a real apply in an engine of its own
    engine = start_engine(workplace, "apply")
    lines = Lines(engine)
    lines.wait_for("ResourceStarted(address='terraform_data.second'")

    # WHEN
    os.killpg(engine.pid, number)

    # THEN
    assert engine.wait(timeout=20) == 6
    assert tainted(slow) == {"first": False, "second": True}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_being_stopped_once_terraform_has_ended_lets_the_lock_go(
    number: signal.Signals, workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path
) -> None:
    # GIVEN an engine that releases the lock of an apply that is done
    end = tmp_path / "end"
    engine = start_engine(workplace, "apply", pretender("exit 0"), first=LOCK.format(locking_s=0, end=end))
    lines = Lines(engine)
    lines.wait_for("releasing")

    # WHEN it is stopped, more than once THEN the lock is released, and then it ends
    engine.send_signal(number)
    time.sleep(0.2)
    engine.send_signal(number)
    end.touch()
    assert engine.wait(timeout=20) == 6
    lines.wait_for("released")


def test_being_stopped_while_it_waits_for_the_lock_ends_it_at_once(
    workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path
) -> None:
    lock = LOCK.format(locking_s=600, end=tmp_path / "end")
    engine = start_engine(workplace, "apply", pretender("exit 0"), first=lock)
    lines = Lines(engine)
    lines.wait_for("locking")
    engine.send_signal(signal.SIGINT)
    assert engine.wait(timeout=20) != 0


def test_a_killed_engine_does_not_take_the_state_with_it(workplace: Workplace, slow: Runner) -> None:
    # GIVEN a real apply in an engine of its own
    engine = start_engine(workplace, "apply")
    lines = Lines(engine)
    lines.wait_for("ResourceStarted(address='terraform_data.second'")
    lock = workplace.folder / ".terraform.tfstate.lock.info"
    assert lock.exists()

    # WHEN the engine is killed, with no chance to say anything
    engine.kill()
    engine.wait()

    # THEN Terraform stops by itself, saves what it knows and releases its lock
    wait_until(lambda: not lock.exists())
    assert tainted(slow) == {"first": False, "second": True}


@pytest.mark.parametrize("stopped_before", [False, True])
def test_terraform_gets_one_sigint_when_its_engine_is_killed(
    stopped_before: bool, workplace: Workplace, pretender: Callable[..., Path], tmp_path: Path
) -> None:
    # GIVEN an engine with many threads, whose Terraform counts
    counts, end = tmp_path / "counts", tmp_path / "end"
    many = "import threading, time\nfor _ in range(40):\n" + (
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    binary = pretender(STUBBORN.format(counts=counts, end=end))
    engine = start_engine(workplace, "init", binary=binary, first=many)
    try:
        lines = Lines(engine)
        lines.wait_for("Message(text='started'")
        if stopped_before:
            engine.send_signal(signal.SIGINT)
            lines.wait_for("Interrupting(")
            wait_until(counts.exists)

        # WHEN
        engine.kill()
        engine.wait()

        # THEN it got one: at the second it would forget what it is making
        wait_until(counts.exists)
        time.sleep(0.5)
    finally:
        engine.kill()
        end.touch()
    assert counts.read_text().split() == ["x"]


class Going:
    """Something that runs in a thread."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._errors: list[Exception | None] = []
        self._thread = threading.Thread(target=self._go, args=(run,))
        self._thread.start()

    def error(self) -> Exception | None:
        self._thread.join(timeout=30)
        return self._errors[0]

    def _go(self, run: Callable[[], Any]) -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001  handed to the test
            self._errors.append(error)
        else:
            self._errors.append(None)


class Lines:
    """What a process prints, waited for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: list[str] = []
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: any(text in line for line in self._lines))

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            self._lines.append(line)


def start_engine(
    workplace: Workplace, command: str, binary: Path | None = None, first: str = ""
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            first + ENGINE,
            str(workplace.folder),
            str(binary or workplace.tools.binary),
            str(workplace.log),
            str(workplace.tools.cli_config),
            command,
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def started(workplace: Workplace, address: str) -> bool:
    return any(isinstance(event, ResourceStarted) and event.address == address for event in workplace.events)


def stops(workplace: Workplace) -> list[Interrupting]:
    return [event for event in workplace.events if isinstance(event, Interrupting)]


def wait_until(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
