"""What a terminal may be sent beside plain lines: style, and a view that moves.

Source   https://no-color.org: no colour where NO_COLOR is set and not empty. terminfo's `dumb` is a terminal
         without any escape sequence
"""

from __future__ import annotations

import os
import sys

import click


def is_dumb() -> bool:
    return os.environ.get("TERM") == "dumb"


def in_colour() -> bool:
    """Whether style is wanted at all; click leaves it out besides where a stream is no terminal."""
    return not os.environ.get("NO_COLOR") and not is_dumb()


def has_live_view() -> bool:
    """Whether stderr can show what is under way in place; plain lines where it cannot."""
    return sys.stderr.isatty() and not is_dumb()


def styled(text: str, *, fg: str | None = None, bold: bool | None = None, dim: bool | None = None) -> str:
    """The text in a style, where style is wanted. Nothing else of the command line makes any."""
    return click.style(text, fg=fg, bold=bold, dim=dim) if in_colour() else text
