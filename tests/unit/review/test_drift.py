"""Drift is told from noise: what the configuration sets, what is gone, what nobody should set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.review.drift import (
    DriftReport,
    LastOperation,
    ProjectDrift,
    Standing,
    cloudtrail_link,
    read_drift,
)
from engine.review.drift_reports import drift_html, drift_json, drift_markdown, drift_text
from tests.unit.review import collection

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "drift.schema.json").read_text("utf-8"))
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def plan(*entries: dict[str, Any], resources: Any = (), sets: Mapping[str, Any] | None = None) -> Any:
    """sets   address in the module `bucket` -> its expressions"""
    drift = [
        {"mode": "managed", "type": one["address"].split(".")[-2], "name": "this", **one} for one in entries
    ]
    return {
        "format_version": "1.2",
        "resource_changes": [],
        "resource_drift": drift,
        "prior_state": {"values": {"root_module": {"child_modules": [{"resources": resources}]}}},
        "configuration": {
            "root_module": {
                "module_calls": {
                    "bucket": {
                        "module": {
                            "resources": [
                                {"address": address, "expressions": expressions}
                                for address, expressions in (sets or {}).items()
                            ]
                        }
                    }
                }
            }
        },
    }


def changed(address: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {"address": address, "change": {"actions": ["update"], "before": before, "after": after}}


def read(plan: Any) -> tuple[dict[str, list[Any]], dict[str, str]]:
    drifted, noise = read_drift(plan, project="lab-1/proj-1")
    return (
        {one.change.address: [a.after for a in one.change.attributes] for one in drifted},
        {one.attribute: one.because for one in noise},
    )


BUCKET = "module.bucket.aws_s3_bucket.this"
LINK = "module.bucket.aws_fsx_data_repository_association.public"
RULE = "module.bucket.aws_s3_bucket_lifecycle_configuration.this"


def test_what_the_configuration_sets_is_drift_and_the_rest_is_not() -> None:
    sets = {
        "aws_s3_bucket_lifecycle_configuration.this": {"rule": [{"status": {"constant_value": "Enabled"}}]}
    }
    before = {"id": "b", "rule": [{"status": "Enabled", "prefix": ""}], "x": 1}
    after = {"id": "b", "rule": [{"status": "Disabled", "prefix": "filled-in"}], "x": 2}
    drifted, noise = read(plan(changed(RULE, before, after), sets=sets))
    assert drifted == {RULE: ["Disabled"]}
    assert set(noise) == {"rule[0].prefix", "x"}


def test_tags_are_drift_but_not_those_that_aws_puts_there() -> None:
    before = {"id": "b", "tags": {"a": "1"}, "tags_all": {"a": "1", "provisioner:owner": "ada"}}
    after = {
        "id": "b",
        "tags": {"a": "1", "provisioner:owner": "eve"},
        "tags_all": {"a": "1", "provisioner:owner": "eve", "aws:backup": "x"},
    }
    drifted, noise = read(plan(changed(BUCKET, before, after)))
    assert drifted == {BUCKET: ["eve"]}
    assert list(noise.values()) == ["AWS puts this tag there itself"]


def test_what_nobody_should_set_is_drift_although_no_configuration_sets_it() -> None:
    website = [{"index_document": "index.html"}]
    drifted, _ = read(plan(changed(BUCKET, {"id": "b", "website": []}, {"id": "b", "website": website})))
    assert list(drifted) == [BUCKET]


@pytest.mark.parametrize(
    ("address", "block", "sets", "inside", "added"),
    [
        (RULE, "rule", "status", "expiration", {"date": None, "days": 30}),
        (RULE, "rule", "status", "noncurrent_version_expiration", {"noncurrent_days": 1}),
        (RULE, "rule", "status", "transition", {"days": 1, "storage_class": "GLACIER"}),
        (RULE, "rule", "status", "noncurrent_version_transition", {"noncurrent_days": 1}),
        (LINK, "s3", "auto_import_policy", "auto_export_policy", {"events": ["NEW", "CHANGED"]}),
    ],
)
def test_what_is_added_inside_a_block_that_we_set_is_drift(
    address: str, block: str, sets: str, inside: str, added: dict[str, Any]
) -> None:
    # GIVEN a block that the configuration sets, but not that part of it, in which objects would expire or
    # files be exported
    configured = {address.removeprefix("module.bucket."): {block: [{sets: {"constant_value": "Enabled"}}]}}

    def holding(value: Any) -> dict[str, Any]:
        return {"id": "b", block: [{"id": "ours", sets: "Enabled", "prefix": "", inside: value}]}

    # WHEN somebody adds that part, or changes one that was there, THEN it is drift
    drifted, _ = read(plan(changed(address, holding([]), holding([added])), sets=configured))
    assert drifted == {address: [added]}
    for key, value in added.items():
        other = [{**added, key: "another"}]
        drifted, _ = read(plan(changed(address, holding(other), holding([added])), sets=configured))
        assert drifted == {address: [value]}
    # AND what AWS fills in beside it is none
    filled = {"id": "b", block: [{**holding([])[block][0], "prefix": "filled-in", f"{inside}s": "x"}]}
    drifted, noise = read(plan(changed(address, holding([]), filled), sets=configured))
    assert drifted == {} and set(noise) == {f"{block}[ours].prefix", f"{block}[ours].{inside}s"}


def test_what_is_gone_is_drift() -> None:
    gone = {"address": BUCKET, "change": {"actions": ["delete"], "before": {"id": "b"}, "after": None}}
    drifted, _ = read_drift(plan(gone), project="lab-1/proj-1")
    assert (drifted[0].id, drifted[0].told) == ("b", ("It is gone at AWS.", "It held data."))


def group(**values: Any) -> dict[str, Any]:
    return {
        "address": "module.fsx[0].aws_security_group.this",
        "mode": "managed",
        "type": "aws_security_group",
        "name": "this",
        "values": {"id": "sg-1", **values},
    }


def rule(kind: str, **values: Any) -> dict[str, Any]:
    return {
        "address": f"module.fsx[0].{kind}.this",
        "mode": "managed",
        "type": kind,
        "values": {"security_group_id": "sg-1", **values},
    }


@pytest.mark.parametrize(
    ("there", "known", "foreign"),
    [
        (
            {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"]},
            {},
            "tcp 22 from 0.0.0.0/0",
        ),
        (
            {"protocol": "tcp", "from_port": 988, "to_port": 1023, "self": True, "security_groups": ["sg-2"]},
            {"ip_protocol": "tcp", "from_port": 988, "to_port": 1023, "referenced_security_group_id": "sg-1"},
            "tcp 988-1023 from sg-2",
        ),
        (
            {"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["10.0.0.0/8"]},
            {"ip_protocol": "-1", "from_port": None, "to_port": None, "cidr_ipv4": "10.0.0.0/8"},
            None,
        ),
        (
            {"protocol": "tcp", "from_port": 1, "to_port": 1, "security_groups": ["123456789012/sg-2"]},
            {"ip_protocol": "tcp", "from_port": 1, "to_port": 1, "referenced_security_group_id": "sg-2"},
            None,
        ),
    ],
    ids=["by hand", "one of two", "all protocols", "another account"],
)
def test_rules_that_no_resource_stands_for_are_found(
    there: dict[str, Any], known: dict[str, Any], foreign: str | None
) -> None:
    rules = [rule("aws_vpc_security_group_ingress_rule", **known)] if known else []
    drifted, _ = read(plan(resources=[group(ingress=[there], egress=[]), *rules]))
    assert drifted == ({"module.fsx[0].aws_security_group.this": [foreign]} if foreign else {})


@pytest.mark.parametrize("name", collection.names())
def test_nothing_that_terraform_and_aws_do_by_themselves_is_drift(name: str) -> None:
    """The plans of the collection were made right after an apply, but for those that are named for it. They
    are kept without what the configuration sets, so that only what is drift without it counts here."""
    drifted, _ = read_drift(collection.plan(name), project="lab-1/proj-1")
    expected = {"drifted-away": {"module.bucket.aws_s3_bucket_public_access_block.this"}}
    assert {one.change.address for one in drifted} == expected.get(name, set())


def every_standing() -> DriftReport:
    """A report with a project that drifted, one that was skipped, and one that is as it was left."""
    drifted, noise = read_drift(
        plan(
            changed(
                BUCKET, {"id": "b", "tags_all": {}, "x": 1}, {"id": "b", "tags_all": {"<b>": "`@eve"}, "x": 2}
            )
        ),
        project="lab-1/proj-1",
    )
    last = LastOperation("op-1", "provision", "SUCCEEDED", "ada@host", AT)
    return DriftReport(
        AT,
        "123456789012",
        "us-east-1",
        (
            ProjectDrift("lab-1/proj-1", Standing.DRIFTED, "", drifted, noise, "lab-1", last),
            ProjectDrift("lab-1/proj-2", Standing.SKIPPED, "it is parked"),
            ProjectDrift("lab-1/proj-3", Standing.CLEAN),
        ),
    )


def test_the_same_report_in_every_format() -> None:
    report = every_standing()
    document = drift_json(report)
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(document)
    assert document["exit_code"] == 2
    text, markdown, html = drift_text(report), drift_markdown(report), drift_html(report)
    for word in ("1 drifted", "it is parked", "ada@", "cloudtrailv2"):
        assert all(word in one.replace("\\", "") for one in (text, markdown, html))
    assert "<b>" not in html.replace("&lt;b&gt;", "")
    assert drift_text(report) == text
    failed = DriftReport(AT, "1", "r", (*report.projects, ProjectDrift("l/p", Standing.FAILED, "X: y")))
    assert failed.exit_code == 1


def test_a_link_says_since_when() -> None:
    link = cloudtrail_link("eu-central-1", "sg-1", since=AT, until=AT)
    assert link.startswith("https://eu-central-1.console.aws.amazon.com/cloudtrailv2/")
    assert "ResourceName=sg-1" in link
    assert "StartTime=2026-03-01T12%3A00%3A00.000Z" in link
