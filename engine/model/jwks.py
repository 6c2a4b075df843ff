"""The public keys that sign the REST API's tokens, as an identity provider publishes them.

Source   RFC 7517 (JWK sets), RFC 7518 sections 3.1 and 6.3 (RS256, RSA keys); Slurm's guide "JWT
         Authentication": RS256 alone, `alg` and `kid` on every key
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from engine.errors import KeysRefused

MOST_KEYS = 32
_WEAKEST, _LONGEST = 2048, 8192
# Members that only whoever signs may know: private halves, and keys that both sides share.
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_HINT = "jwks_url must be the address of the realm's keys; in Keycloak …/protocol/openid-connect/certs."


def signing_keys(text: str, *, source: str) -> str:
    """The RS256 signing keys among those, as a JWK set that Slurm and the filter take.

    Keys for other purposes and algorithms are left out, and so is what Slurm does not read. The same
    keys give the same text, in whatever order they came.
    source   their address, for messages
    Raises   KeysRefused when it is no such set, holds a secret, no key that fits, or a weak one
    """
    keys = [_kept(item, source) for item in _listed(text, source) if _signs(item, source)]
    names = {key["kid"] for key in keys}
    if not keys:
        raise _refused(source, "it holds no RSA key for signing with RS256")
    if len(names) != len(keys):
        raise _refused(source, "two of its keys have the same id")
    ordered = sorted(keys, key=lambda key: key["kid"])
    return json.dumps({"keys": ordered}, indent=2) + "\n"


def key_ids(text: str) -> tuple[str, ...]:
    """The ids in a set that `signing_keys` made."""
    return tuple(key["kid"] for key in json.loads(text)["keys"])


def _listed(text: str, source: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused(source, "it is not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(isinstance(item, dict) for item in keys):
        raise _refused(source, "it is no JSON Web Key Set")
    if len(keys) > MOST_KEYS:
        raise _refused(source, f"it holds more than {MOST_KEYS} keys")
    return keys


def _signs(item: dict[str, Any], source: str) -> bool:
    if item.get("kty") == "oct" or not _SECRET_MEMBERS.isdisjoint(item):
        raise _refused(source, "it holds a secret key, which nobody may publish")
    return item.get("kty") == "RSA" and item.get("alg") == "RS256" and item.get("use", "sig") == "sig"


def _kept(item: dict[str, Any], source: str) -> dict[str, str]:
    kid = item.get("kid")
    # It stands in the configuration of the filter on the nodes: no sign that means something there.
    if not isinstance(kid, str) or not re.fullmatch(r"[A-Za-z0-9._~=-]{1,128}", kid):
        raise _refused(source, "a key has no id, or one with other signs than letters, digits and . _ ~ = -")
    modulus, exponent = _number(item.get("n")), _number(item.get("e"))
    if modulus is None or exponent is None:
        raise _refused(source, f"the key {kid} has no modulus and exponent in base64url")
    if not _WEAKEST <= modulus.bit_length() <= _LONGEST or not modulus % 2:
        raise _refused(source, f"the key {kid} has not between {_WEAKEST} and {_LONGEST} bits")
    if not 3 <= exponent < 2**32 or not exponent % 2:
        raise _refused(source, f"the key {kid} has an exponent that RSA does not use")
    return {"kid": kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": item["n"], "e": item["e"]}


def _number(text: object) -> int | None:
    # `isascii` within the pattern; Python's decoder would skip signs that are not base64.
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,2000}", text) or len(text) % 4 == 1:
        return None
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _refused(source: str, problem: str) -> KeysRefused:
    return KeysRefused(f"The keys at {source} cannot be used: {problem}.", hint=_HINT)
