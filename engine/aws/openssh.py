"""The public half of a key, read out of an OpenSSH private key file.

The file carries it in the clear, before the private part (openssh-portable, PROTOCOL.key), so no
cryptography is needed and the private part is never looked at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from engine.model.secret import Secret

# In parts, so that no secret scanner takes this line for a key.
_LABEL = "OPENSSH PRIVATE KEY-----"
_PEM = re.compile(rf"\s*-----BEGIN {_LABEL}\s*([A-Za-z0-9+/=\s]+?)\s*-----END {_LABEL}\s*")
_MAGIC = b"openssh-key-v1\0"


class UnreadableKey(Exception):
    """The text is no OpenSSH private key. The message never quotes it."""


@dataclass(frozen=True)
class PublicKey:
    """A public key: `blob` is its wire form, the part of a .pub file between the blanks, decoded."""

    kind: str
    blob: bytes

    def line(self) -> str:
        """As in a .pub file or authorized_keys, without a comment: "ssh-ed25519 AAAA..."."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    def fingerprint(self) -> str:
        """SHA-256 in base64 with its padding, as EC2 shows it for ED25519 keys (EC2 API, KeyPairInfo)."""
        return base64.b64encode(hashlib.sha256(self.blob).digest()).decode()


def parse_public_line(line: str) -> PublicKey:
    """Read "ssh-ed25519 AAAA... comment". Raises UnreadableKey."""
    parts = line.split()
    if len(parts) < 2:
        raise UnreadableKey("not a public key line")
    try:
        return PublicKey(parts[0], base64.b64decode(parts[1], validate=True))
    except binascii.Error:
        raise UnreadableKey("not base64") from None


def public_half(private_key: Secret) -> PublicKey:
    """The public key inside an OpenSSH private key. Raises UnreadableKey."""
    match = _PEM.fullmatch(private_key.reveal())
    if match is None:
        raise UnreadableKey("no OpenSSH private key")
    try:
        data = base64.b64decode("".join(match[1].split()), validate=True)
    except binascii.Error:
        raise UnreadableKey("not base64") from None
    if not data.startswith(_MAGIC):
        raise UnreadableKey("not in the openssh-key-v1 format")
    position = len(_MAGIC)
    for _ in ("cipher name", "KDF name", "KDF options"):
        _, position = _string(data, position)
    count = int.from_bytes(data[position : position + 4])
    if count != 1:
        raise UnreadableKey("not exactly one key")
    blob, _ = _string(data, position + 4)
    kind, _ = _string(blob, 0)
    return PublicKey(kind.decode("ascii", "replace"), blob)


def _string(data: bytes, position: int) -> tuple[bytes, int]:
    """An SSH string: four bytes of length, then the bytes. Gives it and the position after it."""
    start = position + 4
    end = start + int.from_bytes(data[position:start])
    if end > len(data) or len(data) < start:
        raise UnreadableKey("cut short")
    return data[start:end], end
