"""The price table: every row says where it is from, and what is not there is not known."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import pytest

from engine.errors import InvalidSettings
from engine.model.prices import PriceTable, dump_prices, load_prices, parse_prices

HEAD = "currency: USD\nsources: {us: {title: t, date: 2026-11-01, grade: A}}\n"


def test_the_built_in_table_says_where_each_price_is_from() -> None:
    table = load_prices()
    assert len(table.all()) > 100
    for price in table.all():
        assert price.usd > 0 and price.grade in "ABC", price
        assert re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]", price.region), price
        assert date(2024, 1, 1) < price.source.day <= date(2026, 11, 28), price


def test_what_public_notes_contradict_each_other_in_is_not_known() -> None:
    table = load_prices()
    for throughput in (250, 500, 1000):
        item = f"fsx.lustre.PERSISTENT_2.{throughput}"
        assert item in table.items() and table.find(item, "us-east-1") is None


def test_a_price_is_found_in_its_own_region_alone() -> None:
    table = load_prices()
    assert table.find("ec2.p5.48xlarge", "us-east-1") is not None
    assert table.find("ec2.p5.48xlarge", "eu-central-1") is None


def test_a_price_says_how_sure_it_is() -> None:
    price = load_prices().find("ec2.t3.medium", "eu-central-1")
    assert price is not None
    assert price.says == "0.048 USD per hour (grade B, 2025-08-25, scaled)"
    secret = load_prices().find("secret", "us-east-1")
    assert secret is not None and secret.usd_per_hour == Decimal("0.40") / 730


def test_a_table_is_written_as_it_is_read() -> None:
    table = load_prices()
    again = parse_prices(dump_prices(table, heading="a\nb"), source="again")
    assert sorted(again.all(), key=str) == sorted(table.all(), key=str)
    assert dict(again.items()) == dict(table.items())


def test_a_newer_table_goes_before_the_older_one() -> None:
    own = parse_prices(
        HEAD + 'prices: {secret: {per: month, prices: [{region: us-east-1, usd: "9", source: us}]}}',
        source="own",
    )
    both = own.over(load_prices())
    found = both.find("secret", "us-east-1")
    assert found is not None and found.usd == 9
    assert len(both.all()) == len(load_prices().all())
    assert PriceTable().find("secret", "us-east-1") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "prices: {",
        HEAD.replace("USD", "EUR") + "prices: {}",
        HEAD.replace("grade: A", "grade: Z") + "prices: {}",
        HEAD.replace("2026-11-01", "yesterday") + "prices: {}",
        HEAD + "prices: {a: {per: hour, prices: [{region: r, usd: 0.1, source: us}]}}",
        HEAD + 'prices: {a: {per: hour, prices: [{region: r, usd: "-1", source: us}]}}',
        HEAD + 'prices: {a: {per: hour, prices: [{region: r, usd: "1", source: other}]}}',
        HEAD + 'prices: {a: {per: hour, prices: [{region: r, usd: "1", source: us, colour: red}]}}',
        HEAD + 'prices: {a: {per: hour, prices: [{region: r, usd: "1", source: us, grade: F}]}}',
    ],
)
def test_a_table_that_can_not_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match=r"prices\.yaml"):
        parse_prices(text, source="prices.yaml")
