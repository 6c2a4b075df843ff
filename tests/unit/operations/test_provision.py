"""A cluster's stack is made or changed only where AWS's two stacks let that come to a good end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.aws.clusters import ClusterStatus
from engine.errors import ClusterError
from engine.operations import provision
from engine.operations.engine import Engine
from engine.review import build_review
from engine.workspace.resources import CLUSTER_STACK
from tests.unit.operations.stacks import NAMES, standing
from tests.unit.review.plans import entry, plan_of


class Asked(Exception):
    """The person was asked: nothing has refused the plan."""


def carry_out(engine: Engine, mocker: Any, action: str, status: ClusterStatus) -> None:
    """Carry out a plan that does so to the stack, up to the question whether it should be."""
    review = build_review(plan_of(entry(CLUSTER_STACK, action, before={}, after={})), project=NAMES.project)
    planned: Any = SimpleNamespace(names=NAMES, review=review, has_changes=True)
    mocker.patch.object(provision.repair, "look_at_cluster", return_value=status)
    provision.carry_out(engine, planned, approve=mocker.Mock(side_effect=Asked))


@pytest.mark.parametrize(
    ("action", "status", "told"),
    [
        ("create", standing(None, "CREATE_COMPLETE"), "stands without the stack"),
        ("update", standing("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED"), "takes no update"),
    ],
    ids=["a cluster alone", "stuck"],
)
def test_nobody_is_asked_about_a_stack_that_cannot_come_to_a_good_end(
    engine: Engine, mocker: Any, action: str, status: ClusterStatus, told: str
) -> None:
    with pytest.raises(ClusterError, match=told) as refused:
        carry_out(engine, mocker, action, status)
    assert "Nothing was changed" in refused.value.message and NAMES.project in refused.value.message


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("create", standing(None, None)),
        ("create", standing("CREATE_FAILED", "CREATE_FAILED")),
        ("update", standing("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")),
    ],
)
def test_any_other_stack_is_asked_about(
    engine: Engine, mocker: Any, action: str, status: ClusterStatus
) -> None:
    with pytest.raises(Asked):
        carry_out(engine, mocker, action, status)
