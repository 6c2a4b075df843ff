"""The tables: complete, well-formed, and used."""

from __future__ import annotations

import pytest

from engine.model.data_files import parse_data
from engine.review.knowledge import load_knowledge, parse_knowledge
from engine.review.model import Action

DEFAULTS = "defaults: {telling: [name]}\nkinds: {}\n"


def test_whatever_holds_data_says_what_losing_it_means() -> None:
    silent = [
        f"{name}.{action}"
        for name, row in load_knowledge().rows.items()
        if row.holds_data
        for action in (Action.DELETE.value, Action.REPLACE.value)
        if not row.sentences.get(action)
    ]
    assert silent == []


def test_sentences_are_sentences() -> None:
    for name, row in load_knowledge().rows.items():
        for sentence in row.sentences.values():
            assert sentence[0].isupper() and sentence.endswith("."), name


def test_a_field_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="aws_x: holdsdata"):
        parse_knowledge(parse_data(DEFAULTS + "resources: {aws_x: {holdsdata: true}}"), {})


@pytest.mark.parametrize(
    ("resource_type", "module", "texts", "expected"),
    [
        ("aws_cloudformation_stack", "module.parallelcluster[0]", (), "cluster"),
        ("aws_cloudformation_stack", "module.a.module.parallelcluster", (), "cluster"),
        ("aws_cloudformation_stack", "", ('{"Type": "Custom::PclusterCluster"}',), "cluster"),
        ("aws_cloudformation_stack", "module.other", ("{}",), "aws_cloudformation_stack"),
        ("aws_security_group", "module.parallelcluster[0]", (), "aws_security_group"),
    ],
)
def test_the_cluster_is_recognised(
    resource_type: str, module: str, texts: tuple[str, ...], expected: str
) -> None:
    assert load_knowledge().kind_of(resource_type, module, "this", texts) == expected


@pytest.mark.parametrize(
    ("resource_type", "module", "name", "expected"),
    [
        ("aws_lambda_invocation", "module.accounting", "database", "accounting_database"),
        ("aws_lambda_invocation", "module.accounting", "user", "accounting_user"),
        ("aws_lambda_invocation", "module.accounting", "other", "aws_lambda_invocation"),
        ("aws_lambda_invocation", "module.other", "database", "aws_lambda_invocation"),
        ("aws_secretsmanager_secret", "module.accounting", "this", "accounting_secret"),
        ("aws_secretsmanager_secret", "", "this", "aws_secretsmanager_secret"),
        ("aws_cloudwatch_log_group", "module.job_records", "this", "job_records"),
        ("aws_cloudwatch_log_group", "module.network", "this", "aws_cloudwatch_log_group"),
    ],
)
def test_what_our_modules_make_is_recognised(
    resource_type: str, module: str, name: str, expected: str
) -> None:
    assert load_knowledge().kind_of(resource_type, module, name, ()) == expected
    holding = ("accounting_database", "aws_secretsmanager_secret", "job_records", "aws_cloudwatch_log_group")
    assert load_knowledge().row(expected).holds_data is (expected in holding)
