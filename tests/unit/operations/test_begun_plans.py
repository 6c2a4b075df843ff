"""What a person is told whose saved plan was stopped: the plan is not taken up again once it was begun."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import EngineError, OutOfTime, TerraformInterrupted
from engine.operations import saved_plans
from engine.review.context import Context

INTERRUPTED = TerraformInterrupted, {"state_saved": True}
UNSAVED = TerraformInterrupted, {"state_saved": False}
LATE: tuple[Any, dict[str, bool]] = (OutOfTime, {})


def apply(mocker: Any, how: tuple[Any, dict[str, bool]], *, begun: bool, approval: str) -> EngineError:
    """Apply a saved plan that is stopped like this; gives what the person is told."""
    error, details = how
    for name in ("caller_of", "plan_store", "restore_workspace", "states", "write_private", "build_review"):
        mocker.patch.object(saved_plans, name)
    mocker.patch.object(saved_plans, "_require_state")
    mocker.patch.object(saved_plans.records, "require_data")
    mocker.patch.object(saved_plans, "review_context", return_value=Context(today=date(2026, 11, 30)))
    mocker.patch.object(saved_plans, "check_plan", return_value=())
    engine = mocker.MagicMock(settings=SimpleNamespace(plan_approval=approval))

    def carry_out(*_: Any, begin: Any, **__: Any) -> None:
        if begun:
            begin(engine)
        raise error("It was stopped.", hint="Run the same command again.", details=details)

    mocker.patch.object(saved_plans, "carry_out", carry_out)
    with pytest.raises(error) as stopped:
        saved_plans._apply(
            engine,
            mocker.MagicMock(),
            mocker.MagicMock(),
            mocker.MagicMock(approvals=()),
            approve=lambda _: None,
        )
    told: EngineError = stopped.value
    return told


@pytest.mark.parametrize("how", [LATE, INTERRUPTED], ids=["out of time", "interrupted"])
@pytest.mark.parametrize(
    ("approval", "says", "not_"),
    [("none", "`provisioner apply SPEC` goes on", "same command"), ("required", "reviewed", "apply SPEC")],
)
def test_a_plan_that_was_begun_is_gone_on_with_otherwise(
    mocker: Any, how: Any, approval: str, says: str, not_: str
) -> None:
    hint = apply(mocker, how, begun=True, approval=approval).hint or ""
    assert says in hint and "plan SPEC --save" in hint
    assert not_ not in hint


@pytest.mark.parametrize(("how", "begun"), [(LATE, False), (INTERRUPTED, False), (UNSAVED, True)])
def test_before_that_and_where_more_is_at_stake_the_hint_stays(mocker: Any, how: Any, begun: bool) -> None:
    assert apply(mocker, how, begun=begun, approval="none").hint == "Run the same command again."
