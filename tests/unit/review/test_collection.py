"""Every plan of the collection: the written review, and that nothing Terraform would do is missing from it.

UPDATE_GOLDEN=1 writes the reviews anew; the difference is then for a person to review.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.review.dependencies import without_index
from engine.review.reports import GITLAB_REPORT, HTML_REPORT, JSON_REPORT, MARKDOWN_REPORT, TEXT_REPORT
from tests.unit.review import collection
from tests.unit.review.collection import PLANS, plan, review, written

NAMES = collection.names()
SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[3] / "docs" / "review.schema.json").read_text("utf-8"))
)
CANARY = "canary-7f3b9a41e2"


class _Texts(HTMLParser):
    """What a page says: its texts and titles, and the tags it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def entries(name: str) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = plan(name).get("resource_changes", [])
    return changes


def page(name: str) -> _Texts:
    read = _Texts()
    read.feed(written(name)[HTML_REPORT])
    return read


def test_the_collection_is_large_and_has_every_kind() -> None:
    assert len(NAMES) >= 40
    actions = {tuple(e["change"]["actions"]) for name in NAMES for e in entries(name)}
    assert actions >= {
        ("create",),
        ("update",),
        ("delete",),
        ("read",),
        ("no-op",),
        ("forget",),
        ("delete", "create"),
        ("create", "delete"),
    }
    everything = [entry for name in NAMES for entry in entries(name)]
    assert any(entry.get("previous_address") for entry in everything)
    assert any(entry["change"].get("importing") for entry in everything)
    assert max(len(entries(name)) for name in NAMES) >= 500
    assert any(plan(name)["errored"] for name in NAMES)
    assert any(not entries(name) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_review_is_the_golden_one(name: str) -> None:
    path = PLANS / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(written(name)[TEXT_REPORT], "utf-8")
    assert written(name)[TEXT_REPORT] == path.read_text("utf-8"), "UPDATE_GOLDEN=1 writes it anew"


def test_no_golden_review_is_left_over() -> None:
    assert {path.name for path in PLANS.iterdir()} == {
        f"{n}{end}" for n in NAMES for end in (".json.gz", ".txt")
    }


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_terraform_would_do_is_missing(name: str) -> None:
    # GIVEN what Terraform itself would do
    shown = plan(name)
    doing = [e for e in entries(name) if e["change"]["actions"] != ["no-op"]]
    doing += [e for e in entries(name) if e not in doing and e["change"].get("importing")]
    doing += [e for e in entries(name) if e not in doing and e.get("previous_address")]
    outputs = [n for n, c in (shown.get("output_changes") or {}).items() if c["actions"] != ["no-op"]]
    drifted = [e["address"] for e in shown.get("resource_drift") or []]
    # THEN the review has each change with Terraform's steps, every output, and all that drifted
    document = json.loads(written(name)[JSON_REPORT])
    told = Counter((change["address"], change["deposed"]) for change in document["changes"])
    assert told == Counter((e["address"], e.get("deposed", "")) for e in entries(name))
    assert [one["name"] for one in document["outputs"]] == sorted(outputs)
    assert Counter(one["address"] for one in document["drift"]) == Counter(drifted)
    steps = Counter(step for e in doing for step in e["change"]["actions"])
    assert json.loads(written(name)[GITLAB_REPORT]) == {
        "create": steps["create"],
        "update": steps["update"],
        "delete": steps["delete"],
    }
    # AND every report for people names it
    said = " ".join(page(name).texts)
    for entry in doing:
        address = entry["address"]
        assert (
            address in written(name)[MARKDOWN_REPORT] or _escaped(address) in written(name)[MARKDOWN_REPORT]
        )
        assert address in said
        module = entry.get("module_address", "")
        local = address.removeprefix(f"{module}.") if module else address
        resource, _, key = local.partition('["')
        folded = f"{resource}  ×" in written(name)[TEXT_REPORT] and key.removesuffix('"]') in said
        assert local in written(name)[TEXT_REPORT] or folded
    for output in outputs:
        assert all(output in written(name)[report] for report in (TEXT_REPORT, MARKDOWN_REPORT, HTML_REPORT))


def _escaped(address: str) -> str:
    return re.sub(r"\|", r"\\|", address)


@pytest.mark.parametrize("name", NAMES)
def test_the_json_report_keeps_to_its_schema(name: str) -> None:
    SCHEMA.validate(json.loads(written(name)[JSON_REPORT]))


def test_the_schema_refuses_what_is_no_review() -> None:
    document = json.loads(written("public")[JSON_REPORT])
    Draft202012Validator.check_schema(SCHEMA.schema)
    for broken in ({**document, "risk": "enormous"}, {**document, "extra": 1}, {**document, "changes": None}):
        assert not SCHEMA.is_valid(broken)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_needs_nothing_from_anywhere(name: str) -> None:
    text = written(name)[HTML_REPORT]
    read = page(name)
    assert not read.attributes & {
        "src",
        "srcset",
        "style",
        "onclick",
        "onerror",
        "onload",
        "xlink:href",
        "action",
    }
    assert not {
        tag for tag in read.tags if tag in ("link", "img", "iframe", "object", "embed", "base", "form")
    }
    assert read.tags["script"] == 1 and read.tags["style"] == 1
    assert set(re.findall(r'href="([^#"][^"]*)"', text)) == set()
    # AND no two elements have one id, and every link inside leads somewhere
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', text)) <= set(ids)


def test_no_sensitive_value_is_in_any_report() -> None:
    with_canary = [name for name in NAMES if CANARY in json.dumps(plan(name))]
    assert {"sensitive", "public"} <= set(with_canary)
    for name in with_canary:
        for report, text in written(name).items():
            assert CANARY not in text, f"{name}: {report}"


def test_html_in_names_and_values_stays_text() -> None:
    # GIVEN names and values that are HTML, and say so in every place a value can be
    text, read = written("hostile")[HTML_REPORT], page("hostile")
    assert "<script>alert" not in text and "<img" not in text and "<svg onload" not in text
    assert read.tags["script"] == 1 and "onerror" not in read.attributes
    # THEN a reader sees them as they are
    said = " ".join(read.texts)
    assert "<script>alert(1)</script>" in said and "<img src=x onerror=alert(1)>" in said


def test_five_hundred_resources_stay_readable() -> None:
    # GIVEN 500 resources of five blocks
    text, read = written("five-hundred")[HTML_REPORT], page("five-hundred")
    # THEN the picture has a box for each block, and the page stays small enough to be sent around
    assert len(re.findall(r'<g class="node', text)) == 5
    assert "scripts ×180" in " ".join(read.texts)
    assert len(text) < 1_500_000
    # AND a browser has it at once: some dozens of elements for each resource, drawn only when it is unfolded
    assert sum(read.tags.values()) < 60 * 500
    assert not re.search(r'<details class="entry[^>]* open', text)


def test_the_plans_hold_nothing_of_the_machine_they_were_made_on() -> None:
    for name in NAMES:
        text = json.dumps(plan(name))
        assert not re.search(r"/(root|home|tmp|work)/|PRIVATE KEY|AKIA[A-Z0-9]{12}", text), name


def test_what_depends_on_what_is_known_across_modules() -> None:
    edges = set(review("create-lustre-250").edges)
    cluster = "module.parallelcluster.aws_cloudformation_stack.this"
    # GIVEN what the cluster needs by way of outputs and variables
    assert (cluster, "module.fsx.aws_fsx_lustre_file_system.this") in edges
    assert (cluster, "module.subnet.aws_subnet.this") in edges
    assert (cluster, "data.aws_cloudformation_stack.pcluster_provider") in edges
    # AND a resource depends on no instance, and not on itself
    assert all(without_index(a) == a and a != b for a, b in edges)
