"""The comment on a merge request, over HTTP to a stand-in of GitLab's API."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.main import run
from engine.gitlab.comment import MARK
from engine.gitlab.notes import GitLabRefused, GitLabUnavailable, MergeRequest, put_comment
from tests.functional.gitlab.gitlab_api import ME, TOKEN, GitLabApi, gitlab_api


@pytest.fixture
def api() -> Iterator[GitLabApi]:
    with gitlab_api() as running:
        yield running


def request_to(api: GitLabApi, *, token: str = TOKEN, iid: str = "3") -> MergeRequest:
    return MergeRequest(api.url, token, "7", iid)


def test_the_first_pipeline_posts_and_the_next_ones_update(api: GitLabApi) -> None:
    put_comment(request_to(api), f"{MARK}\nfirst")
    put_comment(request_to(api), f"{MARK}\nsecond")
    assert [note["body"] for note in api.notes] == [f"{MARK}\nsecond"]


def test_what_the_same_token_wrote_for_something_else_stays(api: GitLabApi) -> None:
    remarks = ["another bot's remark", f"see below\n{MARK}"]
    for remark in remarks:
        api.add(remark, author=ME)
    put_comment(request_to(api), f"{MARK}\nnew")
    assert [note["body"] for note in api.notes] == [*remarks, f"{MARK}\nnew"]


def test_what_others_wrote_stays_also_when_they_quote_the_comment(api: GitLabApi) -> None:
    for n in range(45):
        api.add(f"remark {n}", author=1)
    api.add(f"{MARK}\nquoted by a person", author=1)
    api.add(f"{MARK}\nours, on the third page", author=ME)
    before = [note["body"] for note in api.notes[:-1]]
    put_comment(request_to(api), f"{MARK}\nnew")
    assert [note["body"] for note in api.notes] == [*before, f"{MARK}\nnew"]


@pytest.mark.parametrize("wrong", [{"token": "other"}, {"iid": "9"}], ids=["token", "merge request"])
def test_what_gitlab_refuses_is_said_with_what_to_do(api: GitLabApi, wrong: dict[str, str]) -> None:
    with pytest.raises(GitLabRefused) as refused:
        put_comment(request_to(api, **wrong), MARK)
    assert "scope api" in refused.value.hint
    assert "other" not in refused.value.message, "a token is in no message"
    assert not api.notes


def test_a_gitlab_that_stumbles_is_asked_again(api: GitLabApi) -> None:
    api.failing = 1
    put_comment(request_to(api), MARK)
    assert len(api.notes) == 1


def test_a_gitlab_that_is_away_is_told() -> None:
    with gitlab_api() as api:
        request = request_to(api)
    with pytest.raises(GitLabUnavailable, match=request.server_url):
        put_comment(request, MARK)


def test_the_command_reads_the_reports_and_says_what_is_missing(
    api: GitLabApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lab-1/a").mkdir(parents=True)
    (tmp_path / "lab-1/a/plan.md").write_text("### what is planned\n")
    command = ["gitlab", "comment", "--reports", str(tmp_path), "lab-1/a", "lab-1/b"]
    for name in [name for name in os.environ if name.startswith(("CI_", "GITLAB_COMMENT"))]:
        monkeypatch.delenv(name)
    assert run(command) == 3
    assert "CI_SERVER_URL is not set" in capsys.readouterr().err
    monkeypatch.setenv("CI_SERVER_URL", api.url)
    # As in a pipeline of a fork: the merge request, and its comment, are of the project it would merge into.
    monkeypatch.setenv("CI_PROJECT_ID", "8")
    monkeypatch.setenv("CI_MERGE_REQUEST_PROJECT_ID", "7")
    monkeypatch.setenv("CI_MERGE_REQUEST_IID", "3")
    monkeypatch.setenv("GITLAB_COMMENT_TOKEN", TOKEN)
    # A merge request that never changed a spec gets no comment.
    assert run(command[:4]) == 0
    assert api.notes == []
    assert run(command) == 0
    assert "### what is planned" in api.notes[0]["body"]
    assert "No plan was made" in api.notes[0]["body"]
    # One that changes none any more does not show the review as if it held.
    assert run(command[:4]) == 0
    assert len(api.notes) == 1
    assert "### what is planned" not in api.notes[0]["body"]
    assert "changed any more" in api.notes[0]["body"]
