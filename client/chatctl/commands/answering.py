"""From a method to what the user sees: call it, then JSON as it came or text for people."""

from collections.abc import Callable
from typing import Any

from chatctl.failures import BadAnswer
from chatctl.invocation import Invocation
from chatctl.jsonrpc import Params

MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What reading a result of another shape than the API table's comes to."""


def ask(told: Invocation, method: str, params: Params | None, show: Callable[[Any], None]) -> None:
    """Calls `method`; `show` gets the result unless JSON is wanted."""
    answer(told, method, told.rpc().call(method, params), show)


def answer(told: Invocation, method: str, result: Any, show: Callable[[Any], None]) -> None:
    if told.as_json:
        told.document(result)
        return
    try:
        show(result)
    except BrokenPipeError:
        raise
    except MISSHAPEN as error:
        raise misshapen(method) from error


def misshapen(method: str) -> BadAnswer:
    return BadAnswer(
        "",
        f"the daemon's answer to {method} has a shape this client does not know",
        "update the older of the two",
    )
