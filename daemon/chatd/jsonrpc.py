"""JSON-RPC 2.0 by jsonrpcserver, behind what it lacks: a capped batch, an error for each bad item of one, no
NaN, and errors that carry `{kind, hint}` and never an exception's own words.

Text in, text out; knows no HTTP.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from jsonrpcserver import Error, Result, Success, async_dispatch_to_serializable

from chatcore import api
from chatcore.errors import LocalError

Handler = Callable[[Any], Awaitable[Any]]
Json = dict[str, Any]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602

_HINTS: dict[int, tuple[str, str]] = {
    PARSE_ERROR: ("parse_error", "send one JSON document"),
    INVALID_REQUEST: ("invalid_request", 'send {"jsonrpc": "2.0", "id": 1, "method": "node.status"}'),
    METHOD_NOT_FOUND: ("method_not_found", f"methods: {', '.join(api.METHODS)}"),
    INVALID_PARAMS: ("invalid_params", "params are an array or an object"),
}

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_escaped = json.JSONEncoder(separators=(",", ":")).encode

log = structlog.get_logger()


class Dispatcher:
    """Answers requests with the given handlers, one per method of the api table."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._methods = {name: _wrap(name, handler) for name, handler in handlers.items()}

    async def answer(self, text: str) -> str | None:
        """The response's text, or None when nothing in the request asks for one."""
        try:
            parsed = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        except (ValueError, RecursionError):
            return _encode(_failure(PARSE_ERROR, "Parse error"))
        if not isinstance(parsed, list):
            single = await self._answer_one(parsed)
            return None if single is None else _encode(single)
        if not parsed:
            return _encode(_failure(INVALID_REQUEST, "Invalid request"))
        if len(parsed) > api.MAX_BATCH_REQUESTS:
            error = api.TooManyRequests(len(parsed))
            return _encode(_failure(INVALID_REQUEST, str(error), dict(api.error_data(error))))
        answers = await asyncio.gather(*(self._answer_one(item) for item in parsed))
        given = [answer for answer in answers if answer is not None]
        return _encode(given) if given else None

    async def _answer_one(self, request: Any) -> Json | None:
        response = await async_dispatch_to_serializable(
            "", methods=self._methods, deserializer=lambda _: {} if isinstance(request, list) else request
        )
        if not isinstance(response, dict):
            return None
        error = response.get("error")
        if error is not None and not isinstance(error.get("data"), dict):
            kind, hint = _HINTS.get(error["code"], ("internal", "see the daemon's log"))
            error["data"] = {"kind": kind, "hint": hint, "retryable": False}
        return response


def _wrap(name: str, handler: Handler) -> Callable[..., Awaitable[Result]]:
    kind = api.METHODS[name].params

    async def call(*args: Any, **kwargs: Any) -> Result:
        try:
            params = api.parse_params(kind, kwargs or list(args))
            return Success(await handler(params))
        except LocalError as error:
            return Error(api.error_code(error), str(error), dict(api.error_data(error)))
        except Exception:
            log.exception("rpc_failed", method=name)
            data = {"kind": "internal", "hint": "this is a bug; see the daemon's log", "retryable": False}
            return Error(api.INTERNAL_ERROR, "Internal error", data)

    return call


def _failure(code: int, text: str, data: Json | None = None) -> Json:
    kind, hint = _HINTS[code]
    data = data or {"kind": kind, "hint": hint, "retryable": False}
    return {"jsonrpc": "2.0", "error": {"code": code, "message": text, "data": data}, "id": None}


def _encode(answer: Any) -> str:
    """JSON that is valid UTF-8 even where a request's id holds half a surrogate pair."""
    text = _compact(answer)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _escaped(answer)
    return text


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is beyond a float")
    return number


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
