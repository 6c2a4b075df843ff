"""Cutting a provider's schema down: what is kept, and what is no schema."""

from __future__ import annotations

import pytest

from engine.terraform.provider_schema import trim_schema


def field(number: int, value: bytes) -> bytes:
    """A field of text or of a message; both short enough for lengths of two bytes."""
    length = len(value)
    return bytes([number << 3 | 2, length & 0x7F | 0x80, length >> 7]) + value


def entry(number: int, name: str) -> bytes:
    return field(number, field(1, name.encode()) + field(2, b"block of " + name.encode() * 30))


PROVIDER = field(1, b"the provider's own block")
CAPABILITIES = field(6, b"\x08\x01")
FUNCTION = entry(7, "arn_parse")
LATER = entry(12, "aws_s3_bucket")
NUMBERS = b"\x68\x96\x01" + b"\x71" + bytes(8) + b"\x7d" + bytes(4)


def test_only_the_types_in_use_are_kept() -> None:
    # GIVEN resources, data sources and ephemeral resources, and all else that may stand beside them
    kept = [entry(2, "aws_s3_bucket"), entry(3, "aws_vpc"), entry(8, "aws_secret")]
    left_out = [entry(2, "aws_vpc_ipam"), entry(3, "aws_ami"), entry(8, "aws_other")]
    beside = [PROVIDER, CAPABILITIES, FUNCTION, LATER, NUMBERS]

    # WHEN
    schema = b"".join([*beside[:2], *kept, *left_out, *beside[2:]])
    trimmed = trim_schema(schema, {"aws_s3_bucket", "aws_vpc", "aws_secret"})

    # THEN these and what is not sorted by type, byte for byte and in order
    assert trimmed == b"".join([*beside[:2], *kept, *beside[2:]])


def test_what_the_provider_complains_about_is_no_schema() -> None:
    with pytest.raises(ValueError, match="complained"):
        trim_schema(PROVIDER + field(4, b"error"), {"aws_vpc"})


@pytest.mark.parametrize("broken", [entry(2, "aws_vpc")[:-1], b"\x80", b"\x13\x00", field(1, b"x")[:1]])
def test_what_was_cut_short_or_is_something_else(broken: bytes) -> None:
    with pytest.raises(ValueError, match="Protocol Buffers"):
        trim_schema(PROVIDER + broken, {"aws_vpc"})
