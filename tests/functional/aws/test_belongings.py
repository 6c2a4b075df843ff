"""What belongs to projects: one question for the tags of thousands, and none of what it says is acted on."""

from __future__ import annotations

from typing import Any

import pytest

from engine.aws import belongings
from engine.aws.belongings import list_belongings
from engine.aws.session import Cloud
from engine.model import tags
from tests.functional.aws.conftest import ACCOUNT, REGION


def tags_of(project: str) -> dict[str, str]:
    return {tags.MANAGED_BY: tags.ENGINE, tags.VLAB: "lab", tags.PROJECT: project}


def make(cloud: Cloud, project: str) -> tuple[str, str]:
    client: Any = cloud.logs
    group, bucket = f"/provisioner/pc-lab-{project}/jobs", f"pc-{ACCOUNT}-lab-{project}"
    client.create_log_group(logGroupName=group, tags=tags_of(project))
    make_bucket(cloud, bucket, tags_of(project))
    return group, bucket


def make_bucket(cloud: Cloud, name: str, tagged: dict[str, str]) -> None:
    cloud.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})  # type: ignore[typeddict-item]
    pairs: Any = [{"Key": key, "Value": value} for key, value in tagged.items()]
    cloud.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs})


def listed(cloud: Cloud, **only: Any) -> list[tuple[str, str]]:
    return [(one.project, one.id) for one in list_belongings(cloud, account_id=ACCOUNT, **only)]


def test_tags_of_many_are_asked_for_at_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {f"p{number}": make(cloud, f"p{number}") for number in range(12)}
    expected = sorted((f"lab/{project}", name) for project, both in made.items() for name in both)
    asked: list[str] = []
    for client, call in ((cloud.logs, "ListTagsForResource"), (cloud.s3, "GetBucketTagging")):
        event = f"before-call.{'logs' if client is cloud.logs else 's3'}.{call}"
        client.meta.events.register(event, lambda model, **_: asked.append(model.name))  # type: ignore[union-attr]

    assert sorted(listed(cloud)) == expected
    assert asked == []

    # WHEN some are about to be deleted THEN each is asked itself
    assert listed(cloud, named=made["p3"]) == [("lab/p3", name) for name in made["p3"]]
    assert sorted(asked) == ["GetBucketTagging", "ListTagsForResource"]

    # WHEN the index does not know of them yet THEN they are found all the same
    monkeypatch.setattr(belongings, "carriers", lambda *_, **__: {})
    assert sorted(listed(cloud)) == expected


def test_a_bucket_that_a_project_took_over_is_known_by_the_index_alone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bucket(cloud, "genomics-2019", tags_of("p"))
    make_bucket(cloud, "payroll", {"team": "finance"})
    assert listed(cloud) == [("lab/p", "genomics-2019")]
    # WHEN the index still names one that is gone THEN it is not listed
    monkeypatch.setattr(
        belongings, "carriers", lambda *_, **__: {"genomics-2019": tags_of("p"), "x": tags_of("p")}
    )
    assert listed(cloud) == [("lab/p", "genomics-2019")]
    # AND what is deleted goes by the names of projects
    assert listed(cloud, named=["genomics-2019"]) == []
