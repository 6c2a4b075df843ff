"""Which keys of an identity provider may sign tokens."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from engine.errors import KeysRefused
from engine.model.jwks import key_ids, signing_keys


def number(bits: int) -> str:
    data = (2 ** (bits - 1) + 1).to_bytes((bits + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key(kid: Any = "key-1", **changes: Any) -> dict[str, Any]:
    """A signing key as Keycloak publishes it; None leaves a member out."""
    standard = {
        "kid": kid,
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "x5c": ["MIICozCCAYsCBgF"],
        "x5t": "abc",
        "x5t#S256": "def",
        "n": number(2048),
        "e": "AQAB",
    }
    return {name: value for name, value in (standard | changes).items() if value is not None}


def kept(*keys: Any) -> list[dict[str, str]]:
    text = signing_keys(json.dumps({"keys": list(keys)}), source="https://sso")
    document: dict[str, list[dict[str, str]]] = json.loads(text)
    return document["keys"]


def test_what_slurm_reads_is_kept_and_nothing_else() -> None:
    assert kept(key()) == [
        {"kid": "key-1", "kty": "RSA", "alg": "RS256", "use": "sig", "n": number(2048), "e": "AQAB"}
    ]
    assert kept(key(use=None)) == kept(key())


def test_the_same_keys_give_the_same_text() -> None:
    one, two = key("a"), key("b")
    texts = {signing_keys(json.dumps({"keys": keys}), source="x") for keys in ([one, two], [two, one])}
    assert len(texts) == 1
    assert key_ids(texts.pop()) == ("a", "b")


def test_keys_for_other_purposes_are_left_out() -> None:
    others = [
        key("encryption", alg="RSA-OAEP", use="enc"),
        key("encryption-2", use="enc"),
        key("without-algorithm", alg=None),
        key("stronger", alg="RS512"),
        {"kid": "curve", "kty": "EC", "alg": "ES256", "crv": "P-256", "x": "a", "y": "b"},
    ]
    assert [item["kid"] for item in kept(*others, key())] == ["key-1"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([], "no RSA key for signing with RS256"),
        ([key(alg="RSA-OAEP")], "no RSA key for signing with RS256"),
        ([key(), {"kid": "s", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}], "secret key"),
        ([key(d=number(2048))], "secret key"),
        ([key(), key()], "the same id"),
        ([key(None)], "no id"),
        ([key(7)], "no id"),
        ([key('a" -m found } or { always_true')], "no id"),
        ([key("a\n")], "no id"),
        ([key(n=number(1024))], "between 2048 and 8192 bits"),
        ([key(n=number(16384))], "base64url"),
        ([key(n=None)], "no modulus and exponent"),
        ([key(n=17)], "no modulus and exponent"),
        ([key(n=number(2048) + "==")], "no modulus and exponent"),
        ([key(e="AQ")], "exponent that RSA does not use"),
        ([key(e="AQAA")], "exponent that RSA does not use"),
        (["key-1"], "no JSON Web Key Set"),
        ([key(str(count)) for count in range(33)], "more than 32 keys"),
    ],
)
def test_what_cannot_be_trusted_is_refused(keys: list[Any], problem: str) -> None:
    with pytest.raises(KeysRefused, match=problem) as refused:
        kept(*keys)
    assert "https://sso" in str(refused.value)


@pytest.mark.parametrize("text", ["", "<html>Sign in</html>", "[]", "{}", '{"keys": {}}', "null", "[" * 9999])
def test_what_is_no_set_of_keys_is_refused(text: str) -> None:
    with pytest.raises(KeysRefused):
        signing_keys(text, source="https://sso")
