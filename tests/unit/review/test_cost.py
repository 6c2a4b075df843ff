"""Costs: what is known is added up, what is not is said, and nothing is guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.model.prices import PriceTable, load_prices, parse_prices
from engine.review import Context, Review, build_review
from engine.review.amounts import Amount, Cost, Line, Total, money
from engine.review.cost import cost_of_shape
from engine.review.cost_table import amount_text, missing, total_text
from engine.review.document import review_json
from engine.review.shape import shape_of
from tests.unit.review import collection
from tests.unit.review.plans import PROJECT, entry, plan_of


def cost_of(*entries: dict[str, Any], region: str = "us-east-1", **more: Any) -> Cost:
    review = build_review(plan_of(*entries), project=PROJECT, context=Context(region=region, **more))
    assert review.cost is not None
    return review.cost


def created(address: str, **after: Any) -> dict[str, Any]:
    return entry(address, "create", before=None, after=after)


def line_of(review: Review, what: str) -> Line:
    assert review.cost is not None
    return next(line for line in review.cost.lines if line.what == what)


def test_a_cluster_from_idle_to_full() -> None:
    # GIVEN queues with 16 nodes that may run, and 2 to 4 that stand
    review = collection.review("create-queues")
    assert review.cost is not None and review.cost.known_from == "spec"
    mpi = line_of(review, "queue mpi, c7i")
    assert mpi.before is None
    assert mpi.after == Amount(Decimal(0), 16 * Decimal("8.568"))
    standing = line_of(review, "queue standing, c7a").after
    assert standing == Amount(2 * Decimal("9.85344"), 4 * Decimal("9.85344"))
    disks = line_of(review, "queue standing, c7a: disks").after
    assert disks is not None and disks.idle == 2 * 200 * Decimal("0.08") / 730


def with_two_queues(size: int | None = None, own: str | None = None, every: str | None = None) -> Any:
    """The shape of a cluster with two queues.

    size   of their disks; own   image of the first queue; every   of the whole cluster
    """

    def queue(name: str, image: str | None) -> dict[str, Any]:
        volume = {"RootVolume": {"Size": size}} if size is not None else {}
        nodes = {"Name": "n", "Instances": [{"InstanceType": "t3.micro"}], "MinCount": 0, "MaxCount": 2}
        return {
            "Name": name,
            "ComputeSettings": {"LocalStorage": volume},
            "ComputeResources": [nodes],
            **({"Image": {"CustomAmi": image}} if image else {}),
        }

    return shape_of(
        {
            "HeadNode": {"InstanceType": "t3.micro", "LocalStorage": {"RootVolume": {"Size": 50}}},
            "Image": {"Os": "alinux2023", **({"CustomAmi": every} if every else {})},
            "Scheduling": {"SlurmQueues": [queue("own", own), queue("plain", None)]},
        }
    )


def test_the_disks_of_an_image_that_nobody_knows_are_not_known() -> None:
    def total(**images: Any) -> Total:
        return cost_of_shape(with_two_queues(**images), region="us-east-1", table=load_prices())

    # GIVEN two queues whose nodes' disks are as large as their image
    known = total()
    assert known.complete and known.full is not None
    # WHEN one has an image of its own, THEN its disks are in no sum, and the sum says so
    own = total(own="ami-0123456789abcdef0")
    assert not own.complete and own.full == known.full - 2 * 50 * Decimal("0.08") / 730
    # AND that of the installation is every queue's, and a size that is given is known with any image
    assert total(every="ami-0123456789abcdef0").full < own.full
    assert total(own="ami-0123456789abcdef0", size=100) == total(size=100)


def test_spot_is_not_guessed() -> None:
    spot = line_of(collection.review("create-queues"), "queue spot, two")
    assert spot.after == Amount(Decimal(0), None) and "spot price not known" in spot.basis


def test_the_plan_is_believed_before_the_spec() -> None:
    cost = collection.review("other-tier").cost
    assert cost is not None and cost.known_from == "plan"
    assert cost.before.full < 1 < cost.after.full


def test_a_price_that_is_not_known_makes_the_sum_incomplete() -> None:
    # GIVEN a throughput for which public notes contradict each other
    cost = collection.review("create-lustre-250").cost
    assert cost is not None and not cost.after.complete
    assert any("Lustre" in said for said in missing(cost))
    assert total_text(cost.after).startswith("at least ")
    # AND one that is known
    known = collection.review("create-lustre-125").cost
    assert known is not None
    lustre = next(line.after for line in known.lines if line.what == "Lustre file system")
    assert lustre is not None and lustre.full is not None
    assert round(lustre.full * 730) == 174


def test_no_price_of_another_region_is_taken() -> None:
    volume = created("aws_ebs_volume.this", size=100, type="gp3")
    assert cost_of(volume).after.full == Decimal(8) / 730
    abroad = cost_of(volume, region="eu-west-1")
    assert abroad.after.full == 0 and not abroad.after.complete


def test_what_is_billed_by_use_is_in_no_sum() -> None:
    cost = cost_of(created("aws_s3_bucket.this", bucket="b"))
    (line,) = cost.lines
    assert line.by_use and not line.unknown and "0.023 USD per GB-month" in line.basis
    assert cost.after.full == 0 and cost.after.complete


def test_backups_of_the_home_are_billed_by_use() -> None:
    # GIVEN a backup policy, whose price is in no table of ours
    backed_up = created("aws_efs_backup_policy.this", backup_policy=[{"status": "ENABLED"}])
    cost = cost_of(backed_up)
    (line,) = cost.lines
    assert line.by_use and line.group == "storage" and "price not known in us-east-1" in line.basis
    assert cost.after.full == 0 and cost.after.complete
    # AND one that makes no backups
    assert cost_of(created("aws_efs_backup_policy.this", backup_policy=[{"status": "DISABLED"}])).lines == ()


def test_a_type_that_nobody_knows_is_said_and_a_free_one_is_not() -> None:
    cost = cost_of(created("aws_subnet.this"), created("aws_odd_thing.this"))
    assert [(line.what, line.unknown) for line in cost.lines] == [("aws_odd_thing", True)]


@pytest.mark.parametrize(
    ("address", "after", "per_month"),
    [
        ("aws_ebs_volume.x", {"size": 500, "type": "gp3", "iops": 6000, "throughput": 250}, "60"),
        ("aws_secretsmanager_secret.x", {"name": "s"}, "0.40"),
        ("aws_db_instance.x", {"instance_class": "db.t4g.small", "engine": "mariadb"}, "23.36"),
        ("aws_nat_gateway.x", {}, "32.85"),
        ("aws_eip.x", {}, "3.65"),
        ("aws_instance.x", {"instance_type": "t3.micro"}, "7.592"),
        ("aws_vpc_endpoint.x", {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]}, "14.6"),
        (
            "aws_efs_file_system.x",
            {"throughput_mode": "provisioned", "provisioned_throughput_in_mibps": 20},
            "120",
        ),
        (
            "aws_fsx_lustre_file_system.x",
            {"storage_capacity": 1200, "deployment_type": "SCRATCH_2"},
            "168",
        ),
    ],
)
def test_each_kind(address: str, after: dict[str, Any], per_month: str) -> None:
    cost = cost_of(created(address, **after))
    assert round(cost.after.full * 730, 6) == Decimal(per_month) and cost.after.complete


def test_what_goes_costs_before_and_what_is_let_go_goes_on() -> None:
    side = {"instance_type": "t3.micro"}
    gone = cost_of(entry("aws_instance.x", "delete", before=side, after=None))
    assert gone.before.full > gone.after.full == 0
    let_go = cost_of(entry("aws_instance.x", "forget", before=side, after=None))
    assert let_go.before == let_go.after and "out of the engine's care" in let_go.lines[0].basis


def test_without_a_region_there_is_no_cost() -> None:
    review = build_review(plan_of(), project=PROJECT)
    assert review.cost is None and review_json(review)["cost"] is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("0.00054794", "0.0005"),
        ("0.0416", "0.0416"),
        ("1.536", "1.54"),
        ("34.4", "34.4"),
        ("137.088", "137"),
        ("7183.2", "7,180"),
        ("128954", "129,000"),
    ],
)
def test_no_more_digits_are_told_than_are_sure(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text


def test_ranges_in_words() -> None:
    assert amount_text(None) == "–"
    assert amount_text(Amount(None, None)) == "not known"
    assert amount_text(Amount(Decimal(0), None)) == "0 … not known"
    assert amount_text(Amount(Decimal(1), Decimal(1))) == "1.00"


def test_own_prices_go_before_the_built_in_ones() -> None:
    own = parse_prices(
        "currency: USD\nsources: {us: {title: t, date: 2026-11-01, grade: A}}\n"
        'prices: {ec2.t3.micro: {per: hour, prices: [{region: us-east-1, usd: "9", source: us}]}}',
        source="test",
    )
    node = created("aws_instance.x", instance_type="t3.micro")
    assert cost_of(node, prices=own.over(load_prices())).after.full == 9
    assert cost_of(node, prices=PriceTable()).lines[0].unknown
