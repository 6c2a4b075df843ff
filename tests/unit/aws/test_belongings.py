"""How what belongs to nobody is deleted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from engine.aws import belongings

HOME = belongings.Belonging(
    kind="aws_efs_file_system",
    id="fs-1",
    name="home",
    vlab_id="lab-1",
    project_id="proj-1",
    address="",
    made_at=None,
)


@pytest.mark.parametrize(("state", "asked"), [("available", 1), ("deleting", 0)])
def test_a_mount_target_that_is_going_is_waited_for_and_not_asked_again(state: str, asked: int) -> None:
    efs = Mock()
    target = {"MountTargetId": "fsmt-1", "LifeCycleState": state}
    efs.describe_mount_targets.side_effect = [{"MountTargets": [target]}] * 2 + [{"MountTargets": []}]
    cloud: Any = SimpleNamespace(efs=efs, local=True)
    belongings.delete(cloud, HOME, account_id="123456789012")
    assert efs.delete_mount_target.call_count == asked
    efs.delete_file_system.assert_called_once_with(FileSystemId="fs-1")
