"""Claims of address blocks: one owner per block, one block per project, whoever comes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from engine.aws import addresses
from engine.aws.addresses import (
    Claim,
    Standing,
    claim_block,
    get_claim,
    list_claims,
    release_block,
    release_project,
    standing_subnets,
)
from engine.aws.blocks import BlockPlan
from engine.aws.failures import PassingFailure
from engine.aws.session import Cloud
from engine.errors import NoAddressLeft, NotBootstrapped
from engine.model import tags
from engine.model.settings import load_settings
from engine.operations.planning import reserve_block
from tests.functional.conftest import make_table

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TABLE = "registry"


@pytest.fixture
def table(cloud: Cloud) -> Iterator[Cloud]:
    make_table(cloud, TABLE, "pk", "sk")
    yield cloud


def claim(cloud: Cloud, project: str, ranges: tuple[str, ...] = ("10.42.64.0/22",), **more: Any) -> Claim:
    return claim_block(cloud, TABLE, ranges=ranges, prefix_length=24, project=project, now=NOON, **more)


def test_claiming_twice_gives_the_first_claim_back(table: Cloud) -> None:
    first = claim(table, "lab/one")

    assert claim(table, "lab/one", ranges=("10.99.0.0/16",)) == first
    assert get_claim(table, TABLE, project="lab/one") == first
    assert list(list_claims(table, TABLE)) == [first]


def test_every_project_has_its_own_block(table: Cloud) -> None:
    claims = [claim(table, f"lab/{number}") for number in range(4)]

    assert sorted(one.cidr for one in claims) == [f"10.42.{third}.0/24" for third in (64, 65, 66, 67)]
    assert [one.token for one in claims] == [1, 2, 3, 4]


def test_a_full_range_names_range_blocks_and_holders(table: Cloud) -> None:
    for number in range(3):
        claim(table, f"lab/{number}")

    with pytest.raises(NoAddressLeft) as full:
        claim(table, "lab/late", occupied=["10.42.64.0/22"])

    assert "10.42.64.0/22 has 4 blocks, 3 are held" in full.value.message
    assert "lab/late" in full.value.message
    assert {holder["project"] for holder in full.value.details["holders"]} == {"lab/0", "lab/1", "lab/2"}
    assert get_claim(table, TABLE, project="lab/late") is None


def test_subnets_that_stand_in_the_vpc_are_passed_over(table: Cloud) -> None:
    # One lies inside a block, one spans two of them, one is elsewhere.
    occupied = ["10.42.64.16/28", "10.42.66.0/23", "192.168.0.0/16"]

    assert claim(table, "lab/one", occupied=occupied).cidr == "10.42.65.0/24"
    with pytest.raises(NoAddressLeft):
        claim(table, "lab/two", occupied=occupied)


def test_claims_of_another_size_are_passed_over(table: Cloud) -> None:
    claim_block(
        table, TABLE, ranges=["10.42.64.0/23"], prefix_length=23, project="lab/old", now=NOON, start_hint=0
    )

    assert {claim(table, f"lab/{number}").cidr for number in range(2)} == {"10.42.66.0/24", "10.42.67.0/24"}


def test_the_start_is_a_hint(table: Cloud) -> None:
    assert claim(table, "lab/one", start_hint=2).cidr == "10.42.66.0/24"
    assert claim(table, "lab/two", start_hint=2).cidr == "10.42.67.0/24"
    assert claim(table, "lab/three", start_hint=6 + 4 * 10**9).cidr == "10.42.64.0/24"


def test_projects_start_at_different_blocks(table: Cloud) -> None:
    """So that two claims made at once seldom want the same block."""
    starts = {claim(table, f"lab/{number}", ranges=("10.0.0.0/12",)).cidr for number in range(20)}

    gaps = {int(IPv4Network(cidr).network_address) >> 8 for cidr in starts}
    assert len(starts) == 20
    assert max(gaps) - min(gaps) > 100, "they would all lie side by side without a spread"


def test_a_block_given_back_can_be_claimed_again(table: Cloud) -> None:
    first = claim(table, "lab/one", ranges=("10.42.64.0/24",))

    assert release_block(table, TABLE, project="lab/one", token=first.token) is True
    second = claim(table, "lab/two", ranges=("10.42.64.0/24",))

    assert second.cidr == first.cidr
    assert second.token > first.token


def test_releasing_is_safe_to_repeat_and_bound_to_the_claim(table: Cloud) -> None:
    # GIVEN a project that gave its block back and has claimed one again
    old = claim(table, "lab/one")
    assert release_block(table, TABLE, project="lab/one", token=old.token)
    new = claim(table, "lab/one")
    # WHEN the first release is repeated
    released = release_block(table, TABLE, project="lab/one", token=old.token)
    # THEN the new claim stands
    assert released is False
    assert get_claim(table, TABLE, project="lab/one") == new
    assert release_project(table, TABLE, project="lab/one") is True
    assert release_project(table, TABLE, project="lab/one") is False
    assert list(list_claims(table, TABLE)) == []


def test_a_release_that_was_overtaken_leaves_the_new_claim(
    table: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a release that has read its claim, and then the block changes hands twice
    old = claim(table, "lab/one", start_hint=0)
    release_project(table, TABLE, project="lab/one")
    new = claim(table, "lab/one", start_hint=0)
    assert new.cidr == old.cidr
    real = addresses.get_claim
    reads = [old]
    monkeypatch.setattr(
        addresses, "get_claim", lambda *args, **kw: reads.pop() if reads else real(*args, **kw)
    )
    # THEN it gives nothing back
    assert release_block(table, TABLE, project="lab/one", token=old.token) is False
    assert list(list_claims(table, TABLE)) == [new]


def test_a_block_lost_to_another_project_leads_to_the_next_one(
    table: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a claim that another project makes between our look and our write
    claim(table, "lab/fast", start_hint=0)
    real = addresses.list_claims
    looks = [list[Claim]()]
    monkeypatch.setattr(addresses, "list_claims", lambda *args: iter(looks.pop() if looks else real(*args)))
    # THEN ours goes on to the next block
    assert claim(table, "lab/slow", start_hint=0).cidr == "10.42.65.0/24"


def test_a_claim_made_by_another_worker_for_us_is_taken(
    table: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN two workers on one project, both past the look whether it has a block
    real = addresses.get_claim
    first = claim(table, "lab/one", start_hint=0)
    looks: list[Claim | None] = [None]
    monkeypatch.setattr(
        addresses, "get_claim", lambda *args, **kw: looks.pop() if looks else real(*args, **kw)
    )
    # THEN the second takes what the first got, and no second block is held
    assert claim(table, "lab/one", start_hint=2) == first
    assert list(list_claims(table, TABLE)) == [first]


def test_thirty_workers_on_twenty_blocks(table: Cloud, atomic_writes: None) -> None:
    ranges = ("10.42.64.0/20", "10.42.128.0/22")  # 16 + 4 blocks

    def work(number: int) -> str | None:
        try:
            return claim(table, f"lab/{number}", ranges=ranges, start_hint=0).cidr
        except NoAddressLeft:
            return None

    with ThreadPoolExecutor(30) as pool:
        got = list(pool.map(work, range(30)))

    held = [cidr for cidr in got if cidr]
    assert len(held) == len(set(held)) == 20
    assert Counter(one.cidr for one in list_claims(table, TABLE)) == Counter(held)


def test_ten_workers_on_one_project_share_one_block(table: Cloud, atomic_writes: None) -> None:
    with ThreadPoolExecutor(10) as pool:
        got = set(pool.map(lambda _: claim(table, "lab/one"), range(10)))

    assert len(got) == 1
    assert list(list_claims(table, TABLE)) == list(got)


def test_a_passing_conflict_is_tried_again_and_a_lasting_one_reported(
    table: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = table.dynamodb.transact_write_items
    conflicts = 2
    calls = 0

    def conflicting(**arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > conflicts:
            return real(**arguments)
        raise ClientError(
            {
                "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
                "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
            },
            "TransactWriteItems",
        )

    monkeypatch.setattr(table.dynamodb, "transact_write_items", conflicting)
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert claim(table, "lab/one", start_hint=0).cidr == "10.42.64.0/24"
    assert calls == 3

    conflicts = 10**6
    with pytest.raises(PassingFailure, match="TransactionConflict") as busy:
        claim(table, "lab/two")
    assert busy.value.retryable


def test_without_a_table_the_way_out_is_named(cloud: Cloud) -> None:
    with pytest.raises(NotBootstrapped):
        claim(cloud, "lab/one")


def marked(kind: str, **pairs: str) -> list[Any]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()]}]


@pytest.fixture
def vpc(cloud: Cloud) -> str:
    """The shared VPC, without subnets."""
    shared = marked("vpc", **{tags.SHARED: tags.SHARED_VPC})
    return cloud.ec2.create_vpc(CidrBlock="10.42.0.0/16", TagSpecifications=shared)["Vpc"]["VpcId"]


def make_subnet(cloud: Cloud, vpc: str, cidr: str, project_id: str = "") -> str:
    more: Any = (
        {"TagSpecifications": marked("subnet", **{tags.VLAB: "lab", tags.PROJECT: project_id})}
        if project_id
        else {}
    )
    return cloud.ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, **more)["Subnet"]["SubnetId"]


def test_subnets_of_the_shared_vpc_are_listed(cloud: Cloud) -> None:
    other = cloud.ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"]
    make_subnet(cloud, other, "10.43.0.0/24", "p-2")
    assert standing_subnets(cloud) == []


def test_a_subnet_is_its_project_s(cloud: Cloud, vpc: str) -> None:
    ours = make_subnet(cloud, vpc, "10.42.65.0/24", "p-1")
    nobodys = make_subnet(cloud, vpc, "10.42.0.0/24")

    assert standing_subnets(cloud) == [
        Standing(nobodys, "10.42.0.0/24", ""),
        Standing(ours, "10.42.65.0/24", "lab/p-1"),
    ]


@pytest.mark.parametrize(
    "block", ["10.42.65.0/24", "10.42.64.0/20", "10.42.65.64/26", "10.42.65.128/28", "10.42.200.0/22"]
)
def test_who_touches_a_block_is_found_without_looking_at_the_others(
    cloud: Cloud, vpc: str, block: str
) -> None:
    for cidr in ("10.42.0.0/18", "10.42.64.0/24", "10.42.65.0/25", "10.42.65.128/28", "10.42.192.0/19"):
        make_subnet(cloud, vpc, cidr)
    touching = [one for one in standing_subnets(cloud) if one.touches(block)]
    assert touching
    assert standing_subnets(cloud, touching=block) == touching


def test_those_of_one_project_alone(cloud: Cloud, vpc: str) -> None:
    ours = make_subnet(cloud, vpc, "10.42.65.0/24", "p-1")
    make_subnet(cloud, vpc, "10.42.66.0/24", "p-2")
    assert standing_subnets(cloud, project="lab/p-1") == [Standing(ours, "10.42.65.0/24", "lab/p-1")]
    assert standing_subnets(cloud, project="another/p-1") == []


def reserved(cloud: Cloud, project: str) -> str:
    settings = load_settings(environ={}, flags={"registry_table": TABLE, "address_ranges": "10.42.64.0/22"})
    return reserve_block(cloud, settings.settings, project, now=NOON)


def test_a_claim_whose_block_another_took_is_exchanged(table: Cloud, vpc: str) -> None:
    """The creation of the subnet failed for it, and would fail again each time."""
    first = reserved(table, "lab/p-1")
    make_subnet(table, vpc, first)

    second = reserved(table, "lab/p-1")

    assert second != first
    assert [one.cidr for one in list_claims(table, TABLE)] == [second]
    assert reserved(table, "lab/p-1") == second


def test_a_claim_stays_while_the_project_s_subnet_stands(table: Cloud, vpc: str) -> None:
    first = reserved(table, "lab/p-1")
    make_subnet(table, vpc, first, "p-1")

    assert reserved(table, "lab/p-1") == first


def test_a_lost_claim_is_made_anew_for_the_subnet_that_stands(table: Cloud, vpc: str) -> None:
    make_subnet(table, vpc, "10.42.66.0/24", "p-1")

    assert reserved(table, "lab/p-1") == "10.42.66.0/24"


def test_a_lost_claim_that_another_project_made_is_not_taken_from_it(table: Cloud, vpc: str) -> None:
    make_subnet(table, vpc, "10.42.66.0/24", "p-1")
    claim(table, "lab/p-2", start_hint=2)

    assert reserved(table, "lab/p-1") != "10.42.66.0/24"


networks = st.builds(
    lambda address, prefix: str(IPv4Network((address, prefix), strict=False)),
    st.integers(min_value=0x0A2A0000, max_value=0x0A2AFFFF),
    st.integers(min_value=18, max_value=30),
)


@given(
    occupied=st.lists(networks, max_size=6),
    prefix=st.integers(min_value=22, max_value=27),
    start=st.integers(min_value=0, max_value=10**18),
)
def test_free_blocks_are_all_that_touch_nothing_occupied(
    occupied: list[str], prefix: int, start: int
) -> None:
    ranges = ("10.42.64.0/20", "10.42.128.0/19")
    everything = [block for text in ranges for block in IPv4Network(text).subnets(new_prefix=prefix)]
    expected = {
        str(block) for block in everything if not any(block.overlaps(IPv4Network(text)) for text in occupied)
    }

    plan = BlockPlan(ranges, prefix)
    found = list(plan.free_blocks(start, occupied=occupied))

    assert plan.count == len(everything)
    assert sorted(found) == sorted(expected)
    if not occupied:
        assert found[0] == str(everything[start % len(everything)])


def test_a_range_smaller_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="smaller than a /24"):
        BlockPlan(["10.0.0.0/25"], 24)
