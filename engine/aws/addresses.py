"""Claims of address blocks: each project holds one block of the configured ranges, no block has two owners.

Two items make a claim, written in one transaction, so there is no half of one:

    pk             sk                  says
    BLOCK          10.42.65.0/24       this block belongs to `project`
    PROJECT_BLOCK  lab-1/proj-1        this project holds `cidr`
    COUNTER        CLAIMS              number of the last claim; it only grows
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from engine.aws.blocks import BlockPlan
from engine.aws.failures import PassingFailure, aws_errors
from engine.aws.session import Cloud
from engine.aws.tables import table_errors, transact
from engine.errors import BackendError, NoAddressLeft
from engine.model import tags

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef
    from mypy_boto3_ec2.type_defs import FilterTypeDef, SubnetTypeDef

_BLOCKS = "BLOCK"
_PROJECTS = "PROJECT_BLOCK"
_NAMED_HOLDERS = 5
# VPC user guide, "Subnet sizing": prefix lengths. EC2 API reference, "Filter": most values of one.
_SUBNET_SIZES = (16, 28)
_FILTER_VALUES = 200


@dataclass(frozen=True)
class Claim:
    """A block that a project holds.

    cidr        "10.42.65.0/24"
    token       number of this claim, growing over all claims; a later claim of the same project differs
    claimed_at  UTC, aware
    """

    cidr: str
    project: str
    token: int
    claimed_at: datetime


@dataclass(frozen=True)
class Standing:
    """A subnet that stands in the shared VPC.

    project  "vlab/project" as its tags say; "" when it is no project's
    """

    id: str
    cidr: str
    project: str

    def touches(self, cidr: str) -> bool:
        return IPv4Network(self.cidr).overlaps(IPv4Network(cidr))


class _Put(Enum):
    DONE = auto()
    BLOCK_TAKEN = auto()
    PROJECT_HAS_ONE = auto()


def claim_block(
    cloud: Cloud,
    table: str,
    *,
    ranges: Sequence[str],
    prefix_length: int,
    project: str,
    now: datetime,
    occupied: Collection[str] = (),
    start_hint: int | None = None,
    wanted: str | None = None,
) -> Claim:
    """Reserve one block for a project; claiming twice gives the first claim back.

    ranges         CIDRs the blocks are cut from, in order: ["10.42.64.0/18"]
    prefix_length  size of a block: 24 gives 256 addresses, of which AWS keeps 5
                   (VPC user guide, "Subnet sizing")
    project        "vlab/project"
    now            UTC, aware
    occupied       CIDRs that stand in the VPC already; a block touching one is passed over
    start_hint     number of the block to try first; None spreads projects by a hash, so that two
                   claims made at once seldom meet
    wanted         a block to have if nobody holds it, in place of a free one
    Raises         NoAddressLeft with the holders; NotBootstrapped; BackendError if DynamoDB did not
                   answer (then nothing is held, or calling again gives what is)
    """
    held = get_claim(cloud, table, project=project)
    if held is not None:
        return held
    plan = BlockPlan(ranges, prefix_length)
    start = _spread(project) if start_hint is None else start_hint
    token = _next_token(cloud, table, project)
    lost = set[str]()
    while True:
        # Looked up again for each try: what others have taken in the meantime need not be tried.
        claims = list(list_claims(cloud, table))
        # Claimed blocks of another size count as occupied too: the settings may have changed in between.
        taken = [*lost, *(claim.cidr for claim in claims)]
        cidr = _first_free(plan, start, taken, occupied, wanted)
        if cidr is None:
            raise _no_address_left(project, plan, claims, occupied)
        claim = Claim(cidr, project, token, now.astimezone(UTC))
        put = _put_claim(cloud, table, claim)
        if put is _Put.DONE:
            return claim
        if put is _Put.PROJECT_HAS_ONE:
            held = get_claim(cloud, table, project=project)
            if held is not None:
                return held
            raise PassingFailure(
                f"The address block of {project} was claimed and given back by somebody else just now.",
                hint="Run this again.",
            )
        lost.add(cidr)


def _first_free(
    plan: BlockPlan, start: int, taken: Sequence[str], occupied: Collection[str], wanted: str | None
) -> str | None:
    if wanted is not None and not any(IPv4Network(wanted).overlaps(IPv4Network(one)) for one in taken):
        return wanted
    return next(plan.free_blocks(start, occupied=[*occupied, *taken]), None)


def get_claim(cloud: Cloud, table: str, *, project: str) -> Claim | None:
    """The block a project holds at this moment (strongly consistent), or None."""
    with table_errors(f"reading the address claim of {project}", table=table):
        found = cloud.dynamodb.get_item(TableName=table, Key=_key(_PROJECTS, project), ConsistentRead=True)
    return _decode(found["Item"]) if "Item" in found else None


def list_claims(cloud: Cloud, table: str) -> Iterator[Claim]:
    """Every claim, ordered by the text of its block; pages are fetched while they are needed."""
    with table_errors("listing the address claims", table=table):
        pages = cloud.dynamodb.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _BLOCKS}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from (_decode(item) for item in page["Items"])


def release_block(cloud: Cloud, table: str, *, project: str, token: int) -> bool:
    """Give a block back. Only the claim with this token is touched; repeating it is safe.

    Returns  True when this call gave it back; False when the project holds nothing, or holds a
             later claim than the one meant here
    Raises   NotBootstrapped; BackendError if DynamoDB did not answer (call again)
    """
    claim = get_claim(cloud, table, project=project)
    if claim is None or claim.token != token:
        return False
    condition = {
        "TableName": table,
        "ConditionExpression": "#project = :project AND #token = :token",
        # DynamoDB reserves both words.
        "ExpressionAttributeNames": {"#project": "project", "#token": "token"},
        "ExpressionAttributeValues": {":project": {"S": project}, ":token": {"N": str(token)}},
    }
    deletes = [
        {"Delete": {"Key": _key(_BLOCKS, claim.cidr), **condition}},
        {"Delete": {"Key": _key(_PROJECTS, project), **condition}},
    ]
    with table_errors(f"giving back the address block {claim.cidr} of {project}", table=table):
        reasons = transact(cloud, deletes)
    if not reasons:
        return True
    left = get_claim(cloud, table, project=project)
    if left is not None and left.token == token:
        raise BackendError(
            f"The two halves of the claim of {claim.cidr} by {project} don't agree.",
            hint=f"Look at the items BLOCK {claim.cidr} and PROJECT_BLOCK {project} in the table {table}.",
            details={"cidr": claim.cidr, "project": project, "token": token},
        )
    return False


def release_project(cloud: Cloud, table: str, *, project: str) -> bool:
    """Give back whatever block the project holds now; False when it holds none. See release_block."""
    claim = get_claim(cloud, table, project=project)
    return claim is not None and release_block(cloud, table, project=project, token=claim.token)


def standing_subnets(cloud: Cloud, *, project: str = "", touching: str = "") -> list[Standing]:
    """Subnets in the shared VPC, whoever made them; empty when there is no such VPC.

    project   those tagged as this project's alone; touching: those alone that have an address of this block.
              AWS looks for them then: it costs the same however many others stand
    Raises  AccessDenied, Unreachable
    """
    narrowed: list[FilterTypeDef] = []
    if project:
        vlab_id, _, project_id = project.partition("/")
        narrowed += [
            {"Name": f"tag:{tags.VLAB}", "Values": [vlab_id]},
            {"Name": f"tag:{tags.PROJECT}", "Values": [project_id]},
        ]
    with aws_errors("listing the subnets of the shared VPC"):
        vpcs = cloud.ec2.get_paginator("describe_vpcs").paginate(
            Filters=[{"Name": f"tag:{tags.SHARED}", "Values": [tags.SHARED_VPC]}]
        )
        ids = [vpc["VpcId"] for page in vpcs for vpc in page["Vpcs"]]
        if not ids:
            return []
        found = []
        for blocks in _batched(_touching(touching)) if touching else [[]]:
            cidrs: list[FilterTypeDef] = [{"Name": "cidr-block", "Values": blocks}] if blocks else []
            subnets = cloud.ec2.get_paginator("describe_subnets").paginate(
                Filters=[{"Name": "vpc-id", "Values": ids}, *narrowed, *cidrs]
            )
            found += [standing_subnet(subnet) for page in subnets for subnet in page["Subnets"]]
        return sorted(found, key=lambda subnet: subnet.cidr)


def _touching(cidr: str) -> list[str]:
    """Every block that a subnet with an address of this one can have: EC2 looks for equal blocks only."""
    block = IPv4Network(cidr)
    around = [block.supernet(new_prefix=length) for length in range(_SUBNET_SIZES[0], block.prefixlen)]
    within = [
        part
        for length in range(block.prefixlen + 1, _SUBNET_SIZES[1] + 1)
        for part in block.subnets(new_prefix=length)
    ]
    return [str(one) for one in (*around, block, *within)]


def _batched(blocks: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(blocks), _FILTER_VALUES):
        yield list(blocks[start : start + _FILTER_VALUES])


def standing_subnet(subnet: SubnetTypeDef) -> Standing:
    """What EC2 tells of a subnet, in short."""
    there = {tag["Key"]: tag["Value"] for tag in subnet.get("Tags", [])}
    marked = tags.VLAB in there and tags.PROJECT in there
    project = f"{there[tags.VLAB]}/{there[tags.PROJECT]}" if marked else ""
    return Standing(subnet["SubnetId"], subnet["CidrBlock"], project)


def _put_claim(cloud: Cloud, table: str, claim: Claim) -> _Put:
    item: dict[str, AttributeValueTypeDef] = {
        "cidr": {"S": claim.cidr},
        "project": {"S": claim.project},
        "token": {"N": str(claim.token)},
        "claimed_at": {"S": claim.claimed_at.isoformat()},
    }
    # Block first, project second: the reasons of a refusal come back in this order.
    puts = [
        {
            "Put": {
                "TableName": table,
                "Item": {**_key(partition, sort), **item},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }
        for partition, sort in ((_BLOCKS, claim.cidr), (_PROJECTS, claim.project))
    ]
    with table_errors(f"claiming the address block {claim.cidr} for {claim.project}", table=table):
        reasons = transact(cloud, puts)
    if not reasons:
        return _Put.DONE
    return _Put.PROJECT_HAS_ONE if reasons[1] == "ConditionalCheckFailed" else _Put.BLOCK_TAKEN


def _next_token(cloud: Cloud, table: str, project: str) -> int:
    with table_errors(f"numbering the address claim of {project}", table=table):
        answer = cloud.dynamodb.update_item(
            TableName=table,
            Key=_key("COUNTER", "CLAIMS"),
            UpdateExpression="ADD #value :one",
            ExpressionAttributeNames={"#value": "value"},
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
    return int(answer["Attributes"]["value"]["N"])


def _spread(project: str) -> int:
    return int.from_bytes(hashlib.sha256(project.encode()).digest()[:8])


def _key(partition: str, sort: str) -> dict[str, AttributeValueTypeDef]:
    return {"pk": {"S": partition}, "sk": {"S": sort}}


def _decode(item: Mapping[str, AttributeValueTypeDef]) -> Claim:
    return Claim(
        cidr=item["cidr"]["S"],
        project=item["project"]["S"],
        token=int(item["token"]["N"]),
        claimed_at=datetime.fromisoformat(item["claimed_at"]["S"]),
    )


def _no_address_left(
    project: str, plan: BlockPlan, claims: Sequence[Claim], occupied: Collection[str]
) -> NoAddressLeft:
    holders = [claim.project for claim in claims]
    named = ", ".join(holders[:_NAMED_HOLDERS]) + (", ..." if len(holders) > _NAMED_HOLDERS else "")
    return NoAddressLeft(
        f"No address block is left for {project}: {plan.describe()} has {plan.count} blocks, "
        f"{len(holders)} are held by projects{f' ({named})' if named else ''}, "
        f"and {len(occupied)} subnets stand in the VPC.",
        hint="Release or destroy a project that is no longer used, or widen address_ranges in the settings.",
        details={
            "ranges": list(plan.ranges),
            "blocks": plan.count,
            "holders": [{"project": claim.project, "cidr": claim.cidr} for claim in claims],
            "occupied": sorted(occupied),
        },
    )
