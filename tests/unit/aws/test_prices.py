"""Prices from the AWS Price List API, by recorded answers of the documented shape: no account was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.aws.prices import refresh
from engine.errors import AccessDenied
from engine.model.prices import Price, PriceTable, dump_prices, load_prices, parse_prices


def product(*prices: tuple[str, str], published: str = "2026-11-20T17:05:12Z") -> str:
    """One member of PriceList: a JSON text with product, terms and publicationDate."""
    dimensions = {
        f"SKU.JRTCKXETXF.{number}": {
            "unit": unit,
            "endRange": "Inf",
            "beginRange": "0",
            "description": "per unit",
            "appliesTo": [],
            "pricePerUnit": {"USD": usd},
        }
        for number, (usd, unit) in enumerate(prices)
    }
    return json.dumps(
        {
            "product": {"productFamily": "Compute Instance", "attributes": {}, "sku": "SKU"},
            "serviceCode": "AmazonEC2",
            "terms": {
                "OnDemand": {"SKU.JRTCKXETXF": {"priceDimensions": dimensions, "sku": "SKU"}},
                "Reserved": {"SKU.X": {"priceDimensions": {"SKU.X.1": {"unit": "Hrs"}}}},
            },
            "version": "20261120170512",
            "publicationDate": published,
        }
    )


class Recorded:
    """Plays the Price List client: the answer to a query by what it asks for."""

    def __init__(self, answers: dict[str, list[list[str]]]):
        self._answers = answers
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> SimpleNamespace:
        assert operation == "get_products"
        return SimpleNamespace(paginate=self._paginate)

    def _paginate(self, **query: Any) -> Iterator[dict[str, Any]]:
        self.asked.append(query)
        fields = {one["Field"]: one["Value"] for one in query["Filters"]}
        name = fields.get("instanceType") or fields.get("volumeApiName") or fields["productFamily"]
        for page in self._answers.get(name, [[]]):
            yield {"FormatVersion": "aws_v1", "PriceList": page}


def refreshed(answers: dict[str, list[list[str]]], *items: str) -> tuple[Recorded, dict[str, Price], Any]:
    client = Recorded(answers)
    known = PriceTable(units={item: load_prices().items()[item] for item in items})
    found = refresh(SimpleNamespace(pricing=client), known, ["eu-central-1"])  # type: ignore[arg-type]
    return client, {price.item: price for price in found.table.all()}, found.missing


def test_a_price_is_taken_with_the_day_of_its_publication() -> None:
    answers = {"m5.large": [[product(("0.1150000000", "Hrs"))]]}
    client, prices, missing = refreshed(answers, "ec2.m5.large")
    price = prices["ec2.m5.large"]
    assert (price.usd, price.region, price.grade) == (Decimal("0.115"), "eu-central-1", "A")
    assert price.source.day.isoformat() == "2026-11-20" and missing == ()
    # AND it was asked for Linux on shared hosts in that region
    fields = {one["Field"]: one["Value"] for one in client.asked[0]["Filters"]}
    assert fields["regionCode"] == "eu-central-1" and fields["operatingSystem"] == "Linux"
    assert fields["tenancy"] == "Shared" and fields["capacitystatus"] == "Used"


def test_pages_belong_together_and_free_tiers_do_not_count() -> None:
    answers = {"gp3": [[product(("0.0000000000", "GB-Mo"))], [product(("0.0952000000", "GB-Mo"))]]}
    _, prices, _ = refreshed(answers, "ebs.gp3")
    assert prices["ebs.gp3"].usd == Decimal("0.0952")


def test_two_prices_are_no_price() -> None:
    answers = {"m5.large": [[product(("0.115", "Hrs")), product(("0.130", "Hrs"))]]}
    _, prices, missing = refreshed(answers, "ec2.m5.large")
    assert prices == {} and missing == ("ec2.m5.large in eu-central-1",)


@pytest.mark.parametrize("answer", [[[]], [[product(("0.115", "Quantity"))]]])
def test_no_price_and_one_in_another_unit_are_missing(answer: list[list[str]]) -> None:
    _, prices, missing = refreshed({"m5.large": answer}, "ec2.m5.large")
    assert prices == {} and len(missing) == 1


def test_what_the_api_is_not_asked_for_keeps_its_copy() -> None:
    client, prices, missing = refreshed({}, "fsx.lustre.PERSISTENT_2.125", "s3.standard")
    assert (client.asked, prices, missing) == ([], {}, ())


def test_the_whole_table_is_written_and_read_again() -> None:
    types = [item.removeprefix("ec2.") for item in load_prices().items() if item.startswith("ec2.")]
    answers = {name: [[product(("1.5", "Hrs"))]] for name in types}
    answers["Secret"] = [[product(("0.40", "Secret-Month"))]]
    _, prices, _ = refreshed(answers, *load_prices().items())
    again = parse_prices(dump_prices(PriceTable(prices.values())), source="again")
    assert len(again.all()) == len(types) + 1
    assert len(dump_prices(again)) < 60_000, "the settings' file limit"


def test_a_missing_permission_is_told() -> None:
    class Refusing:
        def get_paginator(self, operation: str) -> Any:
            error = {"Error": {"Code": "AccessDeniedException", "Message": "pricing:GetProducts"}}
            raise ClientError(error, operation)  # type: ignore[arg-type]

    known = PriceTable(units={"secret": "month"})
    with pytest.raises(AccessDenied):
        refresh(SimpleNamespace(pricing=Refusing()), known, ["us-east-1"])  # type: ignore[arg-type]
