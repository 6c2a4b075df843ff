"""Rendering is left out for what stands already, and for nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.model.settings import Settings
from engine.model.tiers import load_catalogue
from engine.operations import rendering
from engine.operations.rendering import fingerprint, remember, rendered
from tests.golden.project_specs import spec_of

TEXTS = {"main.tf.json": "{}\n", "spec.json": "ü\n", ".terraform.lock.hcl": "# locked\n"}
TIER = load_catalogue()[0]
ALIKE: dict[str, Any] = {
    "spec": spec_of(),
    "settings": Settings(),
    "tier": TIER,
    "subnet_cidr": "10.42.64.0/24",
    "presence": "running",
}


def key(**changed: Any) -> str:
    values = {**ALIKE, **changed}
    return fingerprint(
        values["spec"],
        values["settings"],
        values["tier"],
        subnet_cidr=values["subnet_cidr"],
        presence=values["presence"],
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace that was rendered and written."""
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, "utf-8")
    remember(tmp_path, "key", TEXTS)
    return tmp_path


def renders(folder: Path, key: str = "key") -> bool:
    """Whether rendering takes place; the texts are the right ones in either case."""
    calls = []

    def render() -> dict[str, str]:
        calls.append(1)
        return dict(TEXTS)

    assert rendered(folder, key, render) == TEXTS
    return bool(calls)


def test_what_stands_is_not_rendered_again(folder: Path) -> None:
    assert not renders(folder)
    before = (folder / ".terraform/provisioner-render.json").stat().st_mtime_ns
    remember(folder, "key", TEXTS)
    assert (folder / ".terraform/provisioner-render.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "main.tf.json").write_text("{ }\n"),
        lambda folder: (folder / "spec.json").unlink(),
        lambda folder: (folder / "spec.json").write_bytes(b"\xff"),
        lambda folder: (folder / ".terraform/provisioner-render.json").unlink(),
        lambda folder: (folder / ".terraform/provisioner-render.json").write_text("[]"),
        lambda folder: (folder / ".terraform/provisioner-render.json").write_text('{"fingerprint": "key"}'),
        lambda folder: (folder / ".terraform/provisioner-render.json").write_text("{"),
    ],
    ids=["changed by hand", "gone", "no text", "no record", "a list", "half a record", "torn"],
)
def test_what_was_changed_is_rendered_again(folder: Path, spoil: Callable[[Path], object]) -> None:
    spoil(folder)
    assert renders(folder)


def test_another_fingerprint_is_rendered(folder: Path) -> None:
    assert renders(folder, "another")


def test_a_new_folder_is_rendered(tmp_path: Path) -> None:
    assert renders(tmp_path / "new")


CHANGES: dict[str, dict[str, Any]] = {
    "the spec": {"spec": spec_of(owner="somebody-else")},
    "another project": {"spec": spec_of(project_id="another")},
    "a setting": {"settings": Settings(log_retention_days=30)},
    "the account, and so the names": {"settings": Settings(account_id="210987654321")},
    "another tier": {"tier": load_catalogue()[1]},
    "something in the tier": {"tier": TIER.model_copy(update={"description": "Another one."})},
    "the address block": {"subnet_cidr": "10.42.65.0/24"},
    "no address block": {"subnet_cidr": None},
    "the presence": {"presence": "parked"},
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_has_a_say_changes_the_fingerprint(changed: dict[str, Any]) -> None:
    assert key() == key()
    assert key(**changed) != key()


class TestCode:
    """Of the engine's own code and of the libraries it renders with."""

    @pytest.fixture(autouse=True)
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for part in ("model", "workspace"):
            (tmp_path / part / "templates").mkdir(parents=True)
            (tmp_path / part / "code.py").write_text("1")
            (tmp_path / part / "templates" / "text.j2").write_text("1")
        monkeypatch.setattr(rendering.engine, "__file__", str(tmp_path / "__init__.py"))
        return tmp_path

    def now(self) -> str:
        rendering._code.cache_clear()
        return rendering._code()

    @pytest.fixture(autouse=True)
    def forgotten(self) -> Any:
        yield
        rendering._code.cache_clear()

    @pytest.mark.parametrize("path", ["model/code.py", "workspace/code.py", "workspace/templates/text.j2"])
    def test_a_file(self, package: Path, path: str) -> None:
        before = self.now()
        assert self.now() == before
        (package / path).write_text("2")
        assert self.now() != before

    def test_a_new_file(self, package: Path) -> None:
        before = self.now()
        (package / "model" / "more.py").write_text("")
        assert self.now() != before

    def test_the_engines_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = self.now()
        monkeypatch.setattr(rendering.engine, "__version__", "99")
        assert self.now() != before

    def test_a_librarys_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = self.now()
        monkeypatch.setattr(rendering, "version", lambda name: "99" if name == "cdktf" else "1")
        assert self.now() != before


def test_the_record_names_what_it_is_of(folder: Path) -> None:
    record = json.loads((folder / ".terraform/provisioner-render.json").read_text())
    assert record["fingerprint"] == "key"
    assert sorted(record["files"]) == sorted(TEXTS)
