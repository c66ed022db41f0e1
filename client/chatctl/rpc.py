"""A synchronous JSON-RPC client over a Unix socket: one call, one connection, nothing heavy to import.

HTTP is h11's; http.client would bring the standard library's mail parser along.
"""

import socket
from http import HTTPStatus
from typing import Any

import h11

from chatctl import jsonrpc, reach
from chatctl.jsonrpc import NotJsonRpc, Params
from chatctl.limits import DEFAULT_TIMEOUT_S, MAX_ANSWER_BYTES
from chatctl.place import Place

READ_BYTES = 64 * 1024


class Rpc:
    """Calls the daemon at a place; `timeout_s` is how long each read from it may take."""

    def __init__(self, place: Place, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        reach.check_length(place)
        self._place = place
        self._timeout_s = timeout_s

    def call(self, method: str, params: Params | None = None) -> Any:
        """Raises RpcRefused, DaemonUnreachable, BadAnswer, TimedOut, or BadUsage for what none takes."""
        status, body = self._post(jsonrpc.request(1, method, params).encode())
        try:
            return jsonrpc.result_of(jsonrpc.parse(body))
        except NotJsonRpc as error:
            why = str(error) if status == HTTPStatus.OK else f"HTTP status {status}"
            raise reach.bad_answer(self._place, why) from error

    def _post(self, body: bytes) -> tuple[int, bytearray]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(self._timeout_s)
                link.connect(self._place.socket)
                http = h11.Connection(h11.CLIENT)
                events = (_head_of(body), h11.Data(body), h11.EndOfMessage())
                link.sendall(b"".join(http.send(event) or b"" for event in events))
                return self._answer(link, http)
        except TimeoutError as error:
            raise reach.timed_out(self._place, self._timeout_s) from error
        except OSError as error:
            raise reach.unreachable(self._place, error) from error

    def _answer(self, link: socket.socket, http: h11.Connection) -> tuple[int, bytearray]:
        status, body = 0, bytearray()
        while len(body) <= MAX_ANSWER_BYTES:
            match self._next(link, http):
                case h11.Response(status_code=status):
                    pass
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage():
                    return status, body
        raise reach.bad_answer(self._place, f"its answer is over {MAX_ANSWER_BYTES} bytes")

    def _next(self, link: socket.socket, http: h11.Connection) -> object:
        """The next event of the answer."""
        ended = False
        try:
            while (event := http.next_event()) is h11.NEED_DATA:
                data = link.recv(READ_BYTES)
                ended = not data
                http.receive_data(data)
        except h11.RemoteProtocolError as error:
            if ended:
                raise reach.went_away(self._place) from error
            raise reach.bad_answer(self._place, "it does not speak HTTP") from error
        return event


def _head_of(body: bytes) -> h11.Request:
    headers = {
        "Host": "chatd",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    return h11.Request(method="POST", target="/rpc", headers=list(headers.items()))
