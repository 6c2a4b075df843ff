"""Pages of long lists: how many at once, and the token that asks for the next ones.

A token says where its list goes on. It is nobody's secret and nobody's business: callers hand it back as
they got it. What comes back is checked like every other input.
"""

from __future__ import annotations

import base64
import binascii
import json

from engine.errors import FieldProblem, InvalidRequest
from engine.service.routes import Parameter, line, whole_number

MOST = 100
_TOKEN_CHARS = 400

LIMIT = Parameter(
    "limit",
    "How many to give at most.",
    {"type": "integer", "minimum": 1, "maximum": MOST, "default": 50},
    read=whole_number(1, MOST),
    default=50,
)
NEXT = Parameter(
    "next",
    "`next` of the page before, as it was given.",
    {"type": "string", "minLength": 1, "maxLength": _TOKEN_CHARS},
    read=line(_TOKEN_CHARS),
)


def token(of: str, after: str) -> str:
    """The token of the list `of` that goes on behind `after`."""
    text = json.dumps([of, after], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def behind(of: str, given: str | None) -> str | None:
    """Where the list `of` goes on; None from the beginning.

    Raises   InvalidRequest for a token that is none, or is another list's
    """
    if given is None:
        return None
    try:
        padded = given.encode("ascii") + b"=" * (-len(given) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("utf-8")
        found = json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        found = None
    match found:
        case [str(list_name), str(after)] if list_name == of and after:
            return after
    raise InvalidRequest(
        "The page asked for is not one of this list.",
        [FieldProblem("next", "is not a token of this list", "`next` of the page before, as it was given")],
    )
