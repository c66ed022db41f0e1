"""A synchronous JSON-RPC client over a Unix socket: one call, one connection, nothing heavy to import."""

from typing import Any

from chatctl import jsonrpc, reach, unixhttp
from chatctl.env import Place
from chatctl.failures import TimedOut
from chatctl.jsonrpc import NotJsonRpc, Params

DEFAULT_TIMEOUT_S = 10.0
MIN_TIMEOUT_S = 0.001
MAX_TIMEOUT_S = 86_400.0
HTTP_OK = 200
MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""A thousand texts of 16 KiB, each character escaped to six."""


class Rpc:
    """Calls the daemon at a place; `timeout_s` is how long each read from it may take."""

    def __init__(self, place: Place, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        reach.check_length(place)
        self._place = place
        self._timeout_s = timeout_s

    def call(self, method: str, params: Params | None = None) -> Any:
        """Raises RpcRefused, DaemonUnreachable, BadAnswer or TimedOut."""
        status, body = self._post(jsonrpc.request(1, method, params))
        try:
            return jsonrpc.result_of(jsonrpc.parse(body))
        except NotJsonRpc as error:
            why = str(error) if status == HTTP_OK else f"HTTP status {status}"
            raise reach.bad_answer(self._place, why) from error

    def _post(self, body: str) -> tuple[int, bytes]:
        path, timeout_s = self._place.socket, self._timeout_s
        try:
            status, answer = unixhttp.post(path, "/rpc", body.encode(), timeout_s, MAX_ANSWER_BYTES)
        except TimeoutError as error:
            raise TimedOut(
                f"no answer from the daemon at {path}",
                timeout_s,
                "it may still do it; give it longer with --timeout",
            ) from error
        except unixhttp.CutOff as error:
            raise reach.went_away(self._place) from error
        except OSError as error:
            raise reach.unreachable(self._place, error) from error
        except unixhttp.NotHttp as error:
            raise reach.bad_answer(self._place, "it does not speak HTTP") from error
        if len(answer) > MAX_ANSWER_BYTES:
            raise reach.bad_answer(self._place, f"its answer is over {MAX_ANSWER_BYTES} bytes")
        return status, answer
