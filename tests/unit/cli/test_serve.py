"""`provisioner serve` says what it lacks before it starts anything; workers get all settings but the keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.invocation import Invocation
from engine.cli.main import run
from engine.cli.serve import _workers_environment
from engine.operations.installation import read_settings


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROVISIONER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_without_keys_nobody_could_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "caller")
    assert run(["serve"]) == 3
    told = capsys.readouterr().err
    assert "AWS_SECRET_ACCESS_KEY: is not set" in told and "AWS_ACCESS_KEY_ID:" not in told
    assert not list(tmp_path.iterdir()), "no local cloud was started"


def test_a_real_account_has_a_service_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--cloud", "aws", "serve"]) == 3
    assert "local cloud only" in capsys.readouterr().err


def test_workers_get_every_setting_that_was_given_and_no_key(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("user_name: ada\naddress_ranges: [10.44.0.0/16, 10.45.0.0/16]\n")
    environ = {
        "PATH": "/bin",
        "AWS_ACCESS_KEY_ID": "caller",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "PROVISIONER_EVENT_BUS": "default",
    }
    invocation = Invocation(str(tmp_path / "mine.yaml"), {"slurm_rest_port": "8083"}, environ)
    settings = invocation.settings.model_copy(update={"endpoint_url": "http://127.0.0.1:5000"})
    told = _workers_environment(invocation, settings)
    assert "secret" not in str(told) and told["PATH"] == "/bin"
    assert read_settings(environ=told).settings == settings
