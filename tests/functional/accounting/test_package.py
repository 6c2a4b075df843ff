"""The zip that goes to Lambda: the right files, always the same bytes, and it works by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest

from engine.cli.main import run
from engine.errors import RequestError
from engine.operations.packaging import package_function
from tests.functional.accounting.conftest import Function

pytestmark = pytest.mark.xdist_group("mariadb")

ENGINE_FILES = {
    "engine/__init__.py",
    "engine/accounting/__init__.py",
    "engine/accounting/database.py",
    "engine/accounting/handler.py",
    "engine/accounting/projects.py",
    "engine/accounting/request.py",
    "engine/aws/__init__.py",
    "engine/aws/accounting_secrets.py",
    "engine/aws/clock.py",
    "engine/aws/failures.py",
    "engine/aws/retrying.py",
    "engine/aws/session.py",
    "engine/errors.py",
    "engine/model/__init__.py",
    "engine/model/passing.py",
    "engine/model/secret.py",
    "engine/model/session_tokens.py",
}
# What the runtime brings: boto3 and what that needs, nothing else of our environment.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return package_function(tmp_path / "dist" / "function.zip").path


def test_it_holds_what_the_handler_needs(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert {name for name in names if name.startswith("engine/")} == ENGINE_FILES
    others = [name for name in names if name not in ENGINE_FILES]
    assert "pymysql/connections.py" in others
    assert all(name.startswith("pymysql") for name in others)
    assert any(name.endswith("LICENSE") for name in others)
    assert not [name for name in names if "__pycache__" in name or name.endswith("RECORD")]


def test_two_builds_are_the_same_bytes(package: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        again = package_function(tmp_path / "again.zip").path
    finally:
        os.umask(before)
    assert again.read_bytes() == package.read_bytes()


def test_certificate_authorities_go_beside_the_code(
    tmp_path: Path, function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "function.zip"
    assert run(["package", "--out", str(out), "--ca-file", function.server.ca_file]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    with zipfile.ZipFile(out) as archive:
        assert archive.read("rds-ca.pem") == Path(function.server.ca_file).read_bytes()


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no certificate"):
        package_function(tmp_path / "x.zip", ca_file=Path(__file__))
    with pytest.raises(RequestError, match="cannot be read"):
        package_function(tmp_path / "x.zip", ca_file=tmp_path / "nothing.pem")
    assert not (tmp_path / "x.zip").exists()


CALL = """
import json, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from engine.accounting.handler import handle
try:
    print(json.dumps(handle(json.loads(sys.argv[3]), None)))
except Exception as error:
    print(json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}))
loaded = [module.__file__ for module in map(sys.modules.get, ("engine", "pymysql")) if module]
assert all(path.startswith(sys.argv[1]) for path in loaded), loaded
"""


def invoke(package: Path, folder: Path, event: object, environ: dict[str, str]) -> dict[str, Any]:
    """Run the handler as Lambda does: its own interpreter, its own environment, its own libraries."""
    runtime = folder / "runtime"
    runtime.mkdir(exist_ok=True)
    site = Path(boto3.__file__).parents[1]
    for name in RUNTIME:
        if not (runtime / name).exists():
            (runtime / name).symlink_to(site / name)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CALL, str(package), str(runtime), json.dumps(event)],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_it_works_in_a_bare_interpreter(package: Path, function: Function, tmp_path: Path) -> None:
    project = function.project()

    def call(resource: str, action: str, **more: Any) -> dict[str, Any]:
        return invoke(package, tmp_path, project.event(resource, action, **more), function.environ)

    assert call("database", "create") == {
        "resource": "database",
        "name": project.database,
        "outcome": "created",
    }
    assert call("user", "create")["outcome"] == "created"
    function.login(project, database=project.database).close()

    refused = call("database", "create", database="mysql")
    assert refused["errorType"] == "FunctionFailed"
    assert refused["errorMessage"].startswith("ACCOUNTING_REFUSED: ")
