"""Whether what a daemon answers is what the table says. A field that is in no table is a fault here, though
clients are to ignore it."""

from functools import cache
from typing import Any

import jsonschema

from chatcore.api import TOPICS, openrpc

Json = dict[str, Any]


def misfits(method: str, result: Any) -> list[str]:
    """Why it is not a result of that method."""
    return _misfits(_method(method)["result"]["schema"], result)


def event_misfits(event: Json) -> list[str]:
    """Why it is not an event."""
    (events,) = (item for item in openrpc.document()["x-notifications"] if "topics" in item)
    schemas = {topic["name"]: topic["data"] for topic in events["topics"]}
    assert schemas.keys() >= TOPICS.keys()
    return _misfits({"$ref": "#/components/schemas/Event"}, event) or _misfits(
        schemas[event["topic"]], event["data"]
    )


def hello_misfits(params: Json) -> list[str]:
    return _misfits({"$ref": "#/components/schemas/Hello"}, params)


def params_misfit(method: str, params: Json) -> list[str]:
    """Why a method does not take these, by name."""
    told = _method(method)["params"]
    schema = {
        "type": "object",
        "properties": {item["name"]: item["schema"] for item in told},
        "required": [item["name"] for item in told if item["required"]],
        "additionalProperties": False,
    }
    return _misfits(schema, params)


def _method(name: str) -> Json:
    found: Json = next(item for item in openrpc.document()["methods"] if item["name"] == name)
    return found


def _misfits(schema: Json, value: Any) -> list[str]:
    validator = jsonschema.Draft7Validator({**schema, "components": _strict_components()})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@cache
def _strict_components() -> Json:
    schemas: Json = openrpc.document()["components"]["schemas"]
    return {"schemas": {name: {**schema, "additionalProperties": False} for name, schema in schemas.items()}}


# Of examples


def differences(method: str, example: Any, real: Any) -> list[str]:
    """Where an example of the table has other keys, or values of other kinds, than what a daemon answered."""
    return _differences(_method(method)["result"]["schema"], example, real, "$")


def _differences(schema: Json, example: Any, real: Any, path: str) -> list[str]:
    """null is like anything: whether it may be, the schema says. So is what no schema tells of."""
    if not schema or example is None or real is None:
        return []
    if type(example) is not type(real):
        return [f"{path}: {_kind(example)} in the example, {_kind(real)} in the answer"]
    if isinstance(example, list):
        return _items_differ(_of(schema, "items"), example, real, path)
    if isinstance(example, dict) and "properties" not in _resolved(schema):  # its keys are names
        return _items_differ(_of(schema, "additionalProperties"), [*example.values()], [*real.values()], path)
    if isinstance(example, dict):
        found = [f"{path}: {key} is in one alone" for key in sorted(example.keys() ^ real.keys())]
        fields = _resolved(schema)["properties"]
        for key in example.keys() & real.keys():
            found += _differences(fields[key], example[key], real[key], f"{path}.{key}")
        return found
    return []


def _items_differ(schema: Json, examples: list[Any], reals: list[Any], path: str) -> list[str]:
    """Each is to be like one of the other's; an empty list shows nothing of what it holds."""
    if not reals or not examples:
        return [f"{path}: nothing in one alone"] if bool(reals) != bool(examples) else []
    found = [[_differences(schema, each, real, path + "[]") for each in examples] for real in reals]
    nearest = [min(each, key=len) for each in (*found, *zip(*found, strict=True))]
    return sorted({line for lines in nearest for line in lines})


def _kind(value: Any) -> str:
    return type(value).__name__


def _of(schema: Json, what: str) -> Json:
    inner: Json = _resolved(schema).get(what) or {}
    return inner


def _resolved(schema: Json) -> Json:
    """Without null, and what it refers to."""
    for each in schema.get("anyOf", ()):
        if each != {"type": "null"}:
            return _resolved(each)
    if "$ref" in schema:
        found: Json = openrpc.document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema
