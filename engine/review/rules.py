"""The rules of the installation: who may reach it, whose it is, how much a virtual lab may have.

Each is one small function, named like its row in engine/model/data/rules.yaml. They look at what would be
there after the apply; what is deleted or left alone in AWS breaks none of them.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.model.rules import load_rules
from engine.review.amounts import Cost, money
from engine.review.changes import before_and_after, value_at
from engine.review.cluster import cluster_configuration
from engine.review.context import Context, PolicyResult
from engine.review.cost import cluster_shapes
from engine.review.model import Action, Change, Finding, Risk
from engine.review.shape import ClusterShape
from engine.review.values import parsed_json

_GONE = (Action.DELETE, Action.FORGET, Action.READ)
_BLOCKS = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
_PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")
_INGRESS = ("aws_vpc_security_group_ingress_rule", "aws_security_group_rule", "aws_security_group")
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "fc00::/7")
)

_NAMED: Mapping[str, str] = {
    "aws_cloudformation_stack": "name",
    "aws_cloudwatch_log_group": "name",
    "aws_db_instance": "identifier",
    "aws_dynamodb_table": "name",
    "aws_efs_file_system": "creation_token",
    "aws_iam_policy": "name",
    "aws_iam_role": "name",
    "aws_key_pair": "key_name",
    "aws_lambda_function": "function_name",
    "aws_s3_bucket": "bucket",
    "aws_secretsmanager_secret": "name",
    "aws_security_group": "name",
    "aws_sqs_queue": "name",
    "aws_ssm_parameter": "name",
}
"""Type -> the attribute that is its name in the account."""


@dataclass(frozen=True)
class Planned:
    """One change, and what would be there after it; `shape` and `configuration` of a cluster."""

    change: Change
    before: Any
    after: Any
    shape: ClusterShape | None
    configuration: Mapping[str, Any]


def policy_findings(
    entries: Sequence[Mapping[str, Any]], changes: Sequence[Change], cost: Cost | None, context: Context
) -> Iterator[Finding]:
    """What breaks the rules of the installation.

    entries   resource_changes as Terraform gave them; changes   the same, read
    cost      None where it was not asked for: the limit on it is not looked at then
    """
    raw = {(str(e.get("address", "")), str(e.get("deposed", ""))): e.get("change", {}) for e in entries}
    subjects = [
        _planned(change, raw[change.address, change.deposed], context)
        for change in changes
        if change.mode != "data"
    ]
    for subject in subjects:
        for rule in _OF_RESOURCES:
            yield from rule(subject, context)
    yield from map(_user_policy, context.policy_results)
    clusters = [one for one in subjects if one.change.kind == "cluster" and one.after is not None]
    for subject in clusters[:1]:
        yield from _lab_clusters(subject, len(clusters), context)
        yield from _lab_vcpus(subject, clusters, context)
        yield from _lab_cost(subject, cost, context)


def _user_policy(result: PolicyResult) -> Finding:
    rule, severity = ("user-policy", Risk.HIGH) if result.blocks else ("user-policy-advice", Risk.MEDIUM)
    hint = "It is one of the installation's own policies; ask whoever looks after them."
    return Finding(rule, severity, result.address, f"{result.policy}: {result.message}", hint)


def _planned(change: Change, raw: Mapping[str, Any], context: Context) -> Planned:
    before, after = before_and_after(raw)
    if change.action in _GONE:
        after = None
    if change.kind != "cluster" or after is None:
        return Planned(change, before, after, None, {})
    (_, shape), known_from = cluster_shapes(None, after, context.configuration)
    configuration = context.configuration if known_from == "spec" else cluster_configuration(after)
    return Planned(change, before, after, shape, configuration or {})


def _finding(rule: str, address: str, message: str, hint: str) -> Finding:
    return Finding(rule, Risk(load_rules()[rule].severity), address, message, hint)


def _public_access(subject: Planned, _context: Context) -> Iterator[Finding]:
    for opening in dict.fromkeys(_openings(subject)):
        yield _finding(
            "public-access", subject.change.address, opening, "Close it, or waive the rule in the spec."
        )


def _openings(subject: Planned) -> Iterator[str]:
    kind, after = subject.change.type, subject.after
    if kind == "aws_s3_bucket_public_access_block" and subject.change.action is Action.DELETE:
        # With its bucket gone too there is nothing left to open; the bucket's own deletion is told then.
        return
    if not isinstance(after, Mapping):
        return
    if kind == "aws_s3_bucket_public_access_block":
        open_ = [name for name in _BLOCKS if after.get(name) is not True]
        if open_:
            yield f"The bucket may be opened to everybody ({', '.join(open_)} not true)."
    if after.get("acl") in _PUBLIC_ACLS:
        yield f"The ACL {after['acl']} lets everybody in."
    for name in ("publicly_accessible", "map_public_ip_on_launch", "associate_public_ip_address"):
        if after.get(name) is True:
            yield f"{name} is true: it gets an address of the Internet."
    if kind in ("aws_lb", "aws_elb") and after.get("internal") is False:
        yield "The load balancer faces the Internet."
    if kind in ("aws_eip", "aws_internet_gateway"):
        yield "It is a way from the Internet."
    yield from _open_rules(kind, after)
    yield from _open_policies(after)
    yield from _open_cluster(subject)


def _open_rules(kind: str, after: Mapping[str, Any]) -> Iterator[str]:
    if kind not in _INGRESS or after.get("type") == "egress":
        return
    rules = after.get("ingress") if kind == "aws_security_group" else [after]
    for rule in rules if isinstance(rules, list) else ():
        if not isinstance(rule, Mapping):
            continue
        blocks = [rule.get("cidr_ipv4"), rule.get("cidr_ipv6")]
        for name in ("cidr_blocks", "ipv6_cidr_blocks"):
            blocks += rule[name] if isinstance(rule.get(name), list) else []
        for block in blocks:
            if _is_public(block):
                ports = f"{rule.get('from_port')} to {rule.get('to_port')}"
                yield f"Ports {ports} are open to {block}, which is not a private network."


def _open_policies(after: Mapping[str, Any]) -> Iterator[str]:
    for name in ("policy", "assume_role_policy"):
        document = parsed_json(after.get(name))
        statements = document.get("Statement") if isinstance(document, Mapping) else None
        for statement in statements if isinstance(statements, list) else [statements]:
            if isinstance(statement, Mapping) and _lets_everybody_in(statement):
                yield f"A statement of its {name} lets everybody in, under no condition."


def _lets_everybody_in(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, Mapping) else principal
    everybody = named == "*" or (isinstance(named, list) and "*" in named)
    return everybody and statement.get("Effect") == "Allow" and not statement.get("Condition")


def _open_cluster(subject: Planned) -> Iterator[str]:
    head = subject.configuration.get("HeadNode")
    if isinstance(head, Mapping):
        if value_at(head, "Networking.ElasticIp"):
            yield "The head node gets an address of the Internet (ElasticIp)."
        allowed = value_at(head, "Ssh.AllowedIps")
        if _is_public(allowed):
            yield f"The head node takes ssh from {allowed}, which is not a private network."
    queues = value_at(subject.configuration, "Scheduling.SlurmQueues")
    for queue in queues if isinstance(queues, list) else ():
        if value_at(queue, "Networking.AssignPublicIp") is True:
            yield f"Nodes of queue {queue.get('Name')} get addresses of the Internet (AssignPublicIp)."


def _is_public(block: Any) -> bool:
    if not isinstance(block, str):
        return False
    try:
        network = ipaddress.ip_network(block, strict=False)
    except ValueError:
        return False
    return not any(network.version == one.version and network.subnet_of(one) for one in _PRIVATE)  # type: ignore[arg-type]


def _foreign_name(subject: Planned, context: Context) -> Iterator[Finding]:
    attribute = _NAMED.get(subject.change.type)
    name = value_at(subject.after, attribute) if attribute else None
    if value_at(subject.after, "id") in context.taken_over:
        return
    if context.own_name and isinstance(name, str) and name and context.own_name not in name:
        yield _finding(
            "foreign-name",
            subject.change.address,
            f"{attribute} {name} is not one of the project's names.",
            "Name it after the project, or make it elsewhere than in the project's workspace.",
        )


# S3 user guide, "Categorizing your objects using tags": ten on an object, so the workspace's have none of the
# project's where there are more (modules/node-scripts). Bills know of buckets' tags alone ("Using cost
# allocation S3 bucket tags").
FEW_TAGS = "aws_s3_object"


def _required_tags(subject: Planned, context: Context) -> Iterator[Finding]:
    tags = value_at(subject.after, "tags_all")
    if subject.change.type == FEW_TAGS:
        return
    if not isinstance(subject.after, Mapping) or "tags_all" not in subject.after:
        return
    if tags is not None and not isinstance(tags, Mapping):
        return  # known only after the apply
    missing = [key for key in context.policy.required_tags if not (tags or {}).get(key)]
    if missing:
        yield _finding(
            "required-tags",
            subject.change.address,
            f"It lacks what the installation demands: {', '.join(missing)}.",
            "Give the project these tags: `tags` in its spec, or the setting `project_tags`.",
        )


def _instance_type(subject: Planned, context: Context) -> Iterator[Finding]:
    allowed = context.policy.allowed_instance_types
    if not allowed:
        return
    named = list(subject.shape.instance_types) if subject.shape else []
    single = value_at(subject.after, "instance_type")
    named += [single] if isinstance(single, str) else []
    refused = [name for name in named if not any(fnmatch.fnmatchcase(name, one) for one in allowed)]
    if refused:
        yield _finding(
            "instance-type",
            subject.change.address,
            f"{', '.join(refused)} not allowed here.",
            f"Allowed: {', '.join(allowed)}.",
        )


def _lab_clusters(subject: Planned, clusters: int, context: Context) -> Iterator[Finding]:
    most = context.policy.max_clusters
    total = context.others.clusters + clusters
    if most and total > most:
        yield _finding(
            "lab-clusters",
            subject.change.address,
            f"It would be cluster {total} of the virtual lab; {most} are allowed.",
            "Release another project of the lab first.",
        )


def _lab_vcpus(subject: Planned, clusters: Sequence[Planned], context: Context) -> Iterator[Finding]:
    most, others = context.policy.max_vcpus, context.others
    if not most:
        return
    counts = [one.shape.vcpus_most if one.shape else None for one in clusters]
    total = others.vcpus + sum(count or 0 for count in counts)
    if total > most:
        yield _finding(
            "lab-vcpus",
            subject.change.address,
            f"The virtual lab could run {total} vCPUs; {most} are allowed.",
            "Lower the most nodes of this project's queues, or of another's.",
        )
    elif None in counts or not others.vcpus_known:
        yield _unchecked(subject, f"vCPUs: {total} of {most} are counted")


def _lab_cost(subject: Planned, cost: Cost | None, context: Context) -> Iterator[Finding]:
    most, others = context.policy.max_usd_per_hour, context.others
    if not most or cost is None:
        return
    total = others.usd_per_hour + cost.after.full
    if total > Decimal(most):
        yield _finding(
            "lab-cost",
            subject.change.address,
            f"The virtual lab could cost {money(total)} USD per hour; {most} are allowed.",
            "Lower the most nodes of this project's queues, or of another's.",
        )
    elif not cost.after.complete or not others.cost_known:
        yield _unchecked(subject, f"cost: {money(total)} of {most} USD per hour are counted")


def _unchecked(subject: Planned, what: str) -> Finding:
    return _finding(
        "lab-unchecked",
        subject.change.address,
        f"The limit of the virtual lab on its {what}, and there is more that is not known.",
        "Look at the figures yourself: what is not known is listed with the cost.",
    )


_OF_RESOURCES: tuple[Callable[[Planned, Context], Iterator[Finding]], ...] = (
    _public_access,
    _foreign_name,
    _required_tags,
    _instance_type,
)
