"""Whether a port and the API's socket are free for a daemon: asked before a start makes anything, and by a
look that starts nothing. Takes neither."""

import errno
import socket
from pathlib import Path

from chatcore.errors import LocalError


class SocketTaken(LocalError):
    kind = "socket_taken"


class CannotListen(LocalError):
    kind = "cannot_listen"


def refuse_socket(path: Path) -> bool:
    """Whether the socket of a daemon that is gone is there.

    Raises:
        SocketTaken: somebody answers there, or it is somebody's file.
        OSError: that cannot be told.
    """
    if not path.is_socket():
        if path.exists():
            raise SocketTaken(
                f"{path} is in the way: it is not a socket", "move it, or choose another with --socket"
            )
        _try_to_make(path)
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            pass  # its queue is full: somebody listens, however slowly
        except ConnectionRefusedError:
            return True
    raise SocketTaken(f"another daemon answers on {path}", "stop it, or choose another socket with --socket")


def _try_to_make(path: Path) -> None:
    """Some folders take no socket, whoever asks. Leaves nothing. Raises OSError."""
    if not path.parent.is_dir():
        return  # which is judged with the home
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.bind(str(path))  # nobody can connect: it does not listen
        path.unlink()


def refuse_port(host: str, port: int) -> None:
    """As the loop's `create_server` would go about it. Raises CannotListen."""
    try:
        for family, kind, number, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, number) as trying:
                trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    trying.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                trying.bind(address)
                trying.listen(1)
    except OSError as error:
        raise cannot_listen(host, port, error) from error


def cannot_listen(host: str, port: int, error: OSError) -> CannotListen:
    if error.errno == errno.EADDRINUSE:
        see = f"see who has it: ss -ltnp 'sport = :{port}'"
        return CannotListen(
            f"port {port} is already in use", f"choose another with --port, or 0 for any free one; {see}"
        )
    why = (error.strerror or str(error)).lower()
    return CannotListen(f"cannot listen on {host}, port {port}: {why}", "check --host and --port")


def cannot_open(path: Path, error: OSError) -> CannotListen:
    why = (error.strerror or str(error)).lower()
    return CannotListen(f"cannot open the socket {path}: {why}", "choose another with --socket")
