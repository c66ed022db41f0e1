"""One HTTP POST over a Unix socket. The standard library's client would take a third of a command's time to
import, for mail headers and TLS; ours asks by HTTP/1.0 (RFC 1945), where an answer comes in one piece.

Knows no JSON, and not what an answer means.
"""

import socket

MAX_HEAD_BYTES = 16 * 1024
MAX_HEADERS = 100
_READ_BYTES = 256 * 1024
_END_OF_HEAD = b"\r\n\r\n"


class NotHttp(Exception):
    """What came is no HTTP answer."""


class CutOff(Exception):
    """The connection ended before the answer did."""


def post(address: str, path: str, body: bytes, timeout_s: float, max_bytes: int) -> tuple[int, bytes]:
    """Status and body, of which no more than `max_bytes` + 1 are read. `timeout_s` is for each read.

    Raises NotHttp, CutOff, TimeoutError or another OSError.
    """
    head = (
        f"POST {path} HTTP/1.0\r\nHost: chatd\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        link.connect(address)
        link.sendall(head.encode() + body)
        return _answer(link, max_bytes)


def _answer(link: socket.socket, max_bytes: int) -> tuple[int, bytes]:
    data = bytearray()
    while (end := data.find(_END_OF_HEAD)) < 0:
        if len(data) > MAX_HEAD_BYTES or data[:5] != b"HTTP/"[: len(data)]:
            raise NotHttp
        _read_into(data, link)
    status, wanted = _parsed(bytes(data[:end]))
    del data[: end + len(_END_OF_HEAD)]
    while len(data) <= max_bytes and (wanted is None or len(data) < wanted):
        try:
            _read_into(data, link)
        except CutOff:
            if wanted is not None:
                raise
            break  # without a length its end is the connection's
    return status, bytes(data if wanted is None else data[:wanted])


def _read_into(data: bytearray, link: socket.socket) -> None:
    more = link.recv(_READ_BYTES)
    if not more:
        raise CutOff
    data += more


def _parsed(head: bytes) -> tuple[int, int | None]:
    """Status code, and the body's length if it was told."""
    first, *headers = head.split(b"\r\n")
    words = first.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or len(headers) > MAX_HEADERS:
        raise NotHttp
    pairs = (line.partition(b":") for line in headers)
    length = {name.strip().lower(): value for name, _, value in pairs}.get(b"content-length")
    try:
        return int(words[1]), None if length is None else max(int(length), 0)
    except ValueError as error:
        raise NotHttp from error
