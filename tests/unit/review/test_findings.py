"""The rules, and the refusal of a plan that loses data."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from engine.errors import ClusterUpdateRefused, DataAtRisk
from engine.model.rules import Waiver
from engine.review import (
    Context,
    Finding,
    Review,
    Risk,
    build_review,
    refuse_broken_rules,
    refuse_cluster_update,
    refuse_data_loss,
)
from engine.review.outline import sections
from engine.review.summary import sentences, verdict
from tests.unit.review.plans import OWN_TAGS, PROJECT, entry, golden_plan, plan_of

LUSTRE = "module.fsx[0].aws_fsx_lustre_file_system.this"
RECORDS = "module.job_records.aws_cloudwatch_log_group.this"
STACK = "module.parallelcluster[0].aws_cloudformation_stack.this"


def reviewed(*entries: dict[str, Any]) -> Review:
    return build_review(plan_of(*entries), project=PROJECT)


def rules(review: Review) -> dict[str, Risk]:
    return {finding.rule: finding.severity for finding in review.findings}


@pytest.mark.parametrize("actions", [["delete"], ["delete", "create"], ["create", "delete"]])
@pytest.mark.parametrize(
    "resource_type",
    [
        "aws_fsx_lustre_file_system",
        "aws_s3_bucket",
        "aws_efs_file_system",
        "aws_db_instance",
        "aws_kms_key",
        "aws_dynamodb_table",
        "aws_secretsmanager_secret",
    ],
)
def test_losing_data_is_high_and_refused(resource_type: str, actions: list[str]) -> None:
    # GIVEN a plan that deletes or replaces something that holds data
    review = reviewed(entry(f"{resource_type}.this", *actions, before={"id": "x"}))
    # THEN the risk is high, and applying is refused with the address and a way out
    assert rules(review) == {"data-loss": Risk.HIGH}
    assert review.risk is Risk.HIGH
    with pytest.raises(DataAtRisk) as refused:
        refuse_data_loss(review)
    assert f"{resource_type}.this" in refused.value.message
    assert "Nothing was changed" in refused.value.hint
    assert refused.value.details["resources"][0]["type"] == resource_type
    # AND waived by its type or by its address, and by nothing else
    refuse_data_loss(review, allowed={resource_type})
    refuse_data_loss(review, allowed=[f"{resource_type}.this"])
    with pytest.raises(DataAtRisk):
        refuse_data_loss(review, allowed={"aws_subnet", f"{resource_type}.other"})


@pytest.mark.parametrize("actions", [["create"], ["update"], ["no-op"], ["forget"], ["read"]])
def test_keeping_data_is_not_refused(actions: list[str]) -> None:
    refuse_data_loss(reviewed(entry(LUSTRE, *actions, before={}, after={})))


def test_only_what_was_not_given_up_is_listed() -> None:
    review = build_review(golden_plan("destroy"), project=PROJECT)
    with pytest.raises(DataAtRisk) as refused:
        refuse_data_loss(review, allowed={"aws_fsx_lustre_file_system", "aws_secretsmanager_secret"})
    assert [r["address"] for r in refused.value.details["resources"]] == [
        "module.bucket.aws_s3_bucket.this",
        "module.efs.aws_efs_file_system.this",
    ]


def test_parking_loses_lustre_and_nothing_else() -> None:
    review = build_review(golden_plan("park"), project=PROJECT)
    refuse_data_loss(review, allowed={"aws_fsx_lustre_file_system"})
    assert rules(review) == {"data-loss": Risk.HIGH, "cluster-deleted": Risk.MEDIUM}


def test_a_replace_chain_names_its_cause() -> None:
    review = build_review(golden_plan("replace-subnet"), project=PROJECT)
    with pytest.raises(DataAtRisk, match="subnet_ids"):
        refuse_data_loss(review)


def records_kept(was: int | None, will: int | None, *, address: str = RECORDS, **context: Any) -> Review:
    sides = {"before": {"retention_in_days": was}, "after": {"retention_in_days": will}}
    plan = plan_of(entry(address, "update", **sides))
    return build_review(plan, project=PROJECT, context=Context(**context))


@pytest.mark.parametrize(("was", "will"), [(365, 30), (0, 3653), (None, 60)])
def test_keeping_records_for_fewer_days_loses_the_older_ones(was: int | None, will: int) -> None:
    # GIVEN CloudWatch, which deletes what is older than a shortened retention; 0 days are for ever
    review = records_kept(was, will)
    # THEN that is told as a loss, and refused with both ways on: to keep it, and to give it up
    assert rules(review) == {"data-loss": Risk.HIGH} and review.risk is Risk.HIGH
    assert f"older than {will} days is deleted" in review.findings[0].message
    assert verdict(review) == "It would be refused as it is: data-loss."
    assert sentences(review)[0] == "Data is lost: 1 place keeps data for fewer days."
    assert [section.title for section in sections(review)] == ["Loses data"]
    with pytest.raises(DataAtRisk, match=f"older than {will} days") as refused:
        refuse_data_loss(review)
    back = f"set job_record_retention_days back to {was} or more" if was else "back to 0 (for ever)"
    assert back in refused.value.hint and "waive data-loss" in refused.value.hint
    assert "release the project" not in refused.value.hint
    # BUT a release is not held up by it, which still loses nothing by deleting
    refuse_data_loss(review, fewer_days_allowed=True)
    with pytest.raises(DataAtRisk):
        refuse_data_loss(reviewed(entry(LUSTRE, "delete", before={}, after=None)), fewer_days_allowed=True)
    # AND another log group, which no setting of ours is known to reach, is named by its attribute
    other = records_kept(was, will, address="aws_cloudwatch_log_group.this")
    assert "set retention_in_days back" in other.findings[0].hint


def test_what_a_killed_run_made_without_its_days_is_kept_for_fewer_and_loses_nothing() -> None:
    review = records_kept(0, 365, young=frozenset({RECORDS}))
    assert rules(review) == {}
    refuse_data_loss(review)


@pytest.mark.parametrize(("was", "will"), [(30, 365), (30, 0), (30, 30), (0, 0), (30, None)])
def test_keeping_records_as_long_or_longer_loses_nothing(was: int | None, will: int | None) -> None:
    review = records_kept(was, will)
    refuse_data_loss(review)
    assert rules(review) == {} and sentences(review)[0] == "No data is lost."


def test_records_that_the_spec_gives_up_are_kept_for_fewer_days() -> None:
    waiver = Waiver.model_validate(
        {"rule": "data-loss", "reason": "nobody reads them", "until": "2026-11-28", "resource": RECORDS}
    )
    review = records_kept(365, 30, waivers=(waiver,), today=date(2026, 11, 28))
    refuse_data_loss(review)
    assert review.risk is Risk.MEDIUM and verdict(review) == "It can be applied."
    said = "Data is lost: 1 place keeps data for fewer days, 1 of them given up in the spec."
    assert sentences(review)[0] == said


def test_a_waiver_of_another_rule_gives_no_data_up() -> None:
    # GIVEN another project's bucket that would go, and a waiver of that alone
    address = "aws_s3_bucket.this"
    waiver = Waiver.model_validate(
        {"rule": "foreign-resource", "reason": "handed over", "until": "2026-11-28", "resource": address}
    )
    plan = plan_of(entry(address, "delete", before=tagged(project="proj-2")))
    context = Context(waivers=(waiver,), today=date(2026, 11, 28))
    review = build_review(plan, project=PROJECT, context=context)
    assert rules(review).keys() == {"data-loss", "foreign-resource"}
    # THEN it may be another's, and its data is kept all the same
    refuse_broken_rules(review)
    with pytest.raises(DataAtRisk, match=address):
        refuse_data_loss(review)


def test_forgetting_data_is_seen() -> None:
    assert rules(reviewed(entry(LUSTRE, "forget", before={}))) == {"data-forgotten": Risk.MEDIUM}


def test_replacing_the_cluster_is_high() -> None:
    review = build_review(golden_plan("replace-requested"), project=PROJECT)
    assert rules(review) == {"cluster-replaced": Risk.HIGH}
    assert "running jobs end" in review.findings[0].message


def stack(before: dict[str, Any], after: dict[str, Any]) -> Review:
    def template(configuration: dict[str, Any]) -> dict[str, Any]:
        properties = {"ClusterConfiguration": configuration}
        resource = {"Type": "Custom::PclusterCluster", "Properties": properties}
        return {"template_body": json.dumps({"Resources": {"Cluster": resource}})}

    return reviewed(entry(STACK, "update", before=template(before), after=template(after)))


def queue(count: int, name: str = "debug") -> dict[str, Any]:
    return {"Name": name, "ComputeResources": [{"Name": "c5", "MaxCount": count}]}


def test_raised_counts_are_changed_in_place_and_nothing_to_worry_about() -> None:
    review = stack({"Scheduling": {"SlurmQueues": [queue(8)]}}, {"Scheduling": {"SlurmQueues": [queue(16)]}})
    key = "Scheduling.SlurmQueues[debug].ComputeResources[c5].MaxCount"
    assert f"Live, while jobs run: {key}." in review.changes[0].consequence
    assert (review.findings, review.risk) == ((), Risk.LOW)


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        (
            {"Scheduling": {"SlurmQueues": [queue(8)]}},
            {"Scheduling": {"SlurmQueues": [queue(4)]}},
            Risk.MEDIUM,
        ),
        (
            {"Scheduling": {"SlurmQueues": [queue(8), queue(8, "old")]}},
            {"Scheduling": {"SlurmQueues": [queue(8)]}},
            Risk.MEDIUM,
        ),
        ({"HeadNode": {"InstanceType": "t3.medium"}}, {"HeadNode": {"InstanceType": "m7i.large"}}, Risk.HIGH),
        ({"HeadNode": {"Ssh": {"KeyName": "a"}}}, {"HeadNode": {"Ssh": {"KeyName": "b"}}}, Risk.HIGH),
        ({"Image": {"Os": "alinux2023"}}, {"Image": {"Os": "rocky9"}}, Risk.HIGH),
        (
            {"Scheduling": {"SlurmSettings": {"Dns": {"DisableManagedDns": True}}}},
            {"Scheduling": {"SlurmSettings": {"Dns": {"DisableManagedDns": False}}}},
            Risk.HIGH,
        ),
    ],
    ids=["count-lowered", "queue-removed", "head-node", "ssh-key", "image", "dns"],
)
def test_what_parallelcluster_would_refuse_is_said_before(
    before: dict[str, Any], after: dict[str, Any], severity: Risk
) -> None:
    review = stack(before, after)
    assert rules(review) == {"cluster-update": severity}
    # AND a change that is refused is not called one in place
    in_place = any("changed in place" in sentence for sentence in review.changes[0].consequence)
    assert in_place is (severity is not Risk.HIGH)


DRAIN = {"SlurmSettings": {"QueueUpdateStrategy": "DRAIN"}}


def scheduling(*queues: dict[str, Any]) -> dict[str, Any]:
    return {"Scheduling": {**DRAIN, "SlurmQueues": list(queues)}}


def refusal(review: Review, *, stopped: bool = False) -> ClusterUpdateRefused | None:
    try:
        refuse_cluster_update(review, cluster="pc-1", region="us-east-1", fleet_stopped=lambda: stopped)
    except ClusterUpdateRefused as refused:
        return refused
    return None


def test_a_count_that_falls_is_refused_until_the_fleet_is_stopped() -> None:
    # GIVEN fewer nodes, in a cluster that drains
    review = stack(scheduling(queue(8)), scheduling(queue(4)))
    # THEN it is refused with the field, the key and each way on
    refused = refusal(review)
    assert refused is not None and refused.code == "CLUSTER_UPDATE_REFUSED"
    assert "compute.max_nodes" in refused.message
    assert "SlurmQueues[debug].ComputeResources[c5].MaxCount" in refused.message
    for said in ("Nothing was changed", "--cluster-name pc-1", "STOP_REQUESTED", "TERMINATE"):
        assert said in refused.hint
    assert refused.details["changes"][0]["need"] == "terminate"
    # AND a stopped fleet lets it through
    assert refusal(review, stopped=True) is None


def test_a_change_that_drains_goes_through_and_is_told() -> None:
    review = stack(
        scheduling(queue(8) | {"CapacityType": "ONDEMAND"}), scheduling(queue(8) | {"CapacityType": "SPOT"})
    )
    assert refusal(review) is None
    assert review.findings == ()
    said = "Running jobs finish first, then their nodes are made anew: Scheduling.SlurmQueues[debug]"
    assert any(sentence.startswith(said) for sentence in review.changes[0].consequence)


def test_what_only_a_new_cluster_can_have_is_refused_whatever_the_fleet_does() -> None:
    def asked() -> bool:
        raise AssertionError("the fleet can't decide it")

    review = stack({"HeadNode": {"InstanceType": "t3.medium"}}, {"HeadNode": {"InstanceType": "m7i.large"}})
    with pytest.raises(ClusterUpdateRefused, match=r"head_node\.instance_type") as refused:
        refuse_cluster_update(review, cluster="pc-1", region="us-east-1", fleet_stopped=asked)
    assert "release the project and apply again" in refused.value.hint


def test_another_script_of_the_head_node_is_refused() -> None:
    def head(script: str) -> dict[str, Any]:
        return {"HeadNode": {"CustomActions": {"OnNodeConfigured": {"Script": script}}}}

    review = stack(head("s3://b/1"), head("s3://b/2"))
    assert [one.need.value for one in review.cluster_updates] == ["new-cluster"]
    assert refusal(review) is not None


def test_what_goes_live_is_not_held_up() -> None:
    review = stack(scheduling(queue(8)), scheduling(queue(16), queue(4, "more")))
    assert refusal(review) is None
    assert {one.need.value for one in review.cluster_updates} == {"live"}


def test_a_name_or_provider_that_changes_is_refused() -> None:
    def named(name: str) -> dict[str, Any]:
        properties = {"ClusterName": name, "ClusterConfiguration": {"Region": "us-east-1"}}
        resource = {"Type": "Custom::PclusterCluster", "Properties": properties}
        return {"template_body": json.dumps({"Resources": {"Cluster": resource}})}

    review = reviewed(entry(STACK, "update", before=named("one"), after=named("two")))
    assert [one.key for one in review.cluster_updates] == ["ClusterName"]
    assert refusal(review, stopped=True) is not None


USER = {"name": "sim", "uid": 2000, "group": "project", "gid": 2000}
NODE_CONFIG = "module.node_scripts[0].aws_s3_object.config"


def nodes(change: dict[str, Any], key: str = "nodes/pc-1/node.json") -> dict[str, Any]:
    """The object that holds the node configuration, with one of its sections changed."""
    config = {
        "user": USER,
        "storage": {"kind": "efs", "data_directory": "/data"},
        "rest": {"port": 8082},
    }
    sides = (config, {**config, **change})
    before, after = ({"key": key, "content": json.dumps(side)} for side in sides)
    return entry(NODE_CONFIG, "update", before=before, after=after)


@pytest.mark.parametrize("action", ["update", "no-op"])
@pytest.mark.parametrize(
    ("change", "field", "place"),
    [
        ({"storage": {"kind": "lustre", "data_directory": "/data"}}, "storage.kind", "storage.kind"),
        ({"user": {**USER, "name": "flow"}}, "setting user_name", "user.name"),
        ({"user": {**USER, "uid": 4711}}, "setting user_uid", "user.uid"),
        ({"user": {**USER, "group": "lab"}}, "setting user_group", "user.group"),
        ({"user": {**USER, "gid": 4711}}, "setting user_gid", "user.gid"),
    ],
)
def test_what_nodes_are_made_with_is_refused_in_a_running_cluster(
    action: str, change: dict[str, Any], field: str, place: str
) -> None:
    # GIVEN a cluster that stays, and whose configuration may not be known before the apply
    hidden = {"template_body": "{}"}
    review = reviewed(entry(STACK, action, before=hidden, after=hidden), nodes(change))
    # THEN that is refused whatever the fleet does, by the field, with the way on
    refused = refusal(review, stopped=True)
    assert refused is not None and refused.code == "CLUSTER_UPDATE_REFUSED"
    assert f"{field} (node.json: {place}): Refused by this engine" in refused.message
    assert "release the project and apply again" in refused.hint
    # AND of an id that the home does not have, it says what will come of it
    assert ("home directories keep the old user id" in refused.hint) is (place == "user.uid")
    assert rules(review) == {"cluster-update": Risk.HIGH}


@pytest.mark.parametrize("actions", [["create"], ["delete"], ["delete", "create"], []])
def test_a_new_cluster_is_made_with_anything(actions: list[str]) -> None:
    # GIVEN no cluster that stays: none yet, one that goes, or one that failed
    clusters = [entry(STACK, *actions, before={}, after={})] if actions else []
    review = reviewed(*clusters, nodes({"storage": {"kind": "lustre"}}))
    assert refusal(review) is None


def test_what_else_nodes_are_told_is_not_held_up() -> None:
    cluster = entry(STACK, "no-op", before={}, after={})
    assert refusal(reviewed(cluster, nodes({"rest": None}))) is None
    # AND another object is no node configuration
    assert refusal(reviewed(cluster, nodes({"storage": {"kind": "lustre"}}, key="private/x.json"))) is None
    # AND neither is one that an older engine wrote, without what a newer one adds
    assert refusal(reviewed(cluster, nodes({"storage": {}}))) is None


def test_numbers_that_cloudformation_turned_into_text_are_still_compared() -> None:
    review = stack(
        {
            "Scheduling": {
                "SlurmQueues": [{"Name": "d", "ComputeResources": [{"Name": "c", "MaxCount": "9"}]}]
            }
        },
        {
            "Scheduling": {
                "SlurmQueues": [{"Name": "d", "ComputeResources": [{"Name": "c", "MaxCount": "10"}]}]
            }
        },
    )
    assert review.findings == ()


def test_a_stack_of_something_else_is_no_cluster() -> None:
    review = reviewed(entry("aws_cloudformation_stack.other", "delete", before={"template_body": "{}"}))
    assert review.changes[0].kind == "aws_cloudformation_stack"
    assert review.findings == ()


def test_a_cluster_change_that_can_not_be_seen_is_said() -> None:
    review = build_review(golden_plan("replace-subnet"), project=PROJECT)
    assert rules(review)["hidden-change"] is Risk.MEDIUM
    (cluster,) = [change for change in review.changes if change.kind == "cluster"]
    assert cluster.consequence == ()


@pytest.mark.parametrize(
    ("address", "before", "after"),
    [
        ("aws_s3_bucket.this", {"force_destroy": False}, {"force_destroy": True}),
        ("aws_db_instance.this", {"deletion_protection": True}, {"deletion_protection": False}),
        (
            "aws_s3_bucket_versioning.this",
            {"versioning_configuration": [{"status": "Enabled"}]},
            {"versioning_configuration": [{"status": "Suspended"}]},
        ),
    ],
)
def test_taking_a_protection_away_is_seen(
    address: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert rules(reviewed(entry(address, "update", before=before, after=after))) == {
        "protection-removed": Risk.MEDIUM
    }
    assert rules(reviewed(entry(address, "update", before=after, after=before))) == {}


def tagged(**changed: str) -> dict[str, Any]:
    return {"id": "x", "tags_all": {**OWN_TAGS, **{f"provisioner:{k}": v for k, v in changed.items()}}}


@pytest.mark.parametrize(
    ("actions", "before", "after", "expected"),
    [
        (["create"], None, tagged(), {}),
        (["create"], None, tagged(project="proj-2"), {"foreign-resource": Risk.HIGH}),
        (["create"], None, tagged(vlab="lab-2"), {"foreign-resource": Risk.HIGH}),
        (["update"], tagged(project="proj-2"), tagged(), {"foreign-resource": Risk.HIGH}),
        (["delete"], tagged(project="proj-2"), None, {"foreign-resource": Risk.HIGH}),
        (["create"], None, {"tags_all": {}}, {"missing-tags": Risk.MEDIUM}),
        (["create"], None, {"tags_all": None}, {"missing-tags": Risk.MEDIUM}),
        (["create"], None, {"tags_all": {"provisioner:vlab": "lab-1"}}, {"missing-tags": Risk.MEDIUM}),
        (["create"], None, {"id": "not taggable"}, {}),
        (["no-op"], tagged(project="proj-2"), tagged(project="proj-2"), {}),
    ],
)
def test_the_projects_tags(actions: list[str], before: Any, after: Any, expected: dict[str, Risk]) -> None:
    assert rules(reviewed(entry("aws_subnet.this", *actions, before=before, after=after))) == expected


def test_an_object_whose_project_has_more_tags_than_it_takes_is_no_finding() -> None:
    own = {"tags_all": {"Name": "pc-x-node-config", "provisioner:address": "module.node_scripts.0"}}
    assert rules(reviewed(entry("aws_s3_object.config", "create", before=None, after=own))) == {}


def test_tags_that_are_not_known_yet_are_not_guessed() -> None:
    planned = entry("aws_subnet.this", "create", after={}, after_unknown={"tags_all": True})
    assert reviewed(planned).findings == ()


def test_findings_come_gravest_first() -> None:
    severities = [f.severity for f in build_review(golden_plan("park"), project=PROJECT).findings]
    assert severities == sorted(severities, key=lambda risk: -risk.rank)


def test_every_finding_has_a_next_step() -> None:
    for name in ("park", "foreign", "lower-counts", "replace-subnet", "errored", "unprotect"):
        findings: tuple[Finding, ...] = build_review(golden_plan(name), project=PROJECT).findings
        assert findings
        assert all(finding.hint and finding.message for finding in findings)
