"""Whether the service is whole, where there is one; an installation without it has nothing to look at."""

from __future__ import annotations

from engine.aws.checks import Check, Level, Probe, Verdict, fine, run_probes, warning
from engine.aws.dead_letters import count_dead_letters
from engine.aws.failures import aws_errors
from engine.aws.queue import Queue
from engine.aws.session import Cloud
from engine.errors import EngineError, NotBootstrapped

_SUBJECT = "service"


def examine_service(cloud: Cloud, *, operations_queue: str) -> list[Check]:
    """No check at all where there is no queue of operations: then nobody has applied workspaces/service.

    Warnings at most: the command line does without the service.
    """
    queue = Queue(cloud, operations_queue)
    try:
        arn = _arn(cloud, queue)
    except NotBootstrapped:
        return []
    except EngineError as error:
        return [
            Check(_SUBJECT, f"queue {operations_queue}", Level.WARNING, error.message, error.hint, error.code)
        ]
    return run_probes(
        _SUBJECT,
        [
            Probe("worker", lambda: _worker(cloud, arn), Level.WARNING),
            Probe("dead letters", lambda: _dead_letters(cloud, queue), Level.WARNING),
        ],
    )


def _arn(cloud: Cloud, queue: Queue) -> str:
    with aws_errors("looking at the queue of operations"):
        answer = cloud.sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


def _worker(cloud: Cloud, queue_arn: str) -> Verdict:
    with aws_errors("looking for the worker of the queue"):
        answer = cloud.lambdas.list_event_source_mappings(EventSourceArn=queue_arn)
    sources = answer.get("EventSourceMappings", [])
    enabled = [source for source in sources if source.get("State") == "Enabled"]
    if enabled:
        return fine(str(enabled[0]["FunctionArn"]).rpartition(":")[2])
    states = ", ".join(str(source.get("State")) for source in sources)
    return warning(
        f"nothing takes operations from the queue ({states or 'no function is connected to it'})",
        hint="Apply workspaces/service, or enable the worker's trigger: what is asked for waits until then.",
    )


def _dead_letters(cloud: Cloud, queue: Queue) -> Verdict:
    count = count_dead_letters(cloud, queue)
    if not count:
        return fine("none")
    return warning(
        f"{count} operation{'s were' if count > 1 else ' was'} given up",
        hint="`provisioner redrive --dry-run` shows them; read the worker's log, mend what is wrong, "
        "then `provisioner redrive`.",
    )
