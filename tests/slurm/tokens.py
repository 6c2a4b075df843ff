"""Tokens as Keycloak would issue them, and many that it would not; signed here, without a library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://sso.example.org/realms/science"
AUDIENCE = "slurm-rest"


@dataclass(frozen=True)
class SigningKey:
    """A key of the identity provider."""

    kid: str
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    def jwk(self) -> dict[str, str]:
        """Its public half, with what Keycloak adds to it."""
        numbers = self.key.public_key().public_numbers()
        return {
            "kid": self.kid,
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "n": encoded(numbers.n.to_bytes(256, "big")),
            "e": encoded(numbers.e.to_bytes(3, "big")),
        }

    def token(self, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A good token for the user `sim`, changed by what is given; None leaves a claim out."""
        now = int(time.time())
        standard = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 300,
            "typ": "Bearer",
            "azp": "workflow-service",
            "preferred_username": "sim",
        }
        payload = {name: value for name, value in (standard | claims).items() if value is not None}
        head = {"alg": "RS256", "typ": "JWT", "kid": self.kid, **(header or {})}
        signed = f"{_part(head)}.{_part(payload)}"
        return f"{signed}.{encoded(self._sign(head['alg'], signed.encode()))}"

    def _sign(self, algorithm: str, signed: bytes) -> bytes:
        if algorithm == "none":
            return b""
        if algorithm == "HS256":
            # The old trick: the public key, which everybody knows, taken for a secret.
            return hmac.new(json.dumps(self.jwk()).encode(), signed, hashlib.sha256).digest()
        digest = {"RS256": hashes.SHA256(), "RS512": hashes.SHA512()}[algorithm]
        return self.key.sign(signed, padding.PKCS1v15(), digest)


def jwks(*keys: SigningKey) -> str:
    return json.dumps({"keys": [key.jwk() for key in keys]})


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _part(value: Mapping[str, Any]) -> str:
    return encoded(json.dumps(value).encode())
