"""Takes known secrets out of everything Terraform says, before anybody sees it."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import quote

MASK = "***"

# Lines of a secret of several lines (a key, a certificate) are secrets too, since text output breaks
# there; shorter ones are mostly frames such as a lone bracket.
_SHORTEST_LINE = 12


class Redactor:
    """Replaces each secret by `***`: as it is, line by line, and as JSON and URLs spell it."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        # Longest first: a secret that holds another one must not leave its own rest behind.
        self._spellings = tuple(sorted(spellings, key=len, reverse=True))

    def text(self, text: str) -> str:
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, MASK)
        return text

    def document(self, value: Any) -> Any:
        """The same JSON value with every string in it redacted, names of members included."""
        if not self._spellings:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.document(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.document(item) for key, item in value.items()}
        return value


def _spellings(secret: str) -> set[str]:
    lines = [line.strip() for line in secret.splitlines()]
    plain = {secret, *(line for line in lines if len(line) >= _SHORTEST_LINE)}
    # Python's JSON escapes what is not ASCII; Go's leaves that, and escapes three signs of HTML instead.
    escaped = {json.dumps(text, ensure_ascii=ascii)[1:-1] for text in plain for ascii in (True, False)}
    for_html = str.maketrans({"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"})
    go_escaped = {text.translate(for_html) for text in escaped}
    return (plain | escaped | go_escaped | {quote(text, safe="") for text in plain}) - {""}
