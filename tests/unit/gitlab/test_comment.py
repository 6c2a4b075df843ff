"""The comment on a merge request."""

from __future__ import annotations

from engine.gitlab.comment import MARK, comment

URL = "https://gitlab.example/p/-/pipelines/1"


def test_every_project_has_its_part() -> None:
    text = comment({"lab-1/a": "### one\n", "lab-1/b": None}, pipeline_url=URL)
    assert text.startswith(MARK)
    assert "<b>lab-1/a</b>" in text
    assert "### one" in text
    assert "### lab-1/b\n\n**No plan was made**" in text
    assert URL in text
    assert "applied after the merge" in text


def test_a_merge_request_without_a_changed_spec_says_that() -> None:
    text = comment({}, pipeline_url=URL)
    assert text.startswith(MARK)
    assert "No project's spec is changed any more" in text
    assert URL in text
    assert "applied after the merge" not in text


def test_a_long_review_is_cut_and_says_so_and_closes_what_it_opened() -> None:
    long = "<details><summary>x</summary>\n```diff\n" + "+ line\n" * 5000
    text = comment({"lab-1/a": long, "lab-1/b": "short\n"}, pipeline_url=URL, longest=4000)
    assert len(text) < 4200
    assert "Cut here" in text
    assert "short" in text
    assert text.count("<details") == text.count("</details>")
    assert sum(line.startswith("```") for line in text.splitlines()) % 2 == 0


def test_five_hundred_projects_fit() -> None:
    reviews: dict[str, str | None] = {f"lab-1/p{n}": "word " * 20_000 + "\n" for n in range(500)}
    assert len(comment(reviews, pipeline_url=URL)) < 1_000_000
