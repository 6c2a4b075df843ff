"""Today's prices of what the price table knows, from the AWS Price List API.

Asked are: instances, gp2 and gp3 volumes, database servers, and secrets. What else the table has keeps the
price of its copy, since how the Price List API names it could not be checked against an account.

Source   AWS Price List API, GetProducts; its answers hold each product as a JSON text with `product`, `terms`
         and `publicationDate`. It answers in us-east-1 for every region.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.aws.failures import aws_errors
from engine.aws.session import Cloud
from engine.model.prices import Price, PriceTable, Source

REGION = "us-east-1"
"""Where the API answers."""
_PAGE = 100

_UNITS = {"Hrs": "hour", "GB-Mo": "GB-month", "Secret-Month": "month", "Secrets": "month"}


@dataclass(frozen=True)
class Refreshed:
    """The prices found, and the items for which AWS gave none, or several that differ."""

    table: PriceTable
    missing: tuple[str, ...]


def refresh(cloud: Cloud, known: PriceTable, regions: Sequence[str]) -> Refreshed:
    """Ask AWS for the items of a table in these regions.

    cloud    in us-east-1, see REGION
    Returns  a table with grade A prices alone, dated by AWS's own publication date
    Raises   AccessDenied (the permission is pricing:GetProducts), Unreachable, BackendError
    """
    prices, missing = [], []
    for item, per in known.items().items():
        query = _query(item)
        if query is None:
            continue
        for region in regions:
            found = _price(cloud, item, per, region, *query)
            if found is None:
                missing.append(f"{item} in {region}")
            else:
                prices.append(found)
    return Refreshed(PriceTable(prices), tuple(missing))


def _query(item: str) -> tuple[str, Mapping[str, str]] | None:
    """The service and the filters that name one product in a region; None for what is not asked."""
    kind, _, rest = item.partition(".")
    if kind == "ec2":
        return "AmazonEC2", {
            "instanceType": rest,
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
        }
    if item in ("ebs.gp2", "ebs.gp3"):
        return "AmazonEC2", {"productFamily": "Storage", "volumeApiName": rest}
    if item.startswith("rds.mariadb.") and not item.endswith(".multi-az"):
        return "AmazonRDS", {
            "instanceType": item.removeprefix("rds.mariadb."),
            "databaseEngine": "MariaDB",
            "deploymentOption": "Single-AZ",
        }
    if item == "secret":
        return "AWSSecretsManager", {"productFamily": "Secret"}
    return None


def _price(
    cloud: Cloud, item: str, per: str, region: str, service: str, fields: Mapping[str, str]
) -> Price | None:
    filters = [
        {"Type": "TERM_MATCH", "Field": field, "Value": value}
        for field, value in {**fields, "regionCode": region}.items()
    ]
    with aws_errors(f"asking for the price of {item}"):
        pages = list(
            cloud.pricing.get_paginator("get_products").paginate(
                ServiceCode=service,
                Filters=filters,
                FormatVersion="aws_v1",
                PaginationConfig={"PageSize": _PAGE},
            )
        )
    found = {
        offer for page in pages for text in page["PriceList"] for offer in _offers(json.loads(text), per)
    }
    amounts = {usd for usd, _ in found}
    # Two prices mean that the filters don't name one product: which of them is ours would be a guess.
    if len(amounts) != 1:
        return None
    day = max(published for _, published in found)
    source = Source(f"price-list-{day}", "AWS Price List API", day, "A")
    return Price(item, region, amounts.pop(), per, source, "A")


def _offers(product: Mapping[str, Any], per: str) -> Iterator[tuple[Decimal, date]]:
    """The on-demand prices of one product in the table's unit; those of nothing (free tiers) left out."""
    published = datetime.fromisoformat(product["publicationDate"].replace("Z", "+00:00")).date()
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term.get("priceDimensions", {}).values():
            usd = Decimal(dimension["pricePerUnit"].get("USD", "0"))
            if usd > 0 and _UNITS.get(dimension.get("unit", "")) == per:
                yield usd.normalize(), published
