"""What is set before moto is imported."""

from __future__ import annotations

import boto3

from engine.local import backends


def test_sessions_share_what_one_has_read() -> None:
    assert backends.ACCOUNT_ID  # importing it has done it
    one, other = (boto3.session.Session()._session.get_component("data_loader") for _ in range(2))
    assert one is other
