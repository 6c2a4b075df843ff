"""A secret shows itself nowhere but through reveal()."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from engine.model.secret import Secret

CANARY = "canary-31337"


@dataclass(frozen=True)
class Holder:
    key: Secret


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        lambda secret: f"{secret}{secret!s}{secret!r}{secret!a}{secret:>20}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
        lambda secret: str([secret]) + str({"key": secret}),
        lambda secret: repr(Holder(secret)),
        lambda secret: json.dumps({"key": secret}, default=str),
    ],
)
def test_it_never_shows(show: Callable[[Secret], str]) -> None:
    assert CANARY not in show(Secret(CANARY))
    assert "***" in show(Secret(CANARY))


def test_an_error_that_carries_it_does_not_show_it() -> None:
    try:
        raise ValueError(Secret(CANARY))
    except ValueError as error:
        assert CANARY not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("spill", [pickle.dumps, copy.deepcopy, json.dumps])
def test_it_is_not_written_out(spill: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        spill(Secret(CANARY))


def test_it_can_be_revealed_and_compared() -> None:
    assert Secret(CANARY).reveal() == CANARY
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert not Secret("")
    assert Secret("ä") == Secret("ä")


def test_it_cannot_be_a_key() -> None:
    with pytest.raises(TypeError):
        hash(Secret(CANARY))
