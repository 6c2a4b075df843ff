"""X-Ray traces of the service's functions; off unless the setting `tracing` is on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from engine.service.logging import SERVICE

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer


@contextmanager
def span(name: str, *, enabled: bool, **facts: str) -> Iterator[None]:
    """A subsegment around the block, with these facts to search by. Without tracing nothing is imported."""
    if not enabled:
        yield
        return
    tracer = _tracer()
    with tracer.provider.in_subsegment(name):
        for fact, value in facts.items():
            tracer.put_annotation(fact, value)
        yield


@cache
def _tracer() -> Tracer:
    from aws_lambda_powertools import Tracer

    # AWS's own client is patched as well, so that each call to AWS is a subsegment.
    return Tracer(service=SERVICE, patch_modules=["botocore"])
