"""The public keys that sign tokens: a JWKS as the engine has checked and written it (engine/model/jwks.py).

Source   RFC 7517 (JWK), RFC 7518 section 6.3.1 (RSA keys), RFC 8017 appendix A.1.1, RFC 5280 section 4.1
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass

from node import StepError

# 1.2.840.113549.1.1.1, rsaEncryption, and its parameters, which are NULL.
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")


@dataclass(frozen=True)
class Key:
    """kid is what a token's header calls it; it holds no sign that means something in a configuration."""

    kid: str
    modulus: int
    exponent: int

    @property
    def file_name(self) -> str:
        return hashlib.sha256(self.kid.encode()).hexdigest()[:16] + ".pem"

    def pem(self) -> str:
        """A SubjectPublicKeyInfo as PEM."""
        numbers = _der(0x30, _integer(self.modulus) + _integer(self.exponent))
        info = _der(0x30, _RSA + _der(0x03, b"\x00" + numbers))
        text = base64.b64encode(info).decode()
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def parse(text: str) -> list[Key]:
    """Its keys, each for RS256. Raises StepError when a node must not use it: one key that is not what the
    engine lets through, and none of them counts."""
    try:
        keys = [_key(item) for item in json.loads(text)["keys"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StepError("jwks.json is no set of RS256 keys; run `provisioner refresh-jwks`") from None
    if not keys or len({key.kid for key in keys}) != len(keys):
        raise StepError("jwks.json holds no key, or one id twice; run `provisioner refresh-jwks`")
    return keys


def _key(item: dict[str, str]) -> Key:
    if item["kty"] != "RSA" or item["alg"] != "RS256":
        raise ValueError("not for RS256")
    if not re.fullmatch(r"[A-Za-z0-9._~=-]{1,128}", item["kid"]):
        raise ValueError("an id that a configuration cannot hold")
    key = Key(item["kid"], _number(item["n"]), _number(item["e"]))
    if key.modulus.bit_length() < 2048 or key.exponent < 3:
        raise ValueError("too weak")
    return key


def _number(text: str) -> int:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError("not base64url")
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def _integer(number: int) -> bytes:
    # One bit more than it has, so that the first one is never set: that would be a minus.
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))
