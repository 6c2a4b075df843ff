from __future__ import annotations

import pytest

from engine.local.durations import INSTANT, Durations


def test_some_can_be_changed_and_the_rest_stays():
    changed = Durations.from_json('{"fsx_create_s": 0.5}')
    assert changed.fsx_create_s == 0.5
    assert changed.cluster_create_s == Durations().cluster_create_s
    assert Durations.from_json(changed.to_json()) == changed
    assert INSTANT.cluster_create_s == 0


@pytest.mark.parametrize(
    "text", ['{"no_such_s": 1}', '{"fsx_create_s": -1}', '{"fsx_create_s": "1"}', "[]", "{"]
)
def test_bad_ones_are_refused(text):
    with pytest.raises(ValueError):
        Durations.from_json(text)
