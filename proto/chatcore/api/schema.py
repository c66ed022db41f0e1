"""JSON Schema (draft 7) of the table's types: parameter classes, and TypedDicts and what they are made of."""

import dataclasses
import types
import typing
from typing import Any

Schema = dict[str, Any]
Definitions = dict[str, Schema]

_PLAIN: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    types.NoneType: "null",
}


def of(kind: Any, definitions: Definitions) -> Schema:
    """The schema of a type; a TypedDict's goes into `definitions`, once, and is referred to."""
    if kind is Any:
        return {}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return {"type": "array", "items": of(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": of(arguments[1], definitions)}
    if origin in (types.UnionType, typing.Union):
        return _either([of(each, definitions) for each in arguments])
    if not typing.is_typeddict(kind):
        raise TypeError(f"{kind!r} has no JSON Schema here")
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # so that a type that holds itself comes to an end
        definitions[kind.__name__] = _object(kind, definitions)
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _either(schemas: list[Schema]) -> Schema:
    if all(set(schema) == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _object(kind: Any, definitions: Definitions) -> Schema:
    """More properties may come with a newer daemon."""
    hints = typing.get_type_hints(kind)
    schema: Schema = {
        "type": "object",
        "properties": {name: of(hint, definitions) for name, hint in hints.items()},
        "required": [name for name in hints if name in kind.__required_keys__],
    }
    doc = description(kind)
    return {"description": doc, **schema} if doc else schema


def parameter(item: "dataclasses.Field[Any]", hint: Any) -> Schema:
    """What `parse_params` takes for one field of a parameter class."""
    schema = of(hint, {})
    limits = item.metadata
    if "least" in limits:
        schema = {**schema, "minimum": limits["least"], "maximum": limits["most"]}
    if "most_items" in limits:
        schema = {**schema, **_items(schema, limits)}
    if item.default is not dataclasses.MISSING:
        schema = {**schema, "default": item.default}
    return schema


def _items(schema: Schema, limits: typing.Mapping[str, Any]) -> Schema:
    items: Schema = {"type": "string", "enum": list(limits["among"])} if "among" in limits else {}
    array: Schema = {"type": "array", "items": items, "maxItems": limits["most_items"]}
    if "least_items" in limits:
        array["minItems"] = limits["least_items"]
    return {"anyOf": [array, {"type": "null"}]} if "anyOf" in schema else array


def description(kind: Any) -> str:
    """Its docstring as one paragraph; a dataclass without one has a signature instead, which says nothing."""
    text = kind.__doc__ or ""
    return "" if text.startswith(f"{kind.__name__}(") else " ".join(text.split())
