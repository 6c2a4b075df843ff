"""An engine for what needs no AWS and no Terraform."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.aws.session import Cloud
from engine.model.settings import Settings
from engine.operations.engine import Engine
from engine.operations.reporting import Silent


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """One that reaches nobody."""
    return Engine(
        settings=Settings(),
        cloud=Cloud(region="us-east-1", endpoint_url="http://127.0.0.1:9", local=True),
        now=lambda: datetime.now(UTC),
        environ={},
        home=tmp_path,
        workspaces=tmp_path,
        reporter=Silent(),
    )
