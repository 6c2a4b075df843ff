"""The public half inside an OpenSSH private key, against another implementation's keys."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from engine.aws.openssh import UnreadableKey, parse_public_line, public_half
from engine.model.secret import Secret

ARMOUR = "-----{} OPENSSH PRIVATE KEY-----"


def armoured(data: bytes) -> Secret:
    body = base64.b64encode(data).decode()
    return Secret(f"{ARMOUR.format('BEGIN')}\n{body}\n{ARMOUR.format('END')}\n")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_the_public_half_is_the_one_the_key_has(kind: str) -> None:
    key = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(65537, 2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    expected = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    found = public_half(Secret(text))

    assert found.line() == expected
    assert found == parse_public_line(expected + " some comment")
    assert public_half(Secret(text.replace("\n", "\r\n"))) == found


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(UnreadableKey):
        public_half(armoured(b"openssh-key-v1\0" + data[:40]))
    with pytest.raises(UnreadableKey):
        public_half(armoured(data))


@pytest.mark.parametrize(
    "text", ["", "canary", "-----BEGIN SOMETHING ELSE-----\nAAAA\n-----END SOMETHING ELSE-----"]
)
def test_other_texts_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UnreadableKey) as refused:
        public_half(Secret(text))
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 not*base64"])
def test_broken_public_lines_are_refused(line: str) -> None:
    with pytest.raises(UnreadableKey):
        parse_public_line(line)
