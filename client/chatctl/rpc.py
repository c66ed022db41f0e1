"""A synchronous JSON-RPC client over a Unix socket: one call, one connection, nothing heavy to import."""

import http.client
import socket
from typing import Any

from chatctl import jsonrpc, reach
from chatctl.env import Place
from chatctl.jsonrpc import NotJsonRpc, Params

DEFAULT_TIMEOUT_S = 10.0
MIN_TIMEOUT_S = 0.001
MAX_TIMEOUT_S = 86_400.0
MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""A thousand texts of 16 KiB, each character escaped to six."""

_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("chatd", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


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
            why = str(error) if status == http.client.OK else f"HTTP status {status}"
            raise reach.bad_answer(self._place, why) from error

    def _post(self, body: str) -> tuple[int, bytes]:
        connection = _UnixConnection(self._place.socket, self._timeout_s)
        try:
            connection.request("POST", "/rpc", body.encode(), _HEADERS)
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER_BYTES + 1)
            if response.length and len(answer) <= MAX_ANSWER_BYTES:
                raise reach.went_away(self._place)  # cut off before its Content-Length was reached
        except TimeoutError as error:
            raise reach.timed_out(self._place, self._timeout_s) from error
        except (http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
            raise reach.went_away(self._place) from error
        except OSError as error:
            raise reach.unreachable(self._place, error) from error
        except http.client.HTTPException as error:
            raise reach.bad_answer(self._place, "it does not speak HTTP") from error
        finally:
            connection.close()
        if len(answer) > MAX_ANSWER_BYTES:
            raise reach.bad_answer(self._place, f"its answer is over {MAX_ANSWER_BYTES} bytes")
        return response.status, answer
