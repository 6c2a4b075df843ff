"""What a project costs before and after a plan: ranges, and in words what is not known. Nothing is guessed.

`idle` is what runs anyhow: head node, standing nodes, storage. `full` is with every node running that may
run, all the month. What is billed by use (requests, stored gigabytes, logs, traffic) can't be read from a
plan: its rate is told, and it is in no sum. A price that is not in the table for exactly this region is not
known, and what needs it is in no sum either; every sum that lacks something says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from engine.model.prices import Price, PriceTable
from engine.review.amounts import Amount, Cost, Line, Total
from engine.review.changes import before_and_after, value_at
from engine.review.cluster import cluster_configuration
from engine.review.model import Action, Change
from engine.review.shape import ClusterShape, Disk, shape_of

_ZERO = Decimal(0)

# ParallelCluster's own images, 3.16.1 and from 3.16.2 on (see engine/model/queues.py).
_IMAGE_GIB = (45, 50)
# EBS user guide, "General Purpose SSD volumes": what gp3 has without paying for it.
_GP3_IOPS, _GP3_MBPS = 3000, 125


@dataclass(frozen=True)
class _Part:
    """A quantity of one price: what a line is made of."""

    item: str
    least: Decimal
    most: Decimal
    words: str


@dataclass
class _Pricer:
    """Looks prices up, and remembers those it used."""

    table: PriceTable
    region: str
    used: dict[str, Price] = field(default_factory=dict)

    def price(self, item: str) -> Price | None:
        found = self.table.find(item, self.region)
        if found is not None:
            self.used[item] = found
        return found

    def rate(self, item: str) -> str:
        found = self.price(item)
        return found.says if found else f"price not known in {self.region}"

    def sum(self, parts: Iterable[_Part]) -> tuple[Amount, str]:
        """The parts together, and how they come about; a part without a price makes the sum unknown."""
        idle, full = Decimal(0), Decimal(0)
        idle_known = full_known = True
        said = []
        for part in parts:
            price = self.price(part.item)
            if price is None:
                idle_known &= part.least == 0
                full_known &= part.most == 0
                said.append(f"{part.words}: price not known in {self.region}")
                continue
            idle += part.least * price.usd_per_hour
            full += part.most * price.usd_per_hour
            said.append(f"{part.words}: {price.says}")
        return Amount(idle if idle_known else None, full if full_known else None), "; ".join(said)


def cost_of(
    entries: Sequence[Mapping[str, Any]],
    changes: Sequence[Change],
    *,
    region: str,
    table: PriceTable,
    wanted: Mapping[str, Any] | None,
) -> Cost:
    """What the plan's resources cost on both sides.

    entries   resource_changes as Terraform gave them; changes   the same, read
    region    of everything; prices of another are never used
    wanted    the ParallelCluster configuration that the spec asks for, for a cluster whose template the
              plan knows only during the apply; None where there is none
    """
    pricer = _Pricer(table, region)
    raw = {(str(e.get("address", "")), str(e.get("deposed", ""))): e.get("change", {}) for e in entries}
    lines: list[Line] = []
    known_from = ""
    for change in changes:
        if change.mode == "data" or change.action is Action.READ:
            continue
        before, after = before_and_after(raw[change.address, change.deposed])
        old, new = _sides(change, before, after)
        if change.kind == "cluster":
            shapes, known_from = cluster_shapes(old, new, wanted)
            lines += _cluster_lines(change.address, *shapes, pricer)
        else:
            lines += _joined(change, old, new, pricer)
    return Cost(
        region=region,
        lines=tuple(lines),
        before=_total(lines, lambda line: line.before),
        after=_total(lines, lambda line: line.after),
        known_from=known_from,
        prices=tuple(pricer.used[item] for item in sorted(pricer.used)),
    )


def cluster_shapes(
    before: Any, after: Any, wanted: Mapping[str, Any] | None
) -> tuple[tuple[ClusterShape | None, ClusterShape | None], str]:
    """The cluster on both sides of its stack, and what the later one was read from ("plan", "spec", "")."""
    old, new = (shape_of(one) if (one := cluster_configuration(side)) else None for side in (before, after))
    if after is None or new is not None:
        return (old, new), "plan"
    shape = shape_of(wanted) if wanted else None
    return (old, shape), "spec" if shape else ""


def cost_of_shape(shape: ClusterShape, *, region: str, table: PriceTable) -> Total:
    """What the nodes of one cluster cost, without storage."""
    lines = list(_cluster_lines("", None, shape, _Pricer(table, region)))
    return _total(lines, lambda line: line.after)


def _sides(change: Change, before: Any, after: Any) -> tuple[Any, Any]:
    """What is there before and after; a forgotten resource goes on costing, and is told on both sides."""
    if change.action in (Action.NO_CHANGE, Action.IMPORT, Action.MOVE):
        return after, after
    return before, before if change.action is Action.FORGET else after


def _total(lines: Sequence[Line], side: Callable[[Line], Amount | None]) -> Total:
    amounts = [amount for line in lines if not line.by_use and (amount := side(line)) is not None]
    return Total(
        idle=sum((amount.idle for amount in amounts if amount.idle is not None), _ZERO),
        full=sum((amount.full for amount in amounts if amount.full is not None), _ZERO),
        complete=all(amount.known for amount in amounts),
    )


def _cluster_lines(
    address: str, before: ClusterShape | None, after: ClusterShape | None, pricer: _Pricer
) -> Iterator[Line]:
    rows: dict[str, list[tuple[Amount, str] | None]] = {}
    for index, shape in enumerate((before, after)):
        if shape is not None:
            for what, found in _priced_nodes(shape, pricer):
                rows.setdefault(what, [None, None])[index] = found
    for what, (old, new) in rows.items():
        yield _line(what, address, "cluster", old, new)
    if before is None and after is None:
        unknown = Amount(None, None)
        yield Line("cluster", address, "cluster", None, unknown, "its nodes are known only during the apply")


def _priced_nodes(shape: ClusterShape, pricer: _Pricer) -> Iterator[tuple[str, tuple[Amount, str]]]:
    if shape.head_node_type:
        head = _Part(f"ec2.{shape.head_node_type}", Decimal(1), Decimal(1), f"1 {shape.head_node_type}")
        yield "head node", pricer.sum([head])
    disk = _disk_parts(shape.head_node_disk, 1, 1, own_image=shape.own_image)
    yield "head node's disk", _or_unsized(pricer, disk)
    for queue, nodes in shape.nodes:
        name = f"queue {queue.name}, {nodes.name}"
        yield name, _nodes_amount(nodes.instance_types, nodes.least, nodes.most, pricer, spot=queue.spot)
        disks = _disk_parts(queue.disk, nodes.least, nodes.most, own_image=queue.own_image)
        yield f"{name}: disks", _or_unsized(pricer, disks, none=nodes.least == 0)


def _nodes_amount(
    types: tuple[str, ...], least: int, most: int, pricer: _Pricer, *, spot: bool
) -> tuple[Amount, str]:
    """From the cheapest alternative at rest to the dearest with all nodes running."""
    prices = {name: pricer.price(f"ec2.{name}") for name in types}
    known = {name: price for name, price in prices.items() if price is not None}
    missing = [name for name in types if name not in known]
    count = f"{least} to {most}" if least != most else f"{most}"
    said = [f"{count} × {name}: {price.says}" for name, price in known.items()]
    said += [f"{count} × {name}: price not known in {pricer.region}" for name in missing]
    complete = bool(known) and not missing
    idle = _ZERO if least == 0 else None
    full = None
    if complete:
        hourly = [price.usd_per_hour for price in known.values()]
        idle, full = least * min(hourly), most * max(hourly)
    if spot:
        # EC2 user guide, "Spot Instances": the default maximum price is the on-demand price.
        said.append("spot price not known, at most the on-demand price")
        idle = idle if least == 0 else None
    return Amount(idle, full), "; ".join(said)


def _disk_parts(disk: Disk, least: int, most: int, *, own_image: bool) -> list[_Part] | None:
    """None where nobody knows the size of the disk."""
    if disk.gib is None and own_image:
        return None
    small, large = (disk.gib, disk.gib) if disk.gib is not None else _IMAGE_GIB
    size = f"{small} GiB" if small == large else f"{small} or {large} GiB, the image's own"
    count = f"{least} to {most}" if least != most else f"{most}"
    return [_Part(f"ebs.{disk.type}", Decimal(least * small), Decimal(most * large), f"{count} × {size}")]


def _or_unsized(pricer: _Pricer, parts: list[_Part] | None, *, none: bool = False) -> tuple[Amount, str]:
    if parts is None:
        return Amount(_ZERO if none else None, None), "the image decides the size"
    return pricer.sum(parts)


def _line(
    what: str, address: str, group: str, old: tuple[Amount, str] | None, new: tuple[Amount, str] | None
) -> Line:
    before, after = old[0] if old else None, new[0] if new else None
    old_basis, new_basis = old[1] if old else "", new[1] if new else ""
    told = new_basis or old_basis
    if old and new and old_basis != new_basis:
        told = f"before: {old_basis}; after: {new_basis}"
    return Line(what, address, group, before, after, told)


def _joined(change: Change, before: Any, after: Any, pricer: _Pricer) -> Iterator[Line]:
    """The lines of one resource, those of both sides that have the same name together."""
    if change.type in _FREE or not change.type.startswith("aws_"):
        return
    group, lines_of = _LINES.get(change.type, ("other", _unpriced(change.type)))
    sides = [dict(lines_of(side, pricer)) if isinstance(side, Mapping) else {} for side in (before, after)]
    for what in dict.fromkeys([*sides[0], *sides[1]]):
        old, new = sides[0].get(what), sides[1].get(what)
        line = _line(what, change.address, group, old, new)
        by_use = all(one is None or one[0] is _BY_USE for one in (old, new))
        basis = line.basis
        if change.action is Action.FORGET:
            basis = f"goes on costing, out of the engine's care; {basis}"
        yield replace(line, basis=basis, by_use=by_use)


_Lines = Iterator[tuple[str, tuple[Amount, str]]]
_BY_USE = Amount(None, None)


def _lustre(side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    capacity, kind = side.get("storage_capacity"), side.get("deployment_type")
    if not isinstance(capacity, int) or not isinstance(kind, str):
        yield "Lustre file system", (Amount(None, None), "its size is known only after the apply")
        return
    tier = f".{side.get('per_unit_storage_throughput')}" if kind.startswith("PERSISTENT") else ""
    words = f"{capacity} GiB {kind}{tier.replace('.', ' ') + ' MB/s per TiB' if tier else ''}"
    amount = Decimal(capacity)
    yield "Lustre file system", pricer.sum([_Part(f"fsx.lustre.{kind}{tier}", amount, amount, words)])


def _efs(side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    zone = side.get("availability_zone_name")
    item = "efs.one-zone" if isinstance(zone, str) and zone else "efs.standard"
    yield "EFS, by what it holds", (_BY_USE, pricer.rate(item))
    provisioned = side.get("provisioned_throughput_in_mibps")
    if side.get("throughput_mode") == "provisioned" and isinstance(provisioned, int | float):
        amount = Decimal(str(provisioned))
        yield "EFS throughput", pricer.sum([_Part("efs.provisioned", amount, amount, f"{amount} MB/s")])


def _efs_backups(side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    # EFS user guide, "Backing up EFS file systems": a backup every day, each kept for 35 days.
    if value_at(side, "backup_policy[0].status") != "DISABLED":
        yield "EFS backups, by what they hold", (_BY_USE, pricer.rate("backup.efs"))


def _bucket(_side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    yield "bucket, by what it holds", (_BY_USE, f"{pricer.rate('s3.standard')}, and requests")


def _logs(_side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    rates = f"{pricer.rate('logs.ingest')} taken in, {pricer.rate('logs.store')} kept"
    yield "logs, by what is written", (_BY_USE, rates)


def _secret(_side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    yield "secret", pricer.sum([_Part("secret", Decimal(1), Decimal(1), "1 secret")])


def _volume(side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    size, kind = side.get("size"), side.get("type") or "gp2"
    if not isinstance(size, int) or not isinstance(kind, str):
        yield "volume", (Amount(None, None), "its size is known only after the apply")
        return
    parts = [_Part(f"ebs.{kind}", Decimal(size), Decimal(size), f"{size} GiB {kind}")]
    if kind == "gp3":
        more = (("iops", "iops", _GP3_IOPS), ("throughput", "throughput", _GP3_MBPS))
        for name, item, included in more:
            value = side.get(name)
            if isinstance(value, int) and value > included:
                extra = Decimal(value - included)
                parts.append(_Part(f"ebs.gp3.{item}", extra, extra, f"{extra} {name} above {included}"))
    elif kind in ("io1", "io2") and isinstance(side.get("iops"), int):
        iops = Decimal(side["iops"])
        parts.append(_Part(f"ebs.{kind}.iops", iops, iops, f"{iops} iops"))
    yield "volume", pricer.sum(parts)


def _database(side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    kind, engine = side.get("instance_class"), side.get("engine")
    multi = ".multi-az" if side.get("multi_az") is True else ""
    parts = [_Part(f"rds.{engine}.{kind}{multi}", Decimal(1), Decimal(1), f"1 {kind} {engine}")]
    if isinstance(storage := side.get("allocated_storage"), int):
        parts.append(_Part(f"rds.storage{multi}", Decimal(storage), Decimal(storage), f"{storage} GiB"))
    yield "database server", pricer.sum(parts)


def _instance(side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    kind = side.get("instance_type")
    yield "instance", pricer.sum([_Part(f"ec2.{kind}", Decimal(1), Decimal(1), f"1 {kind}")])


def _endpoint(side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    if side.get("vpc_endpoint_type") == "Interface":
        subnets = side.get("subnet_ids")
        zones = Decimal(len(subnets)) if isinstance(subnets, list) and subnets else None
        if zones is None:
            yield "interface endpoint", (Amount(None, None), "how many zones is known only after the apply")
        else:
            yield "interface endpoint", pricer.sum([_Part("vpc-endpoint", zones, zones, f"{zones} zones")])


def _nat(_side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    yield "NAT gateway", pricer.sum([_Part("nat-gateway", Decimal(1), Decimal(1), "1 gateway, and traffic")])


def _address(_side: Mapping[str, Any], pricer: _Pricer) -> _Lines:
    yield "public address", pricer.sum([_Part("ipv4", Decimal(1), Decimal(1), "1 address")])


def _unpriced(what: str) -> Callable[[Mapping[str, Any], _Pricer], _Lines]:
    def lines(_side: Mapping[str, Any], _pricer: _Pricer) -> _Lines:
        yield what, (Amount(None, None), "no price is in the table")

    return lines


_LINES: Mapping[str, tuple[str, Callable[[Mapping[str, Any], _Pricer], _Lines]]] = {
    "aws_fsx_lustre_file_system": ("storage", _lustre),
    "aws_efs_file_system": ("storage", _efs),
    "aws_efs_backup_policy": ("storage", _efs_backups),
    "aws_s3_bucket": ("storage", _bucket),
    "aws_ebs_volume": ("storage", _volume),
    "aws_cloudwatch_log_group": ("other", _logs),
    "aws_secretsmanager_secret": ("other", _secret),
    "aws_db_instance": ("other", _database),
    "aws_rds_cluster": ("other", _unpriced("database cluster")),
    "aws_instance": ("other", _instance),
    "aws_vpc_endpoint": ("other", _endpoint),
    "aws_nat_gateway": ("other", _nat),
    "aws_eip": ("other", _address),
    "aws_kms_key": ("other", _unpriced("encryption key")),
    "aws_dynamodb_table": ("other", _unpriced("DynamoDB table, by use")),
    "aws_fsx_openzfs_file_system": ("storage", _unpriced("OpenZFS file system")),
    "aws_fsx_windows_file_system": ("storage", _unpriced("Windows file system")),
    "aws_fsx_ontap_file_system": ("storage", _unpriced("ONTAP file system")),
    "aws_lb": ("other", _unpriced("load balancer")),
    "aws_eks_cluster": ("other", _unpriced("Kubernetes cluster")),
}
"""Type -> its group, and what of it costs."""

_FREE = frozenset(
    {
        "aws_cloudformation_stack",  # what it makes costs; a cluster's is read from its configuration
        "aws_cloudwatch_log_resource_policy",
        "aws_ecr_lifecycle_policy",
        "aws_efs_file_system_policy",
        "aws_efs_mount_target",
        "aws_fsx_data_repository_association",
        "aws_iam_instance_profile",
        "aws_iam_policy",
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_key_pair",
        "aws_kms_alias",
        "aws_lambda_invocation",  # a call or two; far below a cent
        "aws_lambda_permission",
        "aws_placement_group",
        "aws_route",
        "aws_route_table",
        "aws_route_table_association",
        "aws_s3_bucket_acl",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_s3_object",  # its bucket counts
        "aws_secretsmanager_secret_policy",
        "aws_secretsmanager_secret_version",
        "aws_security_group",
        "aws_security_group_rule",
        "aws_subnet",
        "aws_vpc",
        "aws_vpc_security_group_egress_rule",
        "aws_vpc_security_group_ingress_rule",
    }
)
"""Types that cost nothing by themselves. One that is in neither list is told as not known."""
