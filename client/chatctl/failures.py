"""What can go wrong for a client, and the exit status each ends a command with.

An error is one sentence and, apart from it, what to do about it. Knows no streams and no sockets.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any


class ExitStatus(IntEnum):
    """Stable: scripts rely on them."""

    OK = 0
    REFUSED = 1
    UNREACHABLE = 2
    USAGE = 3
    UNDELIVERED = 4  # queued and not delivered within the time asked for
    TIMED_OUT = 5
    INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class ClientFailure(Exception):
    """`str()` says what is wrong, `hint` what to do. `kind` is for programs; the exit status's if empty."""

    kind = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RpcRefused(ClientFailure):
    """The daemon understood and said no. `code` and `kind` are those of the API table."""

    def __init__(
        self,
        code: int,
        message: str,
        kind: str = "",
        hint: str = "",
        data: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.message = message
        self.kind = kind
        self.data = data


class CannotRestore(ClientFailure):
    """The backup is none, or the home not empty."""

    kind = "cannot_restore"


class DaemonUnreachable(ClientFailure):
    """No daemon answers at `path`. `transient` when waiting may help, as for one that is starting."""

    def __init__(self, path: str, why: str, hint: str = "", *, transient: bool = True) -> None:
        super().__init__(why, hint)
        self.path = path
        self.why = why
        self.transient = transient


class NoDaemon(DaemonUnreachable):
    """None runs at `path`; starting one helps."""


class MaybeDone(DaemonUnreachable):
    """It had the request and went away; asking again might do it twice."""


class BadAnswer(DaemonUnreachable):
    """Something answers, and not as a chatd of our version does."""

    def __init__(self, path: str, why: str, hint: str = "check --home and --socket") -> None:
        super().__init__(path, why, hint, transient=False)


class ApiMismatch(BadAnswer):
    """A chatd with a local API of another time than this client. `theirs` is empty where it did not say."""

    def __init__(self, path: str, theirs: str, ours: int) -> None:
        said = f"version {theirs}" if theirs else "no version we know"
        super().__init__(
            path,
            f"the daemon at {path} speaks {said} of the local API, this client version {ours}",
            "install the same chatd for both, then start the daemon again",
        )


class TimedOut(ClientFailure):
    def __init__(self, what: str, seconds: float, hint: str) -> None:
        super().__init__(f"{what} within {seconds:g} s", hint)
        self.seconds = seconds


class Undelivered(ClientFailure):
    """Kept by the daemon, and nobody is known to have it yet."""


class BadUsage(ClientFailure):
    """The command line or its input is wrong; the daemon was not asked."""


class OutputFailed(ClientFailure):
    """Standard output takes no more, and not because its reader left."""


EXIT_STATUS: dict[type[ClientFailure], ExitStatus] = {
    RpcRefused: ExitStatus.REFUSED,
    DaemonUnreachable: ExitStatus.UNREACHABLE,
    NoDaemon: ExitStatus.UNREACHABLE,
    MaybeDone: ExitStatus.UNREACHABLE,
    BadAnswer: ExitStatus.UNREACHABLE,
    ApiMismatch: ExitStatus.UNREACHABLE,
    TimedOut: ExitStatus.TIMED_OUT,
    CannotRestore: ExitStatus.REFUSED,
    Undelivered: ExitStatus.UNDELIVERED,
    BadUsage: ExitStatus.USAGE,
    OutputFailed: ExitStatus.REFUSED,
}


def exit_status(failure: ClientFailure) -> ExitStatus:
    return EXIT_STATUS.get(type(failure), ExitStatus.REFUSED)
