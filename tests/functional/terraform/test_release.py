"""Downloading the pinned Terraform release."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import TerraformMissing
from engine.terraform import release

if TYPE_CHECKING:
    from tests.functional.terraform.conftest import Machine

PLATFORM = "linux_amd64"
PROGRAM = """#!/bin/sh
if [ "$2" = -json ]; then
  echo '{"terraform_version":"1.11.4","platform":"linux_amd64"}'
else
  echo 'Terraform v1.11.4'
fi
"""


@pytest.fixture
def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("LICENSE.txt", "words")
        zipped.writestr("terraform", PROGRAM)
    return buffer.getvalue()


@pytest.fixture
def releases(archive: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/1.11.4/terraform_1.11.4_linux_amd64.zip"
            self.send_response(200 if there else 404)
            self.end_headers()
            if there:
                self.wfile.write(archive)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusted(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(release.CHECKSUMS, PLATFORM, hashlib.sha256(archive).hexdigest())


@pytest.mark.usefixtures("trusted")
def test_the_pinned_release_is_fetched_and_runs(machine: Machine, releases: str) -> None:
    # WHEN
    binary = release.download(machine.home, on=PLATFORM, releases=releases)

    # THEN it is found from now on
    assert stat.S_IMODE(binary.stat().st_mode) == 0o755
    assert machine.prepare().binary == binary
    assert [path.name for path in binary.parent.iterdir()] == ["terraform"]


def test_a_file_that_is_not_the_known_one_is_thrown_away(machine: Machine, releases: str) -> None:
    with pytest.raises(TerraformMissing, match="SHA-256") as raised:
        release.download(machine.home, on=PLATFORM, releases=releases)

    assert release.CHECKSUMS[PLATFORM] in raised.value.message
    assert not machine.home.exists()


def test_a_release_that_is_not_there(machine: Machine, releases: str) -> None:
    with pytest.raises(TerraformMissing, match="404"):
        release.download(machine.home, on="linux_arm64", releases=releases)


def test_no_way_to_the_releases(machine: Machine) -> None:
    with pytest.raises(TerraformMissing) as raised:
        release.download(machine.home, on=PLATFORM, releases="http://127.0.0.1:9")

    assert "could not be downloaded" in raised.value.message
    assert "PROVISIONER_TERRAFORM" in raised.value.hint
    assert not machine.home.exists()


def test_a_platform_without_a_checksum(machine: Machine) -> None:
    with pytest.raises(TerraformMissing, match="none to download for plan9_mips"):
        release.download(machine.home, on="plan9_mips")


def test_set_up_downloads_where_there_is_none(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a download that leaves a program
    def download(home: Path) -> Path:
        return machine.program("terraform", "1.11.4", folder="engine-home/terraform/1.11.4")

    monkeypatch.setattr(release, "download", download)
    machine.mirror("opt/mirror")

    # THEN only set-up does it
    with pytest.raises(TerraformMissing):
        machine.prepare()
    assert machine.prepare(download_missing=True).binary == release.downloaded(machine.home)


def test_a_named_one_is_never_replaced_by_a_download(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "download", lambda home: pytest.fail("downloaded"))

    with pytest.raises(TerraformMissing):
        machine.prepare("/nowhere/terraform", download_missing=True)


def test_this_machine_has_a_name() -> None:
    assert release.this_platform().split("_")[0] == os.uname().sysname.lower()
