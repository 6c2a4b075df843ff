"""The price table: what AWS asks for what a project has, as dated data with a source and a grade.

The table that comes with the engine is data/prices.yaml. It is a copy, never the truth of today; what it
does not say is not known, and nobody may guess it. `provisioner prices` writes a newer one from the
AWS Price List API (engine/aws/prices.py), which the setting `prices` puts in front of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from engine.errors import FieldProblem, InvalidSettings
from engine.model.data_files import parse_data

BUILT_IN = "engine/model/data/prices.yaml"
HOURS_PER_MONTH = 730
"""AWS's own month: 365 days of 24 hours, by 12."""

Grade = Literal["A", "B", "C"]
GRADES: Mapping[str, str] = {
    "A": "copied from AWS's price list",
    "B": "from a third party's catalogue",
    "C": "from a text about prices",
}


@dataclass(frozen=True)
class Source:
    """Where prices were read: `day` is that of the copy."""

    name: str
    title: str
    day: date
    grade: Grade


@dataclass(frozen=True)
class Price:
    """One price of one region.

    item     what it is of: `ec2.c7a.48xlarge`, `fsx.lustre.PERSISTENT_2.125`, `secret`
    usd      for one unit; exact, as it was copied
    per      the unit: "hour", "GB-month"
    grade    of its source, unless this row is less sure
    scaled   read from another size of the same family
    """

    item: str
    region: str
    usd: Decimal
    per: str
    source: Source
    grade: Grade
    scaled: bool = False

    @property
    def usd_per_hour(self) -> Decimal:
        """For one unit during one hour; prices by the month are shared out over its 730 hours."""
        return self.usd if self.per.startswith("hour") else self.usd / HOURS_PER_MONTH

    @property
    def says(self) -> str:
        """Price, unit, and how sure it is: "0.0416 USD per hour (grade A, 2026-07-20)"."""
        scaled = ", scaled" if self.scaled else ""
        return f"{self.usd.normalize():f} USD per {self.per} (grade {self.grade}, {self.source.day}{scaled})"


class PriceTable:
    """Prices by item and region."""

    def __init__(self, prices: Iterable[Price] = (), *, units: Mapping[str, str] | None = None):
        self._prices = {(price.item, price.region): price for price in prices}
        # Items that are known to be sold, whether or not any price is known.
        self._units = {price.item: price.per for price in self._prices.values()} | dict(units or {})

    def find(self, item: str, region: str) -> Price | None:
        """The price of an item in exactly that region; None where it is not known."""
        return self._prices.get((item, region))

    def items(self) -> Mapping[str, str]:
        """Item -> its unit, also of those without any price."""
        return self._units

    def all(self) -> tuple[Price, ...]:
        """Every price, in the order of the table."""
        return tuple(self._prices.values())

    def over(self, older: PriceTable) -> PriceTable:
        """This table, and the older one's prices where this has none."""
        merged = {**older._prices, **self._prices}
        return PriceTable(merged.values(), units={**older._units, **self._units})


@cache
def load_prices() -> PriceTable:
    """The table that comes with the engine."""
    text = (files("engine.model") / "data" / "prices.yaml").read_text("utf-8")
    return parse_prices(text, source=BUILT_IN)


def parse_prices(text: str, *, source: str) -> PriceTable:
    """The table in a YAML text of the shape of data/prices.yaml.

    source   where the text comes from, for messages
    Raises   InvalidSettings naming the first thing that is wrong
    """
    place = "document"
    try:
        document = parse_data(text)
        if document["currency"] != "USD":
            raise ValueError("only prices in USD are understood")
        sources = {}
        for name, one in document["sources"].items():
            place = f"sources.{name}"
            sources[name] = _source(name, one)
        prices: list[Price] = []
        for item, rows in document["prices"].items():
            place = f"prices.{item}"
            prices += [_price(item, rows["per"], row, sources) for row in rows["prices"]]
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as error:
        raise InvalidSettings(
            f"The price table {source} can't be read.",
            [FieldProblem(place, f"is not as it must be ({type(error).__name__}: {error})")],
            hint=f"{BUILT_IN} shows what a price table looks like; `provisioner prices` writes one.",
        ) from error
    units = {item: rows["per"] for item, rows in document["prices"].items()}
    return PriceTable(prices, units=units)


def dump_prices(table: PriceTable, *, heading: str = "") -> str:
    """The table as text that `parse_prices` reads; sorted, so that two copies can be compared."""
    sources = {price.source.name: price.source for price in table.all()}
    document: dict[str, Any] = {
        "currency": "USD",
        "hours_per_month": HOURS_PER_MONTH,
        "sources": {
            name: {"title": one.title, "date": one.day, "grade": one.grade}
            for name, one in sorted(sources.items())
        },
        "prices": {},
    }
    for item, per in sorted(table.items().items()):
        rows = sorted((p for p in table.all() if p.item == item), key=lambda price: price.region)
        document["prices"][item] = {"per": per, "prices": [_row(price) for price in rows]}
    comment = "".join(f"# {line}\n" for line in heading.splitlines())
    return comment + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _source(name: str, given: Mapping[str, Any]) -> Source:
    day, grade = given["date"], given["grade"]
    if type(day) is not date or grade not in GRADES:
        raise ValueError("a source has a date (YYYY-MM-DD) and a grade: A, B or C")
    return Source(name, str(given["title"]), day, grade)


def _price(item: str, per: str, row: Mapping[str, Any], sources: Mapping[str, Source]) -> Price:
    # A number would have lost its last digits on the way.
    if not isinstance(row["usd"], str) or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", row["usd"]):
        raise ValueError(f"usd of {row.get('region')} must be a number in quotes")
    source = sources[row["source"]]
    grade = row.get("grade", source.grade)
    if grade not in GRADES or (strange := set(row) - {"region", "usd", "source", "grade", "scaled"}):
        raise ValueError(f"a row with {strange if grade in GRADES else f'grade {grade}'} means nothing here")
    return Price(item, row["region"], Decimal(row["usd"]), per, source, grade, bool(row.get("scaled")))


def _row(price: Price) -> dict[str, Any]:
    row: dict[str, Any] = {"region": price.region, "usd": f"{price.usd:f}", "source": price.source.name}
    if price.grade != price.source.grade:
        row["grade"] = price.grade
    return {**row, "scaled": True} if price.scaled else row
