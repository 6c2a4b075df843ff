"""The page of figures: each part of the bench finds its section, and leaves the others alone."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pytest_mock import MockerFixture

from tests.bench import profile, registry, report, start_up
from tests.bench.__main__ import PARTS
from tests.bench.written import parts as written


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_a_section(part: str) -> None:
    module = importlib.import_module(f"tests.bench.{part.replace('-', '_')}")
    assert part == module.PART
    page = report.PAGE.read_text("utf-8")
    assert page.count(f"<!-- bench: {part} begin -->") == 1
    assert page.count(f"<!-- bench: {part} end -->") == 1


def test_a_part_writes_its_own_section_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(
        "# Page\n<!-- bench: one begin -->\nold\n<!-- bench: one end -->\nbetween\n"
        "<!-- bench: two begin -->\nkept\n<!-- bench: two end -->\nend\n"
    )
    results.write_text(json.dumps({"parts": {"two": {"figures": 2}}}))
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "RESULTS", results)
    report.write("one", {"measured": "2026-11-28", "cores": 2}, {"figures": 1}, "new")
    assert page.read_text() == (
        "# Page\n<!-- bench: one begin -->\nMeasured 2026-11-28: cores 2.\n\nnew\n<!-- bench: one end -->\n"
        "between\n<!-- bench: two begin -->\nkept\n<!-- bench: two end -->\nend\n"
    )
    parts = json.loads(results.read_text())["parts"]
    assert parts["two"] == {"figures": 2}
    assert parts["one"] == {"machine": {"measured": "2026-11-28", "cores": 2}, "figures": 1}
    with pytest.raises(SystemExit):
        report.write("three", {"measured": "2026-11-28"}, {}, "new")


TRACE = [
    {"part": "whole", "detail": "apply", "begin": 0.0, "end": 12.0},
    {"part": "start", "detail": "", "begin": 0.0, "end": 1.0},
    {"part": "Terraform", "detail": "plan", "begin": 2.0, "end": 6.0},
    {"part": "Terraform", "detail": "apply", "begin": 7.0, "end": 12.0},
    {"part": "refresh", "detail": "a", "begin": 2.5, "end": 3.5},
    {"part": "refresh", "detail": "b", "begin": 3.0, "end": 4.0},
    {"part": "refresh", "detail": "c", "begin": 5.0, "end": 5.5},
]


def test_what_overlaps_counts_once() -> None:
    assert profile.spans(TRACE, "refresh", ()) == [(2.5, 4.0), (5.0, 5.5)]
    assert profile.seconds(profile.spans(TRACE, "refresh", ())) == 2.0
    assert profile.spans(TRACE, "Terraform", ("plan",)) == [(2.0, 6.0)]


def test_the_picture_names_each_part_and_its_seconds() -> None:
    space = "{http://www.w3.org/2000/svg}"
    tree = ElementTree.fromstring(profile.picture(TRACE))
    texts = [node.text for node in tree.iter(f"{space}text")]
    for text in ("Python and imports", "terraform plan", "terraform apply", "4.0 s", "5.0 s", "12 s"):
        assert text in texts
    assert "rendering" not in texts
    description = tree.find(f"{space}desc")
    assert description is not None and "whole: 12.0 s" in (description.text or "")


def test_what_a_link_points_to_was_not_written(tmp_path: Path) -> None:
    provider = tmp_path / "image" / "provider"
    provider.parent.mkdir()
    provider.write_bytes(b"x" * 4096)
    place = tmp_path / "disk" / "projects" / "p" / ".terraform" / "providers"
    place.mkdir(parents=True)
    (place / "linked").symlink_to(provider.parent, target_is_directory=True)
    (place.parent / "modules.json").write_bytes(b"x" * 1024)
    found = written(tmp_path / "disk")
    assert found["`terraform init`: the provider"] == {"files": 0, "kilobytes": 0.0}
    assert found["`terraform init`: the rest (.terraform)"] == {"files": 1, "kilobytes": 1.0}


@pytest.mark.parametrize("part", PARTS)
def test_a_header_says_what_the_figures_say(part: str) -> None:
    section = report.PAGE.read_text("utf-8").partition(f"<!-- bench: {part} begin -->\n")[2]
    assert section.partition("\n")[0] == report._said(report.known(part)["machine"])


def test_a_header_says_how_often_each_thing_was_measured(mocker: MockerFixture) -> None:
    write = mocker.patch.object(report, "write")

    def said(**more: int) -> bool:
        about = write.call_args.args[1]
        return {name: count for name, count in about.items() if name.startswith("repetitions")} == more

    # The registry, which is measured three times at most
    measured = mocker.patch.object(registry, "_measure", return_value={})
    registry.main(7)
    assert {call.args[1] for call in measured.call_args_list} == {3}
    assert said(repetitions=3)
    # The start of things, and the demo among them
    for name in ("toolchain", "_Here", "summary"):
        mocker.patch.object(start_up, name, return_value=mocker.MagicMock(product="terraform"))
    start_up.summary.return_value = {}
    measured = mocker.patch.object(start_up, "measure")
    mocker.patch.object(report, "costs_table")
    start_up.main(7)
    counts = {name: call.args[1] for call in measured.call_args_list for name in call.args[0]}
    assert counts.pop("`provisioner demo`") == 3
    assert set(counts.values()) == {7}
    assert said(repetitions=7, repetitions_of_demo=3)
    # The profile, whose commands are traced once, and its floor
    place = mocker.patch.object(profile, "workplace").return_value.__enter__.return_value
    place.tools.product = "terraform"
    for name in ("summary", "_empty_plan", "picture", "PICTURE", "_text"):
        mocker.patch.object(profile, name)
    traced, measured = mocker.patch.object(profile, "_traced"), mocker.patch.object(profile, "measure")
    profile.main(7)
    assert len({call.args[1] for call in traced.call_args_list}) == traced.call_count
    assert measured.call_args.args[1] == 7
    assert said(repetitions=1, repetitions_of_the_floor=7)
