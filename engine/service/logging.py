"""What the service tells about itself: one JSON line each, with request, project and operation on it.

No secret comes here: key material never leaves engine/aws, and of a request only its address is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from engine.errors import ItemUnreadable

SERVICE = "parallelcluster-provisioner"
NAMESPACE = "ParallelClusterProvisioner"

logger = Logger(service=SERVICE)


@contextmanager
def about(**facts: str | None) -> Iterator[None]:
    """Until the block ends, every line of this thread carries these facts and those that `note` adds."""
    logger.thread_safe_clear_keys()
    note(**facts)
    try:
        yield
    finally:
        logger.thread_safe_clear_keys()


def note(**facts: str | None) -> None:
    """Add facts to this thread's lines: project, operation_id and the like. None says nothing."""
    told = {name: value for name, value in facts.items() if value is not None}
    logger.thread_safe_append_keys(**told)


def left_out(error: ItemUnreadable) -> None:
    """One project's item that this version can't read holds up nothing of the others."""
    logger.error("is left out", project=error.project, code=error.code, detail=error.message)


def count(function: str, outcome: str, *, seconds: float) -> None:
    """One EMF line: that something was done, how it ended, and how long it took.

    function   "api", "worker", "drift" or "keys"
    outcome    of few values: it becomes a dimension
    """
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    metrics.add_dimension("function", function)
    metrics.add_dimension("outcome", outcome)
    metrics.add_metric("Count", MetricUnit.Count, 1)
    metrics.add_metric("Duration", MetricUnit.Milliseconds, round(seconds * 1000, 1))
    metrics.flush_metrics()
