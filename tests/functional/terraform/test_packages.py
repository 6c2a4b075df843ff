"""The provider's package: read once, and again whenever it may be another."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from engine.terraform import packages
from engine.terraform.packages import ADDRESS, Package, package_digest, verified_package


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror" / "linux_amd64"
    folder.mkdir(parents=True)
    (folder / "LICENSE.txt").write_text("words")
    (folder / "terraform-provider-aws_v5.100.0_x5").write_text("the program")
    return folder


@pytest.fixture
def root(tmp_path: Path, package: Path) -> Path:
    """A root that init has prepared."""
    chosen = tmp_path / "root" / ".terraform" / "providers" / ADDRESS / "5.100.0"
    chosen.mkdir(parents=True)
    (chosen / "linux_amd64").symlink_to(package)
    lock(tmp_path / "root", package_digest(package))
    return tmp_path / "root"


def lock(root: Path, digest: str, version: str = "5.100.0") -> None:
    other = (
        'provider "registry.terraform.io/other/aws" {\n  version = "1.0.0"\n  hashes = ["h1:other="]\n}\n\n'
    )
    hashes = f'  hashes = [\n    "h1:x=",\n    "{digest}",\n  ]\n'
    ours = f'provider "{ADDRESS}" {{\n  version     = "{version}"\n{hashes}}}\n'
    (root / ".terraform.lock.hcl").write_text(other + ours)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The packages that were read."""
    read: list[Path] = []

    def counted(folder: Path) -> str:
        read.append(folder)
        return package_digest(folder)

    monkeypatch.setattr(packages, "package_digest", counted)
    return read


def test_a_package_is_read_once(root: Path, package: Path, tmp_path: Path, reads: list[Path]) -> None:
    for _ in range(3):
        found = verified_package(root, tmp_path / "home")
        assert found == Package(package / "terraform-provider-aws_v5.100.0_x5", package_digest(package))
    assert reads == [package]


def test_a_package_that_was_changed_is_read_again_and_refused(
    root: Path, package: Path, tmp_path: Path, reads: list[Path]
) -> None:
    assert verified_package(root, tmp_path / "home")
    # WHEN its program is another of the same size, with the old times set back
    program = package / "terraform-provider-aws_v5.100.0_x5"
    before = program.stat()
    program.write_text("The program")
    os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))
    # THEN
    assert verified_package(root, tmp_path / "home") is None
    assert len(reads) == 2
    # AND once it is what it was, it is read again and taken
    program.write_text("the program")
    assert verified_package(root, tmp_path / "home")
    assert len(reads) == 3


def test_another_package_than_the_lock_file_names(root: Path, package: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert verified_package(root, home)
    for break_it in (
        lambda: lock(root, "h1:another="),
        lambda: lock(root, package_digest(package), version="5.99.0"),
        lambda: (root / ".terraform.lock.hcl").write_text(""),
        lambda: (root / ".terraform.lock.hcl").unlink(),
        lambda: (lock(root, package_digest(package)), (package / "more").write_text("")),
        lambda: (package / "more").unlink() or shutil.rmtree(root / ".terraform"),
    ):
        break_it()
        assert verified_package(root, home) is None


def test_a_damaged_memory_is_no_memory(root: Path, package: Path, tmp_path: Path, reads: list[Path]) -> None:
    assert verified_package(root, tmp_path / "home")
    for damaged in ("{", "[]", json.dumps({str(package): 1})):
        (tmp_path / "home" / "provider-packages.json").write_text(damaged)
        assert verified_package(root, tmp_path / "home")
    assert len(reads) == 4


def test_a_home_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    assert verified_package(root, tmp_path / "home")
