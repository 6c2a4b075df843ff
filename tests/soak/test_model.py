"""The soak's model, by itself: what it expects follows from what was fulfilled."""

from __future__ import annotations

import random
from collections import Counter

from tests.soak.model import Is, Model, Project, Wishes, differences, kinds


def test_what_is_expected_follows_from_what_was_fulfilled() -> None:
    chance = random.Random(1)
    model = Model([Project("lab", f"p-{number}") for number in range(5)])
    ready, parked = Counter({"s3:bucket": 1, "ec2:subnet": 1}), Counter({"s3:bucket": 1})
    for _ in range(500):
        project = chance.choice(model.projects)
        wish = model.choose(chance, project)
        before = project.state
        model.fulfil(project, wish)
        # Only what is parked goes, and only a release parks.
        assert wish is not Wishes.PURGE or before is Is.PARKED
        assert (project.state is Is.PARKED) == (wish is Wishes.RELEASE)

    states = Counter(project.state for project in model.projects)
    total = model.expected(ready, parked)
    assert total["ec2:subnet"] == states[Is.READY]
    assert total["s3:bucket"] == states[Is.READY] + states[Is.PARKED]
    # Whatever was made from nothing is there still, or was purged.
    assert model.made == states[Is.READY] + states[Is.PARKED] + model.fulfilled[Wishes.PURGE]
    assert model.expected_calls()["cloudformation:CreateStack"] == model.brought_up
    assert model.brought_up == model.fulfilled[Wishes.PROVISION] > model.made


def test_what_differs_is_told() -> None:
    assert differences({"a": 1, "b": 2}, {"b": 2, "c": 1}) == ["a: 0, not 1", "c: 1, not 0"]
    item = {"service": "s3", "type": "bucket", "seeded": False}
    assert kinds([item, item | {"seeded": True}, item | {"type": "object"}]) == {"s3:bucket": 1}
