"""The rules of the installation, one by one: what breaks each, and what does not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import DataAtRisk, RuleBroken
from engine.model.rules import Policy, Waiver, load_rules
from engine.review import (
    Context,
    Review,
    Risk,
    build_review,
    refuse_broken_rules,
    refuse_data_loss,
    render_markdown,
    render_text,
)
from engine.review.context import LabUse
from tests.unit.review import collection
from tests.unit.review.plans import OWN_TAGS, PROJECT, entry, plan_of

TODAY = date(2026, 11, 28)
BUCKET = "aws_s3_bucket.this"


def review_of(*entries: dict[str, Any], **context: Any) -> Review:
    return build_review(plan_of(*entries), project=PROJECT, context=Context(today=TODAY, **context))


def rules_of(review: Review) -> list[str]:
    return [finding.rule for finding in review.findings]


def created(address: str, **after: Any) -> dict[str, Any]:
    return entry(address, "create", before=None, after={"tags_all": OWN_TAGS, **after})


def everybody(**more: Any) -> str:
    import json

    return json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", **more}]})


CLOSED = dict.fromkeys(
    ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"), True
)


@pytest.mark.parametrize(
    ("address", "after"),
    [
        ("aws_s3_bucket_public_access_block.this", {**CLOSED, "block_public_acls": False}),
        *(("aws_s3_bucket_public_access_block.this", {**CLOSED, flag: None}) for flag in CLOSED),
        ("aws_s3_bucket_public_access_block.this", {}),
        ("aws_s3_bucket_acl.this", {"acl": "public-read"}),
        ("aws_db_instance.this", {"publicly_accessible": True}),
        ("aws_subnet.this", {"map_public_ip_on_launch": True}),
        ("aws_instance.this", {"associate_public_ip_address": True}),
        ("aws_eip.this", {}),
        ("aws_internet_gateway.this", {}),
        ("aws_lb.this", {"internal": False}),
        ("aws_vpc_security_group_ingress_rule.this", {"cidr_ipv4": "0.0.0.0/0"}),
        ("aws_vpc_security_group_ingress_rule.this", {"cidr_ipv4": "8.8.8.0/24"}),
        ("aws_vpc_security_group_ingress_rule.this", {"cidr_ipv4": "10.0.0.0/7"}),
        ("aws_vpc_security_group_ingress_rule.this", {"cidr_ipv6": "::/0"}),
        ("aws_security_group_rule.this", {"type": "ingress", "cidr_blocks": ["0.0.0.0/0"]}),
        ("aws_security_group_rule.this", {"type": "ingress", "ipv6_cidr_blocks": ["::/0"]}),
        ("aws_security_group.this", {"ingress": [{"cidr_blocks": ["0.0.0.0/0"]}]}),
        ("aws_security_group.this", {"ingress": [{"ipv6_cidr_blocks": ["fd00::/8", "2001:db8::/32"]}]}),
        ("aws_s3_bucket_policy.this", {"policy": everybody()}),
        ("aws_secretsmanager_secret_policy.this", {"policy": everybody(Principal={"AWS": ["*"]})}),
        ("aws_iam_role.this", {"assume_role_policy": everybody()}),
    ],
)
def test_what_is_open_to_the_internet_is_refused(address: str, after: dict[str, Any]) -> None:
    review = review_of(created(address, **after))
    assert "public-access" in rules_of(review)
    assert review.risk is Risk.HIGH
    with pytest.raises(RuleBroken, match="public-access"):
        refuse_broken_rules(review)


@pytest.mark.parametrize(
    ("address", "after"),
    [
        ("aws_s3_bucket_public_access_block.this", CLOSED),
        ("aws_s3_bucket_acl.this", {"acl": "private"}),
        ("aws_lb.this", {"internal": True}),
        ("aws_vpc_security_group_ingress_rule.this", {"cidr_ipv4": "10.42.0.0/16"}),
        ("aws_vpc_security_group_ingress_rule.this", {"cidr_ipv4": "100.64.0.0/16"}),
        ("aws_vpc_security_group_ingress_rule.this", {"cidr_ipv6": "fc00::/8"}),
        ("aws_vpc_security_group_ingress_rule.this", {"referenced_security_group_id": "sg-1"}),
        ("aws_vpc_security_group_egress_rule.this", {"cidr_ipv4": "0.0.0.0/0"}),
        ("aws_security_group_rule.this", {"type": "egress", "cidr_blocks": ["0.0.0.0/0"]}),
        ("aws_s3_bucket_policy.this", {"policy": everybody(Effect="Deny")}),
        ("aws_s3_bucket_policy.this", {"policy": everybody(Condition={"StringEquals": {"a": "b"}})}),
        ("aws_s3_bucket_policy.this", {"policy": "no JSON"}),
    ],
)
def test_what_is_closed_is_not(address: str, after: dict[str, Any]) -> None:
    review = review_of(created(address, **after))
    assert rules_of(review) == []
    refuse_broken_rules(review)


def test_an_open_cluster_is_refused() -> None:
    # GIVEN a cluster whose head node and queue would have addresses of the Internet
    configuration = {
        "HeadNode": {
            "InstanceType": "t3.medium",
            "Networking": {"ElasticIp": True},
            "Ssh": {"AllowedIps": "0.0.0.0/0"},
        },
        "Scheduling": {"SlurmQueues": [{"Name": "q", "Networking": {"AssignPublicIp": True}}]},
    }
    review = review_of(cluster(), configuration=configuration)
    assert rules_of(review).count("public-access") == 3


def cluster() -> dict[str, Any]:
    return entry(
        "module.parallelcluster[0].aws_cloudformation_stack.this",
        "create",
        before=None,
        after={"tags_all": OWN_TAGS},
        after_unknown={"template_body": True},
    )


def test_a_name_of_somebody_else_is_refused() -> None:
    names = ("pc-1234-lab-1-proj-1-abcdefghij", "somebodys-bucket")
    found = [rules_of(review_of(created(BUCKET, bucket=n), own_name="abcdefghij")) for n in names]
    assert found == [[], ["foreign-name"]]


def test_what_is_deleted_or_let_go_breaks_no_rule_of_names() -> None:
    for action in ("delete", "forget"):
        gone = entry(BUCKET, action, before={"bucket": "other", "tags_all": OWN_TAGS}, after=None)
        assert "foreign-name" not in rules_of(review_of(gone, own_name="abcdefghij"))


def test_required_tags() -> None:
    policy = Policy(required_tags=("cost-center",))
    assert rules_of(review_of(created(BUCKET), policy=policy)) == ["required-tags"]
    tagged = created(BUCKET) | {}
    tagged["change"]["after"]["tags_all"] = {**OWN_TAGS, "cost-center": "4711"}
    assert rules_of(review_of(tagged, policy=policy)) == []
    # AND one that is empty is none
    tagged["change"]["after"]["tags_all"]["cost-center"] = ""
    assert rules_of(review_of(tagged, policy=policy)) == ["required-tags"]
    # AND an object that has no room for them: its bucket is in the bills, and has them
    assert rules_of(review_of(created("aws_s3_object.config"), policy=policy)) == []
    # AND what can't have tags needs none
    plain = entry("aws_s3_bucket_policy.this", "create", before=None, after={"policy": "{}"})
    assert rules_of(review_of(plain, policy=policy)) == []


def review_with(policy: Policy, others: LabUse | None = None, *, plan: str = "create-queues") -> Review:
    """create-queues: m7i.xlarge, 16 c7i.48xlarge, 50 spot nodes, 2 to 4 c7a.48xlarge."""
    from dataclasses import replace

    context = replace(collection.context(plan, policy), others=others or LabUse())
    return build_review(collection.plan(plan), project=PROJECT, context=context)


def test_instance_types() -> None:
    assert rules_of(review_with(Policy(allowed_instance_types=("m*", "c7?.48xlarge")))) == []
    review = review_with(Policy(allowed_instance_types=("m7i.*", "c7i.48xlarge")))
    (finding,) = review.findings
    assert finding.rule == "instance-type" and "m6i.2xlarge, c7a.48xlarge" in finding.message
    # AND one beside the cluster counts
    policy = Policy(allowed_instance_types=("t3.*",))
    assert rules_of(review_of(created("aws_instance.this", instance_type="t3.micro"), policy=policy)) == []
    review = review_of(created("aws_instance.this", instance_type="p5.48xlarge"), policy=policy)
    assert rules_of(review) == ["instance-type"]


def test_clusters_of_the_lab() -> None:
    assert rules_of(review_with(Policy(max_clusters=2), LabUse(clusters=1))) == []
    assert rules_of(review_with(Policy(max_clusters=2), LabUse(clusters=2))) == ["lab-clusters"]


def test_vcpus_of_the_lab() -> None:
    # GIVEN the head node's 4, 16 × 192, 50 × 8 and 4 × 192 vCPUs
    total = 4 + 16 * 192 + 50 * 8 + 4 * 192
    assert rules_of(review_with(Policy(max_vcpus=total))) == []
    assert rules_of(review_with(Policy(max_vcpus=total), LabUse(vcpus=1))) == ["lab-vcpus"]
    # AND what is not known is said, and not guessed
    assert rules_of(review_with(Policy(max_vcpus=total), LabUse(vcpus_known=False))) == ["lab-unchecked"]


def test_cost_of_the_lab() -> None:
    # GIVEN 16 × 8.568 and 4 × 9.85344 USD per hour and disks; the rest has no price in the table
    assert rules_of(review_with(Policy(max_usd_per_hour=1000))) == ["lab-unchecked"]
    assert rules_of(review_with(Policy(max_usd_per_hour=176))) == ["lab-cost"]
    others = LabUse(usd_per_hour=Decimal(900))
    assert rules_of(review_with(Policy(max_usd_per_hour=1000), others)) == ["lab-cost"]


def test_a_cost_that_is_known_is_held_against_the_limit_to_the_last_cent() -> None:
    # GIVEN a cluster all of which has a price
    limit, cost = Policy(max_usd_per_hour=1), collection.review("create-efs").cost
    assert cost is not None and cost.after.complete and cost.after.full is not None
    left = 1 - cost.after.full

    def judged(**others: Any) -> list[str]:
        return rules_of(review_with(limit, LabUse(**others), plan="create-efs"))

    # THEN it may come to the limit, and not beyond
    assert judged(usd_per_hour=left) == []
    assert judged(usd_per_hour=left + Decimal("0.01")) == ["lab-cost"]
    # AND what others cost and nobody knows is said
    assert judged(usd_per_hour=left, cost_known=False) == ["lab-unchecked"]


def test_limits_do_not_hold_a_park_up() -> None:
    context = collection.context("more-nodes", Policy(max_clusters=1, max_vcpus=1, max_usd_per_hour=1))
    review = build_review(collection.plan("park"), project=PROJECT, context=context)
    assert not [rule for rule in rules_of(review) if rule.startswith("lab-")]


def losing() -> dict[str, Any]:
    return entry(BUCKET, "delete", before={"bucket": "b", "tags_all": OWN_TAGS}, after=None)


def waiver(until: str = "2026-11-28", **more: Any) -> Waiver:
    return Waiver.model_validate({"rule": "data-loss", "reason": "given up by ada", "until": until, **more})


def test_a_waiver_lets_data_go_and_every_report_says_so() -> None:
    review = review_of(losing(), waivers=(waiver(),))
    refuse_data_loss(review)
    assert review.risk is Risk.MEDIUM and review.risk_reasons == ("data-loss (waived)",)
    assert "Waived: given up by ada (until 2026-11-28)" in render_text(review)
    assert "given up by ada" in render_markdown(review)


@pytest.mark.parametrize(
    "other", [waiver("2026-11-27"), waiver(resource="aws_s3_bucket.other"), waiver(rule="public-access")]
)
def test_a_waiver_that_ran_out_or_is_about_something_else_does_not(other: Waiver) -> None:
    review = review_of(losing(), waivers=(other,))
    with pytest.raises(DataAtRisk):
        refuse_data_loss(review)
    assert ("waiver-expired" in rules_of(review)) is (other.until < "2026-11-28")


def test_without_a_day_no_waiver_holds() -> None:
    review = build_review(plan_of(losing()), project=PROJECT, context=Context(waivers=(waiver(),)))
    with pytest.raises(DataAtRisk):
        refuse_data_loss(review)


def test_the_refusal_says_which_rule_where_and_what_to_do() -> None:
    review = review_of(created("aws_eip.this"))
    with pytest.raises(RuleBroken) as raised:
        refuse_broken_rules(review)
    error = raised.value
    assert error.code == "RULE_BROKEN" and PROJECT in error.message and "aws_eip.this" in error.message
    assert "waivers" in error.hint
    assert error.details["rules"][0]["rule"] == "public-access"


def test_every_rule_is_in_the_table_of_the_documentation() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs" / "review.md").read_text("utf-8")
    for rule in load_rules().values():
        refuses = f"`{rule.refuses}`" if rule.refuses else "no"
        waivable = "yes" if rule.waivable else "no"
        row = f"| `{rule.name}` | {rule.says} | {rule.severity} | {refuses} | {waivable} |"
        assert row in page, row
