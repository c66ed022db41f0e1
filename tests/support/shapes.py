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
