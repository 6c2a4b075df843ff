"""Whose death can be proved: a process of this boot and namespace that is gone, a request that AWS ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.model.operation import Owner
from engine.terraform.processes import (
    RUN_VARIABLE,
    lambda_request,
    processes_of,
    proof_of_death,
    this_process,
)

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SAY_WHO = "import json, engine.terraform.processes as p; print(json.dumps(vars(p.this_process())))"


@pytest.fixture(scope="module")
def dead() -> Owner:
    """A process that has ended."""
    said = subprocess.run([sys.executable, "-c", SAY_WHO], capture_output=True, check=True)
    return Owner(**json.loads(said.stdout))


@pytest.fixture
def terraform_of_a_run() -> Iterator[str]:
    run = "0b6c5a52-run"
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, RUN_VARIABLE: run})
    deadline = time.monotonic() + 10
    while not processes_of(run) and time.monotonic() < deadline:
        time.sleep(0.01)  # between fork and exec it still has our environment
    yield run
    process.kill()
    process.wait()


def test_who_lives_is_not_dead(dead: Owner) -> None:
    assert proof_of_death(this_process()) is None
    assert str(os.getpid()) in this_process().name


def test_who_is_gone_is_dead(dead: Owner) -> None:
    assert dead.identity["pid"] in str(proof_of_death(dead))
    # Its number was given to another process: to this one.
    again = replace(dead, identity={**dead.identity, "pid": str(os.getpid())})
    assert proof_of_death(again)


@pytest.mark.parametrize("elsewhere", [{"boot": "another"}, {"pids": "pid:[1]"}, {"boot": ""}])
def test_of_another_machine_or_container_nothing_is_known(dead: Owner, elsewhere: dict[str, str]) -> None:
    assert proof_of_death(replace(dead, identity={**dead.identity, **elsewhere})) is None


def test_where_the_kernel_does_not_tell_its_boot_nothing_is_known(dead: Owner, mocker) -> None:
    here = {"boot": "", "pids": dead.identity["pids"]}
    mocker.patch("engine.terraform.processes._here", return_value=here)
    assert proof_of_death(replace(dead, identity={**dead.identity, **here})) is None


def test_while_its_terraform_works_it_is_not_dead(dead: Owner, terraform_of_a_run: str) -> None:
    assert proof_of_death(dead, run=terraform_of_a_run) is None
    assert "no process of its run" in str(proof_of_death(dead, run="another"))


def test_another_user_cannot_know(dead: Owner, mocker) -> None:
    mocker.patch("os.getuid", return_value=4711)
    assert proof_of_death(dead) is None


def test_a_zombie_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", SAY_WHO], stdout=subprocess.PIPE)
    assert process.stdout is not None
    owner = Owner(**json.loads(process.stdout.readline()))
    deadline = time.monotonic() + 10
    while proof_of_death(owner) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert proof_of_death(owner)
    process.wait()
    process.stdout.close()


def test_a_lambda_request_is_over_when_aws_has_ended_it() -> None:
    owner = lambda_request(function="worker", request_id="r-1", ends_at=NOON)
    assert proof_of_death(owner, now=NOON + timedelta(minutes=5)) is None
    assert "r-1" in str(proof_of_death(owner, now=NOON + timedelta(minutes=7)))


def test_an_owner_of_a_kind_we_do_not_know() -> None:
    assert proof_of_death(Owner("robot", "r", {})) is None
