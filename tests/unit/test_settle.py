"""How often Python's garbage collector looks, while a process comes up and once it lives on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_ENGINE = "import engine"
_WORKER = """
from unittest import mock
from engine.service import worker
with mock.patch.multiple(worker, open_engine=mock.DEFAULT, Worker=mock.DEFAULT):
    worker.worker()
"""
_API = """
from unittest import mock
from engine.service import api
with mock.patch.multiple(api, connect=lambda settings: (mock.Mock(), settings), open_desk=mock.DEFAULT):
    api.service()
"""
_LOOK = "import gc, json\nprint(json.dumps([gc.get_threshold(), gc.get_freeze_count()]))"


def looked(code: str) -> tuple[list[int], int]:
    """The collector's thresholds, and how many objects it leaves alone, after this code in a new process."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\n{_LOOK}"], capture_output=True, text=True, check=True
    )
    thresholds, frozen = json.loads(ended.stdout.splitlines()[-1])
    return thresholds, frozen


def test_a_process_comes_up_without_many_looks() -> None:
    (first, *_), frozen = looked(_ENGINE)
    assert (first, frozen) == (50_000, 0)


@pytest.mark.parametrize("code", [_WORKER, _API], ids=["worker", "api"])
def test_one_that_lives_on_looks_as_often_as_usual_at_what_comes(code: str) -> None:
    usual, _ = looked("")
    thresholds, frozen = looked(code)
    assert thresholds == usual
    assert frozen > 10_000
