"""One WebSocket to the daemon: requests out, documents in, and failures in the words of `reach`.

Knows JSON-RPC's frame and the greeting, no method. It speaks to daemons of its own API version only, and says
so otherwise.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from chatctl import jsonrpc, reach
from chatctl.failures import ApiMismatch
from chatctl.jsonrpc import NotJsonRpc, Params
from chatctl.limits import MAX_ANSWER_BYTES
from chatctl.place import Place
from chatctl.safetext import clean_line

API_MAJOR = 1
"""The first number of the local API's version that this client is made for."""

MAX_VERSION_CHARS = 20
"""Of what a daemon says its version is, in a message about it."""

MAX_FRAMES_AHEAD = 4
"""Read and not taken yet. Beyond it nothing is read, so that the daemon holds its events back."""

CLOSE_S = 0.5
"""What the daemon gets to agree that we close."""

_ASKED = 0
"""The number of a question that nobody else's answer can be taken for."""


class Link:
    """`open` gives one. It waits without end: a deadline is for whoever uses it to set."""

    def __init__(self, place: Place, socket: ClientConnection) -> None:
        self._place = place
        self._socket = socket
        self._greeted = False

    @classmethod
    async def open(cls, place: Place) -> "Link":
        """Raises DaemonUnreachable or BadAnswer."""
        with _opening(place):
            socket = await unix_connect(
                place.socket,
                "ws://chatd/ws",
                compression=None,  # it only costs time on one machine
                proxy=None,
                open_timeout=None,
                ping_interval=None,  # a busy daemon is not a dead one; a dead one closes its socket
                close_timeout=CLOSE_S,
                max_size=MAX_ANSWER_BYTES,
                max_queue=MAX_FRAMES_AHEAD,
            )
        return cls(place, socket)

    async def close(self) -> None:
        await self._socket.close()

    async def send(self, number: int, method: str, params: Params | None = None) -> None:
        """`number` is what its answer will bear. Raises BadUsage for one that none takes, or as `receive`."""
        text = jsonrpc.request(number, method, params)
        with _talking(self._place):
            await self._socket.send(text)

    async def receive(self) -> dict[str, Any]:
        """The next answer or notification.

        Raises MaybeDone, BadAnswer, ApiMismatch, or DaemonUnreachable when a request was too long for it.
        """
        document = await self._document()
        if not self._greeted:
            self._check_version(document)
            self._greeted = True
            document = await self._document()
        return document

    async def ask(self, method: str, params: Params | None = None) -> Any:
        """For a connection on which nobody else receives. Raises RpcRefused and BadUsage as well."""
        await self.send(_ASKED, method, params)
        while (document := await self.receive()).get("id") != _ASKED:
            pass
        try:
            return jsonrpc.result_of(document)
        except NotJsonRpc as error:
            raise reach.bad_answer(self._place, str(error)) from error

    async def _document(self) -> dict[str, Any]:
        with _talking(self._place):
            text = await self._socket.recv()
        try:
            return jsonrpc.parse(text)
        except NotJsonRpc as error:
            raise reach.bad_answer(self._place, str(error)) from error

    def _check_version(self, hello: dict[str, Any]) -> None:
        params = hello.get("params") if hello.get("method") == "hello" else None
        version = params.get("api_version") if isinstance(params, dict) else None
        theirs = clean_line(version)[:MAX_VERSION_CHARS] if isinstance(version, str) else ""
        if theirs.partition(".")[0] != str(API_MAJOR):
            raise ApiMismatch(self._place.socket, theirs, API_MAJOR)


@contextmanager
def _opening(place: Place) -> Iterator[None]:
    """Raises DaemonUnreachable or BadAnswer; nothing was asked yet."""
    try:
        yield
    except InvalidStatus as error:
        if error.response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise reach.busy(place) from error
        raise reach.bad_answer(place, f"HTTP status {error.response.status_code}") from error
    except InvalidMessage as error:
        if isinstance(error.__cause__, EOFError):
            raise reach.hung_up(place) from error
        raise reach.bad_answer(place, "it does not speak HTTP") from error
    except ConnectionClosed as error:
        raise reach.hung_up(place) from error
    except (WebSocketException, ValueError) as error:  # the latter for a redirect to elsewhere
        raise reach.bad_answer(place, "it has no WebSocket") from error
    except OSError as error:
        raise reach.unreachable(place, error) from error


@contextmanager
def _talking(place: Place) -> Iterator[None]:
    """Raises MaybeDone, BadAnswer or DaemonUnreachable."""
    try:
        yield
    except ConnectionClosed as error:
        # Whoever hears a code says it again (RFC 6455, section 5.5.1): what counts is who said it first.
        first = error.rcvd if error.rcvd is not None and error.rcvd_then_sent is not False else error.sent
        if first is not None and first.code == CloseCode.MESSAGE_TOO_BIG:
            if first is error.rcvd:
                raise reach.too_long(place) from error
            raise reach.bad_answer(place, f"its answer is over {MAX_ANSWER_BYTES} bytes") from error
        raise reach.went_away(place) from error
