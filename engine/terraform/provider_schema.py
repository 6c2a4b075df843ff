"""A provider's schema, cut down to the types that are used.

The AWS provider describes some 2,000 types in 5 MB. Making, sending and reading that is a third of a plan and
nearly all of `terraform show`; a project uses 50 of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

# GetProviderSchema.Response: the maps whose keys are types. All else is kept as it is.
# Source: Terraform's plugin protocol 5, tfplugin5.proto
_BY_TYPE = {2: "resource_schemas", 3: "data_source_schemas", 8: "ephemeral_resource_schemas"}
_DIAGNOSTICS = 4
_KEY = 1


def trim_schema(schema: bytes, types: Collection[str]) -> bytes:
    """The same GetProviderSchema.Response with these types alone, byte for byte otherwise.

    Raises   ValueError when it is none, or when the provider complains in it
    """
    kept = []
    for number, value, whole in _fields(schema):
        if number == _DIAGNOSTICS:
            raise ValueError("the provider complained instead of giving its schema")
        if number not in _BY_TYPE or _key(value) in types:
            kept.append(whole)
    return b"".join(kept)


def _key(entry: bytes) -> str:
    return next(value.decode() for number, value, _ in _fields(entry) if number == _KEY)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The fields of a Protocol Buffers message: number, value where it is text or a message, whole field."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        length = 0
        match tag & 7:
            case 0:
                _, at = _varint(message, at)
            case 1:
                length = 8
            case 2:
                length, at = _varint(message, at)
            case 5:
                length = 4
            case other:
                raise ValueError(f"no Protocol Buffers message: wire type {other}")
        value = message[at : at + length]
        at += length
        if at > len(message):
            raise ValueError("a Protocol Buffers message that was cut short")
        yield tag >> 3, value, message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(message):
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("a Protocol Buffers message that was cut short")
