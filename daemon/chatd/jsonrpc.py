"""JSON-RPC 2.0 by jsonrpcserver, behind what it lacks: a capped batch, an error for each bad item of one, no
NaN, and errors that carry `{kind, hint}` and never an exception's own words.

Text in, UTF-8 out; knows no HTTP.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import structlog
from jsonrpcserver import Error, Result, Success, async_dispatch_to_serializable

from chatcore import api
from chatcore.api import MAX_BATCH_ANSWER_BYTES
from chatcore.errors import LocalError

Handler = Callable[[Any], Awaitable[Any]]
Turn = Callable[[], Awaitable[None]]
Json = dict[str, Any]
Methods = dict[str, Callable[..., Awaitable[Result]]]

MAX_ITEMS_AT_ONCE = 16
"""In a list of an answer that is put into JSON on the event loop. So many signed messages are 0.5 MB, 4 ms;
a page of 1,000 took a quarter of a second."""

MAX_SHOWN = 40
"""Characters of a name that nobody knows."""

_MEMBERS = frozenset(("jsonrpc", "method", "params", "id"))

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_escaped = json.JSONEncoder(separators=(",", ":")).encode

log = structlog.get_logger()


class Dispatcher:
    """Answers requests with the given handlers, one per method of the api table."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._methods: Methods = {name: _wrap(name, handler) for name, handler in handlers.items()}
        self._too_long: Methods = dict.fromkeys(self._methods, _refuse_too_long)

    async def answer(self, text: str, turn: Turn | None = None) -> bytearray | None:
        """The response, or None when nothing in the request asks for one. `turn` is awaited before an answer
        that may have megabytes is made."""
        try:
            parsed = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        except (ValueError, RecursionError) as flaw:
            return _encode(_failure(api.PARSE_ERROR, f"Parse error: {_why_unread(flaw)}"))
        requests = parsed if isinstance(parsed, list) else [parsed]
        if turn is not None and any(map(_is_bulky, requests)):
            await turn()
        if not isinstance(parsed, list):
            single = await self._answer_one(parsed)
            return None if single is None else await _encode_aside(single)
        if not parsed:
            return _encode(_failure(api.INVALID_REQUEST, "Invalid request: the batch is empty"))
        if len(parsed) > api.MAX_BATCH_REQUESTS:
            error = api.TooManyRequests(len(parsed))
            return _encode(_failure(api.INVALID_REQUEST, str(error), dict(api.error_data(error))))
        return await self._answer_batch(parsed)

    async def _answer_batch(self, requests: list[Any]) -> bytearray | None:
        """Side by side, but for pages: those one after another, so that no more than one is there as objects,
        and none any more once the answers are long enough."""
        answers: dict[int, bytearray] = {}
        bulky = [number for number, request in enumerate(requests) if _is_bulky(request)]

        async def answer(number: int, methods: Methods) -> None:
            given = await self._answer_one(requests[number], methods)
            if given is not None:
                answers[number] = await _encode_aside(given)

        async def answer_in_turn() -> None:
            size = 0
            for number in bulky:
                full = size >= MAX_BATCH_ANSWER_BYTES
                await answer(number, self._too_long if full else self._methods)
                size += len(answers.get(number, b""))

        others = sorted({*range(len(requests))} - {*bulky})
        await asyncio.gather(answer_in_turn(), *(answer(number, self._methods) for number in others))
        if not answers:
            return None
        text = bytearray(b"[")
        for number in sorted(answers):
            text += b"," if len(text) > 1 else b""
            text += answers.pop(number)
        text += b"]"
        return text

    async def _answer_one(self, request: Any, methods: Methods | None = None) -> Json | None:
        response = await async_dispatch_to_serializable(
            "",
            methods=methods or self._methods,
            deserializer=lambda _: request,
            validator=_refuse_flawed,
        )
        if not isinstance(response, dict):
            return None
        error = response.get("error")
        if error is not None and not isinstance(error.get("data"), dict):
            error["data"] = _data(error["code"])
            if error["code"] == api.INVALID_REQUEST:
                error["message"] = f"Invalid request: {_flaw(request)}"
                if isinstance(request, dict) and _is_id(request.get("id")):
                    response["id"] = request.get("id")
            elif error["code"] == api.METHOD_NOT_FOUND:
                error["message"] = f"Method not found: {request['method'][:MAX_SHOWN]!r}"
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
            return Error(api.INTERNAL_ERROR, "Internal error", _data(api.INTERNAL_ERROR))

    return call


async def _refuse_too_long(*_: Any, **__: Any) -> Result:
    error = api.BatchAnswerTooLong()
    return Error(api.error_code(error), str(error), dict(api.error_data(error)))


_BULKY = tuple(name for name, method in api.METHODS.items() if method.bulky)


def _is_bulky(request: Any) -> bool:
    name = request.get("method") if isinstance(request, dict) else None
    return name in _BULKY


def _refuse_flawed(request: Any) -> Any:
    """In place of jsonrpcserver's own check by a JSON schema, which takes longer than all the rest of a call
    and says of no request what is wrong with it."""
    if flaw := _flaw(request):
        raise ValueError(flaw)
    return request


def _flaw(request: Any) -> str:
    """What keeps it from being a request (JSON-RPC 2.0, section 4); empty for one."""
    if not isinstance(request, dict):
        return "it is not an object"
    if request.get("jsonrpc") != "2.0":
        return 'jsonrpc is not "2.0"'
    if not isinstance(request.get("method"), str):
        return "method is not a text"
    if not isinstance(request.get("params", []), list | dict):
        return "params are neither an object nor an array; leave them out for none"
    if not _is_id(request.get("id")):
        return "id is neither a text nor a number; leave it out for no answer"
    if not request.keys() <= _MEMBERS:
        other = min(request.keys() - _MEMBERS)[:MAX_SHOWN]
        return f"it has other members than jsonrpc, method, params and id, such as {other!r}"
    return ""


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int | float | None) and not isinstance(value, bool)


def _why_unread(error: ValueError | RecursionError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg}, at line {error.lineno}, column {error.colno}"
        case RecursionError():
            return "lists and objects are nested too deeply"
        case _:  # our own, or Python's of a number with thousands of digits
            return str(error).partition(";")[0]


def _failure(code: int, text: str, data: Json | None = None) -> Json:
    error = {"code": code, "message": text, "data": data or _data(code)}
    return {"jsonrpc": "2.0", "error": error, "id": None}


def _data(code: int) -> Json:
    """For what JSON-RPC itself refuses."""
    refusal = api.REFUSALS.get(code, api.REFUSALS[api.INTERNAL_ERROR])
    return {"kind": refusal.kind, "hint": refusal.hint, "retryable": False}


async def _encode_aside(answer: Any) -> bytearray:
    """In a thread when it is long: the loop has links to serve."""
    return await asyncio.to_thread(_encode, answer) if _is_long(answer) else _encode(answer)


def _is_long(value: Any) -> bool:
    """Whether somewhere in it stands a list that is."""
    if isinstance(value, list):
        return len(value) > MAX_ITEMS_AT_ONCE or any(_is_long(item) for item in value)
    return isinstance(value, dict) and any(_is_long(item) for item in value.values())


def _encode(answer: Any) -> bytearray:
    """JSON that is valid UTF-8 even where a request's id holds half a surrogate pair."""
    try:
        return _joined(_in_pieces(answer, _compact))
    except UnicodeEncodeError:
        return _joined(_in_pieces(answer, _escaped))


def _joined(pieces: Iterator[str]) -> bytearray:
    """Grown step by step: to join 30 MB in one call holds the interpreter lock for tens of milliseconds."""
    text = bytearray()
    for piece in pieces:
        text += piece.encode()
    return text


def _in_pieces(value: Any, encode: Callable[[Any], str]) -> Iterator[str]:
    """Down to the items of long lists. One call of the encoder holds the interpreter lock until it is done,
    so a thread would help nobody that took a whole page at once."""
    if not _is_long(value):
        yield encode(value)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield "," if number else "["
            yield from _in_pieces(item, encode)
        yield "]"
    else:
        for number, (name, item) in enumerate(value.items()):
            yield f"{',' if number else '{'}{encode(name)}:"
            yield from _in_pieces(item, encode)
        yield "}"


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is beyond a float")
    return number


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
