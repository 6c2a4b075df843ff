"""Tracing is off, and costs nothing, until it is asked for."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from engine.service.tracing import span
with span("api", enabled={enabled}, path="/v1/version"):
    pass
print(any(name.startswith("aws_xray_sdk") for name in sys.modules))
"""


def imports_the_sdk(*, enabled: bool) -> str:
    code = CODE.format(enabled=enabled)
    return (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.decode().strip()
    )


def test_without_the_setting_nothing_is_imported() -> None:
    assert imports_the_sdk(enabled=False) == "False"


def test_with_the_setting_there_is_a_subsegment() -> None:
    assert imports_the_sdk(enabled=True) == "True"
