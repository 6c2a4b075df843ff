"""What the validation library found, as FieldProblems: where, what is wrong, what is allowed, an example."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from engine.errors import FieldProblem
from engine.model.documents import Document
from engine.model.wording import MAX_PROBLEMS, Path, kind_of, nearest, path_text, shown

_REFUSED = "refused"
_PLAIN = r"[A-Za-z][A-Za-z0-9@./_:-]*[A-Za-z0-9]"


class Strict(BaseModel):
    """A frozen value; unknown fields are refused, and no type is turned into another silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True)
class Allowed:
    """Annotation of a field: what it takes, in words."""

    text: str


def refused(problem: str, *, allowed: str = "", example: str = "") -> PydanticCustomError:
    """The error that a validator raises; `allowed` and `example` win over those of the field."""
    return PydanticCustomError(
        _REFUSED, "{problem}", {"problem": problem, "allowed": allowed, "example": example}
    )


@dataclass(frozen=True)
class Refusal:
    """One broken rule that spans several fields; `path` leads to the one to correct, from the model on."""

    path: Path
    problem: str
    allowed: str = ""
    example: str = ""


def refuse_all(model: str, refusals: Iterable[Refusal]) -> None:
    """For a model's own validator: raise all of them at once, each at its field; nothing when there are none.

    model    the model's name
    Raises   ValidationError, which the validation library puts in its place among the other problems
    """
    errors = [
        InitErrorDetails(
            type=refused(refusal.problem, allowed=refusal.allowed, example=refusal.example),
            loc=refusal.path,
            input=None,
        )
        for refusal in refusals
    ]
    if errors:
        raise ValidationError.from_exception_data(model, errors)


def document_problems(
    model: type[BaseModel], document: Document, error: ValidationError | None
) -> list[FieldProblem]:
    """All that is wrong with a document: what its reader found, then what the model found elsewhere in it."""
    found = list(document.problems)
    said = {problem.path for problem in found}
    if error is not None:
        more = field_problems(model, error, where=document.where, texts=document.texts)
        found += [problem for problem in more if problem.path not in said]
    return found


def field_problems(
    model: type[BaseModel],
    error: ValidationError,
    *,
    where: Callable[[Path], str],
    texts: Mapping[Path, str] | None = None,
) -> list[FieldProblem]:
    """One FieldProblem for each thing that is wrong, in the order of the fields.

    There may be one more than the 40 that are shown, so that it is known that there are more.
    model   the model that was validated
    where   says where a part of the input came from, to be put behind the problem: " (line 3)"
    texts   scalars as they were typed, where that differs from the value (`0123` is 83 in YAML)
    """
    # When a field is wrong, defaults that hang on it are not made: that is no second problem.
    details = [
        detail for detail in error.errors(include_url=False) if detail["type"] != "default_factory_not_called"
    ]
    return [_problem(model, detail, where, texts or {}) for detail in details[: MAX_PROBLEMS + 1]]


@dataclass(frozen=True)
class _Place:
    """Where in the models an error's location leads to.

    path       as in the document, without the tags that the validation library puts in
    owner      the innermost model on the way
    field      the declared field that the path ends in or passes through; None for an unknown one
    variants   the models the owner was chosen from by its discriminator
    """

    path: Path
    owner: type[BaseModel]
    field: FieldInfo | None
    variants: tuple[type[BaseModel], ...]


def _problem(
    model: type[BaseModel],
    detail: ErrorDetails,
    where: Callable[[Path], str],
    texts: Mapping[Path, str],
) -> FieldProblem:
    place = _find(model, detail["loc"])
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    name = str(place.path[-1]) if place.path else ""
    allowed, example = _allowed(place), _example(place)
    path = place.path
    if kind in ("extra_forbidden", "invalid_key"):
        problem, allowed = _unknown(model, place)
        example = ""
    elif kind == "missing":
        problem = "is missing"
    elif kind == _REFUSED:
        problem = context["problem"]
        allowed, example = context["allowed"] or allowed, context["example"] or example
    elif kind in ("union_tag_not_found", "union_tag_invalid") and place.field is not None:
        path, problem, allowed, example = _tag(place.path, place.field, detail)
    elif value is None:
        problem = "is empty: leave it out or fill it in"
    elif kind == "string_type":
        problem, example = _not_text(name, value, texts.get(path), example)
    elif kind == "int_type":
        problem = _not_a_number(value)
    elif kind == "greater_than_equal":
        problem = f"{shown(value)} is too small"
    elif kind == "less_than_equal":
        problem = f"{shown(value)} is too large"
    elif kind == "too_long":
        problem = f"has {len(value)} entries"
        allowed = f"at most {context['max_length']} entries"
    elif kind == "literal_error":
        problem = f"{shown(value)} is not one of the choices"
        allowed = allowed or str(context["expected"])
    else:
        problem = f"must be {_expected(kind)}, and is {kind_of(value)}"
    return FieldProblem(path_text(path), problem + where(path), allowed, example)


def _find(model: type[BaseModel], location: tuple[int | str, ...]) -> _Place:
    owner: type[BaseModel] | None = model
    innermost, field, variants = model, None, tuple[type[BaseModel], ...]()
    path: list[str | int] = []
    parts = list(location)
    while parts:
        part = parts.pop(0)
        # The mark of an error in a mapping's key comes last, behind the key itself.
        if part == "[key]" and not parts and len(path) >= 2:
            break
        path.append(part)
        if owner is None:
            continue
        innermost, field = owner, _declared(owner).get(str(part))
        if field is None:
            return _Place((*path, *parts), innermost, None, variants)
        if parts and isinstance(parts[0], int):
            # Into one entry of a list.
            path.append(parts.pop(0))
            owner, variants = next(_entry_models(field.annotation), None), ()
            continue
        models = tuple(_models(field.annotation))
        if field.discriminator and parts:
            tag = parts.pop(0)
            owner = next(one for one in models if _tag_of(one, str(field.discriminator)) == tag)
            variants = models
        else:
            owner = models[0] if len(models) == 1 else None
            variants = ()
    return _Place(tuple(path), innermost, field, variants)


def _declared(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type: itself, or the members of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (dict, list, tuple):
        for part in get_args(annotation):
            yield from _models(part)


def _entry_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that the entries of a list are of."""
    if get_origin(annotation) in (list, tuple):
        yield from _models(get_args(annotation)[0])
    else:
        for part in get_args(annotation):
            yield from _entry_models(part)


def _tag_of(model: type[BaseModel], discriminator: str) -> Any:
    return model.model_fields[discriminator].default


def _allowed(place: _Place) -> str:
    field = place.field
    if field is None:
        return ""
    parts = [field.metadata]
    if get_origin(field.annotation) is Annotated:
        parts.append(list(get_args(field.annotation)))
    return next((item.text for items in parts for item in items if isinstance(item, Allowed)), "")


def _example(place: _Place) -> str:
    if place.field is None or not place.field.examples:
        return ""
    name = next(part for part in place.path if _declared(place.owner).get(str(part)) is place.field)
    return example_line(str(name), place.field.examples[0])


def example_line(name: str, value: Any, *, quoted: bool = False) -> str:
    """`name: value` as it may stand in a YAML document; mappings and lists in one line."""
    plain = not quoted and isinstance(value, str) and re.fullmatch(_PLAIN, value)
    key = name if re.fullmatch(_PLAIN, name) else json.dumps(name)
    return f"{key}: {value if plain else json.dumps(value)}"


def _unknown(model: type[BaseModel], place: _Place) -> tuple[str, str]:
    """The problem with an unknown field, and the fields there are."""
    name = str(place.path[-1])
    known = list(_declared(place.owner))
    allowed = "the fields " + ", ".join(known)
    for variant in place.variants:
        if variant is not place.owner and name in _declared(variant):
            own, other = (_tag_of(one, "kind") for one in (place.owner, variant))
            return f"belongs to kind {other}; kind {own} has no such field", allowed
    # The other fields of the spec, but for those of other kinds at the same place.
    elsewhere = {path[-1]: path_text(path) for path in _all_paths(model, ()) if path[:-1] != place.path[:-1]}
    guess = elsewhere.get(name) or nearest(name, known)
    if guess is None:
        near = nearest(name, elsewhere)
        guess = elsewhere[near] if near else None
    return "is not a known field" + (f"; did you mean {guess}?" if guess else ""), allowed


def _all_paths(model: type[BaseModel], prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in _declared(model).items():
        yield (*prefix, name)
        for inner in _models(field.annotation):
            yield from _all_paths(inner, (*prefix, name))


def _tag(path: Path, field: FieldInfo, detail: ErrorDetails) -> tuple[Path, str, str, str]:
    """The problem with the field that chooses a model: its path, the problem, what is allowed, an example."""
    discriminator = str(field.discriminator)
    tags = [_tag_of(one, discriminator) for one in _models(field.annotation)]
    allowed, example = ", ".join(tags), f"{path[-1]}: {{{discriminator}: {tags[0]}}}"
    path = (*path, discriminator)
    if detail["type"] == "union_tag_not_found":
        return path, "is missing", allowed, example
    value = detail["input"][discriminator]
    guess = nearest(value, tags) if isinstance(value, str) else None
    problem = f"{shown(value)} is not one of the choices" + (f"; did you mean {guess}?" if guess else "")
    return path, problem, allowed, example


def _not_text(name: str, value: Any, typed: str | None, example: str) -> tuple[str, str]:
    if not isinstance(value, bool | int | float):
        return f"must be text, and is {kind_of(value)}", example
    text = typed if typed is not None else shown(value)
    if not text.isprintable() or len(text) > 40:
        return f"must be text, and is {kind_of(value)}", example
    return (
        f"{text} without quotes is {kind_of(value)}: put it in quotes",
        example_line(name, text, quoted=True),
    )


def _not_a_number(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return f"{shown(value)} is text: leave out the quotes"
    if isinstance(value, str | float):
        return f"{shown(value)} is not a whole number"
    return f"must be a whole number, and is {kind_of(value)}"


def _expected(kind: str) -> str:
    words = {
        "bool_type": "true or false",
        "dict_type": "a mapping",
        "model_type": "a mapping",
        "model_attributes_type": "a mapping",
        "tuple_type": "a list",
        "list_type": "a list",
    }
    return words.get(kind, "something else")
