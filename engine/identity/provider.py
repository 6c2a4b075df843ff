"""What the identity provider publishes: the only HTTP that is neither AWS's nor Terraform's."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from typing import Any

from engine.errors import KeysRefused, KeysUnavailable

ANSWERS_WITHIN_S = 10.0
"""Until the first byte, and between two; all of it may take twice that."""

LARGEST_BYTES = 256 * 1024
_HINT = "Check jwks_url, and that this machine reaches it; then run this again."


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Another address is not the one that was set, and need not be protected by TLS."""

    def redirect_request(self, *_: Any) -> None:
        return None


def fetch_keys(url: str, *, answers_within_s: float = ANSWERS_WITHIN_S) -> str:
    """The text behind an address that the settings have checked.

    Raises   KeysUnavailable when nothing comes in time; KeysRefused when it is not what was asked for
    """
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310  (see settings)
    deadline = time.monotonic() + 2 * answers_within_s
    try:
        with urllib.request.build_opener(_NoRedirect()).open(request, timeout=answers_within_s) as answer:
            return _text(answer, url, deadline)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500 or error.code == 429:
            raise KeysUnavailable(f"{url} answers {error.code}.", hint=_HINT) from None
        raise KeysRefused(f"{url} answers {error.code}, and no keys.", hint=_HINT) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise KeysUnavailable(f"{url} does not answer: {reason}.", hint=_HINT) from None


def _text(answer: http.client.HTTPResponse, url: str, deadline: float) -> str:
    read = b""
    while part := answer.read1(65536):
        read += part
        if len(read) > LARGEST_BYTES:
            raise KeysRefused(f"{url} sends more than {LARGEST_BYTES // 1024} KiB, and no keys.", hint=_HINT)
        if time.monotonic() > deadline:
            raise KeysUnavailable(f"{url} sends its keys too slowly.", hint=_HINT)
    try:
        return read.decode("utf-8")
    except UnicodeDecodeError:
        raise KeysRefused(f"{url} sends no text, and no keys.", hint=_HINT) from None
