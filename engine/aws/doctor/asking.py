"""Questions to AWS, all put at once: a person waits for the slowest answer, not for the sum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from engine.aws.failures import aws_errors

T = TypeVar("T")
Answer = Callable[[], T]
"""Gives the answer, the same one each time; or raises the error that came instead, each time."""
Ask = Callable[[Callable[[], T]], Answer[T]]

# Below what EC2's request buckets hold at once (EC2 developer guide, "Request throttling").
_AT_ONCE = 8


@contextmanager
def asking() -> Iterator[Ask[Any]]:
    """Gives `ask(question)`, which starts a question and gives its Answer; at the end all have been put."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        yield lambda question: pool.submit(question).result


def pages(client: Any, operation: str, key: str, **arguments: Any) -> Callable[[], list[Any]]:
    """The question for every item of a paged list: `pages(cloud.ec2, "describe_subnets", "Subnets")`.

    Raises   AccessDenied, Unreachable, BackendError, when it is put
    """

    def question() -> list[Any]:
        with aws_errors(f"asking for {_readable(operation)}"):
            found: Iterable[Any] = client.get_paginator(operation).paginate(**arguments)
            return [item for page in found for item in page[key]]

    return question


def _readable(operation: str) -> str:
    """describe_vpc_endpoints -> "vpc endpoints" """
    return operation.partition("_")[2].replace("_", " ")
