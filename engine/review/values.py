"""Plan values joined with Terraform's masks, so that a hidden or unknown value can't be missed.

`terraform show -json` gives a value and, beside it, a mask of the same shape with true where the
value is sensitive, and another where it is not known yet. `overlay` puts the masks into the value.
Source: Terraform's "JSON Output Format", Change Representation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.review.model import KNOWN_AFTER_APPLY, SENSITIVE


class Hidden:
    """A sensitive value: it can be compared, never shown."""

    __slots__ = ("_value",)

    def __init__(self, value: Any):
        self._value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hidden):
            return False
        # Providers write "nothing" as null or as an empty text, as it comes.
        return self._value == other._value or (self._value in (None, "") and other._value in (None, ""))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return SENSITIVE

    def strings(self) -> Iterator[str]:
        """Every text inside, for redaction elsewhere."""
        yield from _strings(self._value)


class _Unknown:
    def __repr__(self) -> str:
        return KNOWN_AFTER_APPLY


UNKNOWN: Final = _Unknown()


def overlay(value: Any, sensitive: Any, unknown: Any) -> Any:
    """The value with Hidden and UNKNOWN in the places the masks name.

    A value that is only known after apply is missing from `value`; the unknown mask puts it back.
    """
    if sensitive is True:
        return Hidden(UNKNOWN if unknown is True else value)
    if unknown is True:
        return UNKNOWN
    # A mask of another shape (older providers have deeper ones; the other side's, where an attribute turned
    # from an object into a list) doesn't say where in the value it hides something: all of it, then.
    if value is not None and not _fits(sensitive, value) and _any_true(sensitive):
        return Hidden(value)
    if isinstance(value, Mapping) or (value is None and isinstance(unknown, Mapping) and _any_true(unknown)):
        return _overlay_mapping(value or {}, sensitive, unknown)
    if isinstance(value, list) or (value is None and isinstance(unknown, list) and _any_true(unknown)):
        return _overlay_list(value or [], sensitive, unknown)
    return value


def _fits(mask: Any, value: Any) -> bool:
    return any(isinstance(mask, shape) and isinstance(value, shape) for shape in (Mapping, list))


def _overlay_mapping(value: Mapping[str, Any], sensitive: Any, unknown: Any) -> dict[str, Any]:
    sensitive_at = sensitive if isinstance(sensitive, Mapping) else {}
    unknown_at = unknown if isinstance(unknown, Mapping) else {}
    keys = [*value, *(key for key, mask in unknown_at.items() if key not in value and _any_true(mask))]
    return {key: overlay(value.get(key), sensitive_at.get(key), unknown_at.get(key)) for key in keys}


def _overlay_list(value: list[Any], sensitive: Any, unknown: Any) -> list[Any]:
    sensitive_at = sensitive if isinstance(sensitive, list) else []
    unknown_at = unknown if isinstance(unknown, list) else []
    length = max(len(value), len(unknown_at) if _any_true(unknown_at) else 0)

    def at(items: list[Any], index: int) -> Any:
        return items[index] if index < len(items) else None

    return [overlay(at(value, i), at(sensitive_at, i), at(unknown_at, i)) for i in range(length)]


def joined_masks(one: Any, other: Any) -> Any:
    """A mask that is true wherever either is: what one side hides, the other side must not show."""
    if one is True or other is True:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: joined_masks(one.get(key), other.get(key)) for key in [*one, *other]}
    if isinstance(one, list) and isinstance(other, list):
        length = max(len(one), len(other))
        return [
            joined_masks(one[i] if i < len(one) else None, other[i] if i < len(other) else None)
            for i in range(length)
        ]
    # Of two shapes: that of either would hide too little in the other.
    if _any_true(one) and _any_true(other):
        return True
    return one if _any_true(one) else other


def _any_true(mask: Any) -> bool:
    if isinstance(mask, Mapping):
        return any(_any_true(item) for item in mask.values())
    if isinstance(mask, list):
        return any(_any_true(item) for item in mask)
    return mask is True


def parsed_json(value: Any) -> Any:
    """The object or list that a JSON string holds; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def shown(value: Any) -> Any:
    """JSON-ready: sentinels become their words, JSON strings their content."""
    if isinstance(value, Hidden):
        return SENSITIVE
    if value is UNKNOWN:
        return KNOWN_AFTER_APPLY
    value = parsed_json(value)
    if isinstance(value, Mapping):
        return {str(key): shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value


def holds(value: Any, kind: type[Hidden] | _Unknown) -> bool:
    """True when a hidden value (`Hidden`) or an unknown one (`UNKNOWN`) is anywhere inside."""
    if isinstance(value, Mapping):
        return any(holds(item, kind) for item in value.values())
    if isinstance(value, list):
        return any(holds(item, kind) for item in value)
    return isinstance(value, Hidden) if kind is Hidden else value is UNKNOWN


def hidden_strings(value: Any) -> Iterator[str]:
    """Every text that is hidden anywhere inside."""
    if isinstance(value, Hidden):
        yield from value.strings()
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from hidden_strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from hidden_strings(item)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        inner = parsed_json(value)
        if inner is not value:
            yield from _strings(inner)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
