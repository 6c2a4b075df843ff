"""What differs between two values, leaf by leaf, also inside JSON that is held in a string.

A CloudFormation template is one long string to Terraform; a reader wants the one number in it that
changed. Lists whose members have a name are compared by name, so a queue that is put in front
doesn't make every queue behind it look changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from engine.review.model import AttributeChange
from engine.review.values import UNKNOWN, Hidden, holds, parsed_json, shown

NAME_KEYS = ("Name", "name", "Sid", "sid", "Key", "key", "id", "Id")
"""Keys by which the members of a list are told apart, first match wins."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class _Member:
    """A step into a list: its position, and its name where it has one."""

    index: int
    name: str = ""


_Step = str | _Member
_Path = tuple[_Step, ...]


def differences(
    before: Any, after: Any, *, replace_paths: Sequence[Sequence[str | int]] = ()
) -> tuple[AttributeChange, ...]:
    """Every leaf that differs between two overlaid values, in the order of their keys.

    replace_paths   Terraform's: the attributes that force a replacement; each is given, even when
                    its values look the same
    """
    found = [
        _attribute(path, old, new, forces=_is_forced(path, replace_paths))
        for path, old, new in _walk(before, after, ())
    ]
    for forced in replace_paths:
        path = tuple(_Member(step) if isinstance(step, int) else step for step in forced)
        if not any(item.forces_replacement and item.path.startswith(_written(path)) for item in found):
            found.append(_attribute(path, _at(before, forced), _at(after, forced), forces=True))
    return tuple(found)


def whole_attributes(value: Any, *, gone: bool) -> tuple[AttributeChange, ...]:
    """The attributes that are set in something that is created, or deleted (`gone`), one each."""
    if isinstance(value, Hidden):
        return (_attribute((), value if gone else None, None if gone else value, forces=False),)
    if not isinstance(value, Mapping):
        return ()
    return tuple(
        _attribute((key,), item if gone else None, None if gone else item, forces=False)
        for key, item in sorted(value.items())
        if item is UNKNOWN or isinstance(item, Hidden) or item not in (None, "", [], {})
    )


def _attribute(path: _Path, before: Any, after: Any, *, forces: bool) -> AttributeChange:
    return AttributeChange(
        path=_written(path),
        label=_labelled(path),
        before=shown(before),
        after=shown(after),
        sensitive=holds(before, Hidden) or holds(after, Hidden),
        unknown=holds(after, UNKNOWN),
        forces_replacement=forces,
    )


def _walk(before: Any, after: Any, path: _Path) -> Iterator[tuple[_Path, Any, Any]]:
    if _same(before, after):
        return
    old, new = parsed_json(before), parsed_json(after)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        inner = [
            item for key in sorted({*old, *new}) for item in _walk(old.get(key), new.get(key), (*path, key))
        ]
    elif isinstance(old, list) and isinstance(new, list):
        inner = list(_walk_lists(old, new, path))
    else:
        yield path, before, after
        return
    if inner:
        yield from inner
    elif isinstance(before, str):
        yield path, "(JSON)", "(the same JSON, written differently)"


def _walk_lists(before: list[Any], after: list[Any], path: _Path) -> Iterator[tuple[_Path, Any, Any]]:
    key = _name_key(before, after)
    if key is not None:
        yield from _walk_named(before, after, key, path)
    elif any(isinstance(item, Mapping | list) for item in [*before, *after]):
        yield from _walk_unnamed(before, after, path)
    else:
        yield path, before, after


def _walk_named(
    before: list[Any], after: list[Any], key: str, path: _Path
) -> Iterator[tuple[_Path, Any, Any]]:
    old = {item[key]: (index, item) for index, item in enumerate(before)}
    new = {item[key]: (index, item) for index, item in enumerate(after)}
    for name in [*new, *(name for name in old if name not in new)]:
        index = new[name][0] if name in new else old[name][0]
        step = _Member(index, name)
        if name in old and name in new:
            yield from _walk(old[name][1], new[name][1], (*path, step))
        else:
            yield (
                (*path, step),
                old[name][1] if name in old else None,
                new[name][1] if name in new else None,
            )
    kept_before = [name for name in old if name in new]
    kept_after = [name for name in new if name in old]
    if kept_before != kept_after:
        yield (*path, "(order)"), kept_before, kept_after


def _walk_unnamed(before: list[Any], after: list[Any], path: _Path) -> Iterator[tuple[_Path, Any, Any]]:
    # Members found on both sides are the same ones, wherever they stand: most of Terraform's lists
    # of blocks are sets.
    old, new = list(enumerate(before)), list(enumerate(after))
    for pair in list(old):
        twin = next((other for other in new if _same(pair[1], other[1])), None)
        if twin is not None:
            old.remove(pair)
            new.remove(twin)
    if not old and not new:
        yield (*path, "(order)"), before, after
    for left, right in zip_longest(old, new):
        index = right[0] if right is not None else left[0]
        step = (*path, _Member(index))
        if left is not None and right is not None:
            yield from _walk(left[1], right[1], step)
        else:
            yield step, left[1] if left else None, right[1] if right else None


def _name_key(before: list[Any], after: list[Any]) -> str | None:
    members = [*before, *after]
    if not members or not all(isinstance(item, Mapping) for item in members):
        return None
    for key in NAME_KEYS:
        if all(isinstance(item.get(key), str) and item[key] for item in members) and all(
            len({item[key] for item in side}) == len(side) for side in (before, after)
        ):
            return key
    return None


def _same(before: Any, after: Any) -> bool:
    """Equal as JSON: 1 and true differ, and so does what is not known yet."""
    if before is UNKNOWN or after is UNKNOWN:
        return False
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return all(_same(before.get(key), after.get(key)) for key in {*before, *after})
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    return bool(before == after)


def _is_forced(path: _Path, replace_paths: Sequence[Sequence[str | int]]) -> bool:
    plain = [step.index if isinstance(step, _Member) else step for step in path]
    return any(
        plain[: len(forced)] == list(forced) or list(forced)[: len(plain)] == plain
        for forced in replace_paths
    )


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        value = parsed_json(value)
        if isinstance(value, Mapping) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return value if value is UNKNOWN or isinstance(value, Hidden) else None
    return value


def _written(path: _Path) -> str:
    return _joined([step if isinstance(step, str) else _Member(step.index) for step in path])


def _labelled(path: _Path) -> str:
    return _joined(path)


def _joined(path: Sequence[_Step]) -> str:
    text = ""
    for step in path:
        if isinstance(step, _Member):
            text += f"[{step.name or step.index}]"
        elif _WORD.fullmatch(step) or step == "(order)":
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text or "(everything)"
