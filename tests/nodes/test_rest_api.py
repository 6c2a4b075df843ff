"""What the node scripts of the REST API work out by themselves; tests/slurm has a real Slurm."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from engine.model.jwks import signing_keys
from tests.nodes.conftest import MODULE
from tests.slurm.tokens import SigningKey, encoded, jwks


@pytest.fixture
def lib(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Modules of the node software by name, as its scripts import them."""
    monkeypatch.syspath_prepend(str(MODULE / "files" / "lib"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    class Lib:
        def __getattr__(self, name: str) -> ModuleType:
            return __import__(name)

    yield Lib()
    for name in set(sys.modules) - before:
        if (MODULE / "files" / "lib" / f"{name}.py").exists():
            del sys.modules[name]


@pytest.mark.parametrize("size", [2048, 2056, 3072, 4096])
def test_keys_become_pem(lib: Any, size: int) -> None:
    # GIVEN a key of the size, which the engine has let through
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=size).public_key().public_numbers()
    member = {"n": encoded(numbers.n.to_bytes((size + 7) // 8, "big")), "e": "AQAB"}
    published = {"kid": "a", "kty": "RSA", "alg": "RS256", "use": "sig", **member}
    text = signing_keys(json.dumps({"keys": [published]}), source="test")
    # THEN the node's PEM is that key
    (key,) = lib.jwks.parse(text)
    read = load_pem_public_key(key.pem().encode())
    assert isinstance(read, rsa.RSAPublicKey)
    assert read.public_numbers() == numbers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": [{"kty": "oct", "k": "a", "kid": "a", "alg": "HS256"}]}',
        jwks(SigningKey("a"), SigningKey("a")),
        jwks(SigningKey('a" } or { always_true')),
        jwks(SigningKey("a\n")),
    ],
    # Keys are made anew by each process that collects tests, and all must collect the same.
    ids=["nothing", "list", "empty", "no keys", "shared secret", "twice", "rule", "line"],
)
def test_a_node_takes_no_other_keys(lib: Any, text: str) -> None:
    with pytest.raises(lib.node.StepError, match=r"jwks\.json"):
        lib.jwks.parse(text)


def test_every_key_has_a_rule_of_the_filter(lib: Any) -> None:
    keys = lib.jwks.parse(jwks(SigningKey("one"), SigningKey("two")))
    rest = {
        "port": 8082,
        "issuer": "https://sso.example.org/realms/a+b",
        "audience": "slurm.rest",
        "user_claim": "preferred_username",
    }
    text = lib.rest_filter.configuration(
        rest, keys, user="sim", folder=Path("/etc/x"), socket="/run/x.sock", maker="a test"
    )
    assert "@" not in text.replace("unix@", "")
    for key in keys:
        assert (
            f'jwt_verify("RS256","/etc/x/{key.file_name}") if {{ var(txn.kid) -m str "{key.kid}" }}' in text
        )
    assert text.count('-m str "slurm.rest"') == 9


@pytest.mark.parametrize(("version", "good"), [("2.4.24", False), ("2.6.12", True), ("3.0.11", True)])
def test_an_old_haproxy_is_told_from_one_that_checks_tokens(
    lib: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, good: bool
) -> None:
    program = tmp_path / "haproxy"
    program.write_text(f"#!/bin/sh\necho 'HAProxy version {version}-1 2026/10/15 - https://haproxy.org/'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    if good:
        assert lib.rest_api._haproxy({}) == str(program)
    else:
        with pytest.raises(lib.node.StepError, match=r"HAProxy 2\.6 or newer is needed .* version 2\.4"):
            lib.rest_api._haproxy({})


@pytest.mark.parametrize(
    ("said", "there"), [("slurm 22.05.11", "22.05"), ("slurm-wlm 22.05.8", "22.05"), ("slurm 25.11.8", "")]
)
def test_a_slurm_that_cannot_read_the_user_is_refused(
    lib: Any, monkeypatch: pytest.MonkeyPatch, said: str, there: str
) -> None:
    monkeypatch.setattr(lib.rest_api, "run", lambda *command: f"{said}\n")
    if there:
        with pytest.raises(lib.node.StepError, match=rf"needs Slurm 23\.02 or newer, and .* has {there}"):
            lib.rest_api._require_slurm()
    else:
        lib.rest_api._require_slurm()


def test_our_lines_stand_once_and_the_rest_stays(lib: Any, tmp_path: Path) -> None:
    # GIVEN a file of ParallelCluster's, edited by somebody
    file = tmp_path / "slurm.conf"
    file.write_text("ClusterName=a\ninclude slurm_parallelcluster.conf\n# mine")
    file.chmod(0o640)
    set_block, block = lib.slurm_files.set_block, lib.slurm_files.block
    # WHEN lines are set, set again, changed, and taken away
    assert set_block(file, "a", ["X=1"]) and not set_block(file, "a", ["X=1"])
    assert set_block(file, "b", ["Y=1"]) and set_block(file, "a", ["X=2", "Z=3"])
    assert block(file, "a") == "X=2\nZ=3\n"
    assert file.read_text().count("X=") == 1
    assert set_block(file, "a", []) and set_block(file, "b", []) and not set_block(file, "b", [])
    # THEN nothing of ours is left, and nothing else has changed
    assert file.read_text() == "ClusterName=a\ninclude slurm_parallelcluster.conf\n# mine\n"
    assert file.stat().st_mode & 0o777 == 0o640
