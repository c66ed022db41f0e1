"""JSON-RPC 2.0 seen from the client: a request out, a result or a refusal in. Knows no transport."""

import json
from collections.abc import Mapping
from typing import Any

from chatctl.failures import BadUsage, RpcRefused
from chatctl.limits import MAX_REQUEST_BYTES

Params = Mapping[str, Any] | list[Any] | tuple[Any, ...]

METHOD_NOT_FOUND = -32601  # JSON-RPC 2.0, section 5.1


class NotJsonRpc(ValueError):
    """Not an answer in the sense of JSON-RPC 2.0."""


def request(number: int, method: str, params: Params | None) -> str:
    """Raises BadUsage for one that no daemon takes."""
    document: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
    if not isinstance(params, Mapping | list | tuple | None):
        raise BadUsage(f"the params of {method} are neither by name nor in order", "pass a dict or a list")
    if params:
        document["params"] = dict(params) if isinstance(params, Mapping) else params
    try:
        text = json.dumps(document, allow_nan=False)  # ASCII: as many bytes as characters
    except (TypeError, ValueError, RecursionError) as error:
        why = f"the params of {method} cannot be written as JSON: {error}"
        raise BadUsage(why, "pass texts, numbers, lists and dicts of them") from error
    if len(text) > MAX_REQUEST_BYTES:
        raise BadUsage(
            f"a call of {method} would have {len(text)} bytes, the daemon takes {MAX_REQUEST_BYTES}",
            "split it",
        )
    return text


def parse(data: str | bytes | bytearray) -> dict[str, Any]:
    """Raises NotJsonRpc."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotJsonRpc("it is not JSON") from error
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        raise NotJsonRpc("it is not JSON-RPC 2.0")
    return document


def result_of(document: dict[str, Any]) -> Any:
    """Raises RpcRefused for an error object, NotJsonRpc for neither a result nor an error."""
    if "error" in document:
        raise _refusal(document["error"])
    if "result" not in document:
        raise NotJsonRpc("it holds neither a result nor an error")
    return document["result"]


def _refusal(error: Any) -> RpcRefused:
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        raise NotJsonRpc("its error has no code")
    data = error.get("data")
    data = data if isinstance(data, dict) else {}
    message = str(error.get("message") or f"refused with code {error['code']}")
    return RpcRefused(error["code"], message, str(data.get("kind") or ""), str(data.get("hint") or ""), data)
