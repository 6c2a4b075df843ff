"""The prices of an installation, and the command that asks for them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from engine.cli.console import write_text
from engine.cli.invocation import Invocation
from engine.cli.main import run
from engine.errors import InvalidSettings
from engine.model.prices import load_prices

OWN = (
    "currency: USD\nsources: {us: {title: ours, date: 2026-11-01, grade: A}}\n"
    'prices: {secret: {per: month, prices: [{region: us-east-1, usd: "9", source: us}]}}'
)


def test_the_settings_file_goes_before_the_built_in_table(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(OWN, "utf-8")
    prices = Invocation(None, {"prices": str(tmp_path / "prices.yaml")}, {}).prices
    found = prices.find("secret", "us-east-1")
    assert found is not None and found.usd == 9
    assert prices.find("ec2.t3.micro", "us-east-1") == load_prices().find("ec2.t3.micro", "us-east-1")
    assert Invocation(None, {}, {}).prices is load_prices()


def test_a_file_that_is_not_there_is_told_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="flag --prices"):
        _ = Invocation(None, {"prices": str(tmp_path / "none.yaml")}, {}).prices


def test_the_local_cloud_has_no_prices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "prices.yaml"
    assert run(["--cloud", "local", "prices", "--out", str(out)]) == 3
    assert "--cloud aws" in capsys.readouterr().err and not out.exists()


def test_a_file_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(click.FileError, match=r"no such file"):
        write_text(tmp_path / "no" / "page.html", "text")
