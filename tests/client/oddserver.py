"""Something on a Unix socket that is not a well-behaved chatd."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DEADLINE_S = 10.0

Behaviour = Callable[[socket.socket], None]


@contextmanager
def odd_server(path: Path, behave: Behaviour, *, reads: bool = True) -> Iterator[None]:
    """Each connection is handed to `behave` with its request read, and closed after.

    Not `reads`: the request is left unread, as by a daemon that is killed, unless `behave` reads it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link:
                link.settimeout(DEADLINE_S)
                try:
                    if reads:
                        read_request(link)
                    behave(link)
                except OSError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(DEADLINE_S)


def read_request(link: socket.socket) -> bytes:
    """Head and body of one HTTP request."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = link.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += link.recv(65536)
    return body


def says(answer: bytes) -> Behaviour:
    return lambda link: link.sendall(answer)


def answers(body: bytes, status: str = "200 OK") -> Behaviour:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
    return says(head.encode() + body)


def hangs(link: socket.socket) -> None:
    """Until the other side gives up."""
    link.recv(1)
