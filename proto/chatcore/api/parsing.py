"""Parameters of a call, from JSON into the class its method names. Knows no method."""

import dataclasses
import functools
import types
import typing
from typing import Any

from chatcore.errors import LocalError

MAX_PARAM_CHARS = 64 * 1024

_WORDS: dict[type[Any], str] = {
    str: "text",
    int: "a whole number",
    float: "a number with a point",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    types.NoneType: "null",
}
_WRITTEN: dict[type[Any], str] = {
    str: 'in double quotes, as in "lobby"',
    int: "without quotes or a point, as in 50",
    bool: "true or false, without quotes",
    list: 'in brackets, as in ["message"]',
}


class InvalidParams(LocalError):
    """A parameter is missing, unknown, of the wrong type or out of its range."""

    kind = "invalid_params"


def parse_params(kind: type[Any], params: list[Any] | dict[str, Any]) -> Any:
    """Positional or named JSON values as an instance of a parameter class.

    Raises:
        InvalidParams: one is missing, unknown, of the wrong type or out of its range.
    """
    fields = dataclasses.fields(kind)
    if isinstance(params, list):
        if len(params) > len(fields):
            raise InvalidParams(f"{len(params)} parameters, at most {len(fields)} are taken", _usage(kind))
        params = {item.name: value for item, value in zip(fields, params, strict=False)}
    known = {item.name for item in fields}
    for name in params:
        if name not in known:
            raise InvalidParams(f"unknown parameter {name[:40]!r}", _usage(kind))
    types_of = _types_of(kind)  # type: ignore[arg-type]  # mypy takes types for unhashable
    values = {}
    for item in fields:
        if item.name in params:
            _check(item, types_of[item.name], params[item.name])
            values[item.name] = params[item.name]
        elif item.default is dataclasses.MISSING:
            raise InvalidParams(f"parameter {item.name!r} is missing", _usage(kind))
    return kind(**values)


@functools.cache
def _types_of(kind: type[Any]) -> dict[str, Any]:
    """Of its fields. To find them out takes longer than all the rest."""
    return typing.get_type_hints(kind)


def _check(item: "dataclasses.Field[Any]", wanted: Any, value: Any) -> None:
    allowed = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    kinds = [typing.get_origin(kind) or kind for kind in allowed]
    if type(value) not in kinds:
        names = " or ".join(_WORDS[kind] for kind in kinds)
        why = f"parameter {item.name!r} must be {names}, not {_WORDS[type(value)]}"
        raise InvalidParams(
            why, " or ".join(f"write it {_WRITTEN[kind]}" for kind in kinds if kind in _WRITTEN)
        )
    least, most = item.metadata.get("least"), item.metadata.get("most")
    if type(value) is int and least is not None and most is not None and not least <= value <= most:
        why = f"parameter {item.name!r} must be {least} to {most}, not {value}"
        raise InvalidParams(why, "give one in between, or leave it out")
    if type(value) is list:
        _check_items(item, value)
    if type(value) is str and len(value) > MAX_PARAM_CHARS:
        raise InvalidParams(f"parameter {item.name!r} is over {MAX_PARAM_CHARS} characters", "shorten it")


def _check_items(item: "dataclasses.Field[Any]", values: list[Any]) -> None:
    """A list's length always has a cap; its items may be of a few words only."""
    least_items, most_items = item.metadata.get("least_items", 0), item.metadata["most_items"]
    if len(values) > most_items:
        why = f"parameter {item.name!r} has {len(values)} items, over {most_items}"
        raise InvalidParams(why, "split it into several calls")
    if len(values) < least_items:
        raise InvalidParams(f"parameter {item.name!r} is empty", "leave it out for all of them")
    among: tuple[str, ...] = item.metadata.get("among", ())
    for value in values if among else ():
        if value not in among:
            shown = f"{value[:40]!r}" if isinstance(value, str) else _WORDS[type(value)]
            raise InvalidParams(
                f"parameter {item.name!r} cannot hold {shown}", f"it takes {', '.join(among)}"
            )


def _usage(kind: type[Any]) -> str:
    names = [item.name for item in dataclasses.fields(kind)]
    return f"parameters: {', '.join(names)}" if names else "it takes no parameters"
