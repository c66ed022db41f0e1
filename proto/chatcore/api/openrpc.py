"""`rpc.discover`: the table as an OpenRPC 1.3 document (https://spec.open-rpc.org)."""

import dataclasses
import typing
from functools import cache
from typing import Any

from chatcore.api import schema
from chatcore.api.failures import ERROR_CODES, REFUSALS
from chatcore.api.feed import EVENTS_NOTIFICATION, GAP, HELLO_NOTIFICATION, TOPICS, Events, GapEvent, Hello
from chatcore.api.limits import API_VERSION
from chatcore.api.parsing import InvalidParams
from chatcore.api.table import METHODS, Example, Method
from chatcore.errors import ChatError

OPENRPC_VERSION = "1.3.2"

Json = dict[str, Any]


@cache
def document() -> Json:
    """Made once; callers leave it as it is."""
    schemas: schema.Definitions = {}
    methods = [_method(name, method, schemas) for name, method in METHODS.items()]
    notifications = _notifications(schemas)
    errors = {kind.kind: _error(kind) for kind in ERROR_CODES}
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "chatd",
            "version": API_VERSION,
            "description": "The local API of chatd: JSON-RPC 2.0 on a Unix socket, for its owner alone.",
            "license": {"name": "MIT"},
        },
        "methods": methods,
        "components": {"schemas": schemas, "errors": errors},
        "x-notifications": notifications,
    }


def _method(name: str, method: Method, schemas: schema.Definitions) -> Json:
    hints = typing.get_type_hints(method.params)
    told: Json = {
        "name": name,
        "tags": [{"name": name.partition(".")[0]}],
        "summary": method.summary,
        "paramStructure": "either",
        "params": [_parameter(item, hints[item.name]) for item in dataclasses.fields(method.params)],
        "result": {"name": "result", "required": True, "schema": schema.of(method.result, schemas)},
        "errors": [{"$ref": f"#/components/errors/{kind.kind}"} for kind in errors_of(method)],
        "examples": [_example(number, item) for number, item in enumerate(method.examples, 1)],
    }
    if doc := schema.description(method.params):
        told["description"] = doc
    return told


def errors_of(method: Method) -> tuple[type[ChatError], ...]:
    return (InvalidParams, *method.errors)


def _parameter(item: "dataclasses.Field[Any]", hint: Any) -> Json:
    required = item.default is dataclasses.MISSING
    return {"name": item.name, "required": required, "schema": schema.parameter(item, hint)}


def _example(number: int, example: Example) -> Json:
    return {
        "name": f"example {number}",
        "params": [{"name": name, "value": value} for name, value in example.params.items()],
        "result": {"name": "result", "value": example.result},
    }


def _error(kind: type[ChatError]) -> Json:
    code = ERROR_CODES[kind]
    message = REFUSALS[code].when if code in REFUSALS else kind.kind.replace("_", " ")
    return {"code": code, "message": message, "data": {"kind": kind.kind}}


def _notifications(schemas: schema.Definitions) -> list[Json]:
    """OpenRPC knows no notifications from a server; the same shape says what comes over the WebSocket."""
    return [
        {
            "name": HELLO_NOTIFICATION,
            "summary": "the first thing a WebSocket says",
            "params": schema.of(Hello, schemas),
        },
        {
            "name": EVENTS_NOTIFICATION,
            "summary": "what happened, after events.subscribe",
            "params": schema.of(Events, schemas),
            "topics": [
                {"name": name, "summary": topic.summary, "data": schema.of(topic.data, schemas)}
                for name, topic in TOPICS.items()
            ]
            + [
                {
                    "name": GAP,
                    "summary": "this client read too slowly",
                    "data": schema.of(GapEvent, schemas),
                }
            ],
        },
    ]
