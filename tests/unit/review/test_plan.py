"""Reading a plan: actions, masks, reasons, counts, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import TerraformError
from engine.review import Action, Risk, build_review, render_markdown, render_text, review_json
from tests.unit.review.plans import PROJECT, entry, golden_plan, plan_of

BUCKET = "module.bucket.aws_s3_bucket.this"


def only_change(*actions: str, **more: Any) -> Any:
    return build_review(plan_of(entry(BUCKET, *actions, **more)), project=PROJECT).changes[0]


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["no-op"], Action.NO_CHANGE),
        (["create"], Action.CREATE),
        (["read"], Action.READ),
        (["update"], Action.UPDATE),
        (["delete", "create"], Action.REPLACE),
        (["create", "delete"], Action.REPLACE),
        (["delete"], Action.DELETE),
        (["forget"], Action.FORGET),
    ],
)
def test_actions_are_named(actions: list[str], expected: Action) -> None:
    assert only_change(*actions).action is expected


def test_create_before_destroy_is_told_apart() -> None:
    assert only_change("create", "delete").create_before_destroy
    assert not only_change("delete", "create").create_before_destroy
    assert not only_change("create").create_before_destroy


def test_import_and_move_alone_are_actions_of_their_own() -> None:
    assert only_change("no-op", importing={"id": "b"}).action is Action.IMPORT
    assert only_change("no-op", previous_address="aws_s3_bucket.old").action is Action.MOVE


def test_import_and_move_with_a_change_keep_the_graver_action() -> None:
    # GIVEN an import that also changes something, and a move that also deletes
    imported = only_change("update", importing={"id": "b"}, before={"a": 1}, after={"a": 2})
    moved = only_change("delete", "create", previous_address="aws_s3_bucket.old")
    # THEN the action is what happens to the resource, and the rest is kept beside it
    assert (imported.action, imported.imported_id) == (Action.UPDATE, "b")
    assert (moved.action, moved.previous_address) == (Action.REPLACE, "aws_s3_bucket.old")


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"format_version": "2.0", "resource_changes": []},
        {"format_version": "1.0", "values": {"root_module": {}}},
        plan_of(entry(BUCKET, "explode")),
        plan_of(entry(BUCKET)),
        plan_of(output_changes={"a": {"actions": ["explode"]}}),
    ],
    ids=["empty", "newer-format", "a-state", "unknown-action", "no-action", "unknown-output-action"],
)
def test_what_can_not_be_read_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(TerraformError):
        build_review(plan, project=PROJECT)


def test_an_empty_plan_is_one_sentence() -> None:
    # GIVEN a plan of an empty root: Terraform leaves resource_changes out
    review = build_review({"format_version": "1.2", "planned_values": {}}, project=PROJECT)
    # THEN the report is one clear sentence
    assert review.risk is Risk.NONE
    assert render_text(review) == "Plan for lab-1/proj-1: nothing to do, everything is as it should be.\n"


def test_outputs_alone_are_something_to_do() -> None:
    outputs = {"a": {"actions": ["update"], "before": 1, "after": 2, "after_unknown": False}}
    review = build_review(plan_of(output_changes=outputs), project=PROJECT)
    assert not review.nothing_to_do
    assert review.risk is Risk.LOW
    assert "~ a: 1 → 2" in render_text(review)


def test_a_data_source_is_never_data_bearing_and_listed_apart() -> None:
    review = build_review(golden_plan("adopt"), project=PROJECT)
    (read,) = review.with_action(Action.READ)
    assert read.mode == "data" and not read.data_bearing
    assert "Read during apply (1): data.aws_s3_bucket.alarms" in render_text(review)


def test_left_over_objects_of_one_address_are_kept_apart() -> None:
    # GIVEN an unfinished replacement: the same address twice, once with a deposed key
    plan = plan_of(
        entry(BUCKET, "delete", deposed="0a1b2c3d", before={"bucket": "old"}), entry(BUCKET, "no-op")
    )
    review = build_review(plan, project=PROJECT)
    # THEN both are there, and losing the old object counts as losing data
    assert [(c.action, c.deposed) for c in review.changes] == [
        (Action.NO_CHANGE, ""),
        (Action.DELETE, "0a1b2c3d"),
    ]
    assert review.risk is Risk.HIGH
    assert "left-over object 0a1b2c3d" in render_text(review)
    assert "0a1b2c3d" in render_markdown(review)


def test_reasons_are_plain_words_and_name_the_attribute() -> None:
    change = only_change(
        "delete",
        "create",
        before={"bucket": "a"},
        after={"bucket": "b"},
        replace_paths=[["bucket"]],
        action_reason="replace_because_cannot_update",
    )
    assert change.reasons == ("AWS can't change this in place: bucket",)
    assert change.reason_code == "replace_because_cannot_update"


def test_a_reason_of_a_newer_terraform_is_still_shown() -> None:
    assert only_change("delete", action_reason="delete_because_of_rain").reasons == (
        "delete because of rain",
    )


def test_counts_are_terraforms() -> None:
    # GIVEN the plan of which Terraform said: 1 to import, 2 to add, 2 to change, 0 to destroy
    counts = build_review(golden_plan("adopt"), project=PROJECT).counts
    assert (counts.imported, counts.add, counts.change, counts.destroy) == (1, 2, 2, 0)
    assert (counts.moved, counts.forgotten, counts.read) == (1, 1, 1)


def test_an_errored_plan_says_so_and_is_not_applyable() -> None:
    review = build_review(golden_plan("errored"), project=PROJECT)
    assert review.errored and not review.applyable
    assert review.findings[0].rule == "plan-errored"
    assert "Planning failed part way" in render_text(review)


def test_an_errored_plan_without_a_change_is_not_called_nothing_to_do() -> None:
    review = build_review(plan_of(errored=True, applyable=False), project=PROJECT)
    assert "nothing to do" not in render_text(review)
    assert review.risk is Risk.HIGH


def test_something_put_off_is_a_finding() -> None:
    review = build_review(plan_of(complete=False), project=PROJECT)
    assert [finding.rule for finding in review.findings] == ["plan-incomplete"]


def test_an_unlisted_type_is_reviewed_without_plain_words() -> None:
    review = build_review(
        plan_of(entry("aws_xray_group.this", "delete", before={"id": "x"})), project=PROJECT
    )
    assert review.changes[0].consequence == ()
    assert review.risk is Risk.LOW


def test_json_is_versioned_and_the_same_every_time() -> None:
    one = review_json(build_review(golden_plan("update"), project=PROJECT))
    shuffled = golden_plan("update")
    shuffled["resource_changes"].reverse()
    assert one == review_json(build_review(shuffled, project=PROJECT))
    assert one["format"] == 1


def test_five_hundred_resources_are_reviewed() -> None:
    entries = [entry(f"aws_s3_object.this[{i}]", "create", after={"key": f"k{i}"}) for i in range(500)]
    review = build_review(plan_of(*entries), project=PROJECT)
    assert review.counts.add == 500
    assert render_text(review).count("+ aws_s3_object.this") == 500
