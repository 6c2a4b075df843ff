"""Session tokens in AWS's words: a signature that does not match is explained by the whole request that was
signed, the caller's session token among its headers; who reads that may act as the caller for a while.

Source   AWS's answers SignatureDoesNotMatch and InvalidSignatureException: "The Canonical String for this
         request should have been"
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"(x-amz-security-token\s*[:=]\s*)[A-Za-z0-9+/=%._~-]+", re.IGNORECASE)


def without_session_tokens(text: str) -> str:
    """The same text, JSON or not, with `***` in the place of each session token."""
    return _TOKEN.sub(r"\1***", text)
