"""What AWS repeats of a signed request tells nobody its session token."""

from __future__ import annotations

import json

import pytest

from engine.model.session_tokens import without_session_tokens

TOKEN = "FwoGZXIvYXdzEKr//////////wEaDH+canary/4b1d=="
SAID = (
    "The Canonical String for this request should have been\n'GET\n/\n\nhost:sts.amazonaws.com\n"
    f"x-amz-date:20261130T000000Z\nx-amz-security-token:{TOKEN}\n\nhost;x-amz-date;x-amz-security-token\ne3b0c442'"
)


@pytest.mark.parametrize(
    "text", [SAID, json.dumps({"@message": SAID}), f"https://s3/?X-Amz-Security-Token={TOKEN}&X-Amz-Date=1"]
)
def test_the_token_goes_and_the_rest_stays(text: str) -> None:
    assert without_session_tokens(text) == text.replace(TOKEN, "***")


def test_other_words_of_it_stay() -> None:
    text = "signed headers: host;x-amz-security-token\nx-amz-date:20261130T000000Z"
    assert without_session_tokens(text) == text
