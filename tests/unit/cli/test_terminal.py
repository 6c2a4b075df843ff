"""Style and the live view are left out where they are not wanted: with NO_COLOR, on a dumb terminal."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from engine.cli import terminal
from engine.cli.console import print_error, print_table
from engine.cli.progress import Progress
from engine.cli.reviews import show_review
from engine.errors import RequestError
from engine.review.plan import build_review

CLI = Path(terminal.__file__).parent
ESCAPE = "\x1b["


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """stdout and stderr are one terminal with colours. No fixture: pytest sets both anew for a test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return screen


def show_all() -> None:
    print_table(["project"], [["lab-1/proj-1"]], empty="")
    print_error(RequestError("It is wrong.", hint="Put it right."), as_json=False)
    show_review(build_review({"format_version": "1.2", "resource_changes": []}, project="lab-1/proj-1"))


def test_a_terminal_gets_style(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_a_screen(monkeypatch)
    show_all()
    assert screen.getvalue().count(ESCAPE) > 3


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("NO_COLOR", "false"), ("TERM", "dumb")])
def test_where_it_is_not_wanted_there_is_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    screen = at_a_screen(monkeypatch)
    monkeypatch.setenv(name, value)
    show_all()
    assert ESCAPE not in screen.getvalue()
    assert "Error: It is wrong." in screen.getvalue()


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_a_screen(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "")
    show_all()
    assert ESCAPE in screen.getvalue()


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_a_screen(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with Progress("lab-1/proj-1") as shown:
        shown.step("Planning")
        assert screen.getvalue() == "   lab-1/proj-1  Planning\n"


def test_style_is_made_in_one_place() -> None:
    for path in CLI.rglob("*.py"):
        text = path.read_text("utf-8")
        if path.name != "terminal.py":
            assert (
                "click.style" not in text
                and "secho" not in text
                and ".isatty()" not in text.replace("sys.stdin.isatty()", "")
            ), f"{path.name} goes past engine/cli/terminal.py"
