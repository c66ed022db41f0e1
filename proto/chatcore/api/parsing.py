"""Parameters of a call, from JSON into the class its method names. Knows no method."""

import dataclasses
import types
import typing
from typing import Any

from chatcore.errors import LocalError

MAX_PARAM_CHARS = 64 * 1024


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
    types_of = typing.get_type_hints(kind)
    values = {}
    for item in fields:
        if item.name in params:
            _check(item, types_of[item.name], params[item.name])
            values[item.name] = params[item.name]
        elif item.default is dataclasses.MISSING:
            raise InvalidParams(f"parameter {item.name!r} is missing", _usage(kind))
    return kind(**values)


def _check(item: "dataclasses.Field[Any]", wanted: Any, value: Any) -> None:
    allowed = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    if type(value) not in [typing.get_origin(kind) or kind for kind in allowed]:
        names = " or ".join("null" if kind is types.NoneType else kind.__name__ for kind in allowed)
        raise InvalidParams(f"parameter {item.name!r} must be {names}, not {type(value).__name__}")
    least, most = item.metadata.get("least"), item.metadata.get("most")
    if type(value) is int and least is not None and most is not None and not least <= value <= most:
        raise InvalidParams(f"parameter {item.name!r} must be {least} to {most}, not {value}")
    if type(value) is list:
        _check_items(item, value)
    if type(value) is str and len(value) > MAX_PARAM_CHARS:
        raise InvalidParams(f"parameter {item.name!r} is over {MAX_PARAM_CHARS} characters")


def _check_items(item: "dataclasses.Field[Any]", values: list[Any]) -> None:
    """A list's length always has a cap; its items may be of a few words only."""
    least_items, most_items = item.metadata.get("least_items", 0), item.metadata["most_items"]
    if len(values) > most_items:
        raise InvalidParams(f"parameter {item.name!r} has {len(values)} items, over {most_items}")
    if len(values) < least_items:
        raise InvalidParams(f"parameter {item.name!r} is empty", "leave it out for all of them")
    among: tuple[str, ...] = item.metadata.get("among", ())
    for value in values if among else ():
        if value not in among:
            shown = f"{value[:40]!r}" if isinstance(value, str) else type(value).__name__
            raise InvalidParams(f"parameter {item.name!r} takes no {shown}", f"it takes {', '.join(among)}")


def _usage(kind: type[Any]) -> str:
    names = [item.name for item in dataclasses.fields(kind)]
    return f"parameters: {', '.join(names)}" if names else "it takes no parameters"
