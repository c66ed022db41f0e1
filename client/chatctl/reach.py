"""Why a daemon cannot be reached at a place, in words for its owner. Looks at the disk, opens no socket."""

import errno
import os
import stat

from chatcore.paths import MAX_SOCKET_PATH_BYTES
from chatctl.failures import BadAnswer, BadUsage, DaemonUnreachable, MaybeDone, NoDaemon, TimedOut
from chatctl.place import Place

_NO_SOCKET = (errno.ENOENT, errno.ENOTDIR)
_NOBODY_LISTENS = (errno.ECONNREFUSED, errno.ENOTSOCK, errno.EPROTOTYPE)
_CUT = (errno.ECONNRESET, errno.EPIPE, errno.ESHUTDOWN)


def check_length(place: Place) -> None:
    """Raises BadUsage for a path that no Unix socket can have."""
    size = len(os.fsencode(place.socket))
    if size > MAX_SOCKET_PATH_BYTES:
        raise BadUsage(
            f"the socket path has {size} bytes, the system takes {MAX_SOCKET_PATH_BYTES}: {place.socket}",
            "pass a shorter one with --socket, to chatd as well",
        )


def unreachable(place: Place, error: OSError) -> DaemonUnreachable:
    """The reason behind a failed connect, send or receive."""
    path, start = place.socket, f"start it: {place.start}"
    if error.errno in _NO_SOCKET or error.errno in _NOBODY_LISTENS:
        if is_held(place):
            return DaemonUnreachable(
                path, f"the daemon at {path} is starting or stopping", "wait for it: chatctl status --wait 10"
            )
        if error.errno in _NO_SOCKET:
            return NoDaemon(path, f"no daemon runs at {path}", start)
        if not stat.S_ISSOCK(_mode(path)):
            return DaemonUnreachable(path, f"{path} is not a socket", "check --socket", transient=False)
        return NoDaemon(path, f"nobody answers at {path}, a daemon that no longer runs left it there", start)
    if error.errno in (errno.EACCES, errno.EPERM):
        why = f"you may not open {path}"
        return DaemonUnreachable(path, why, "use it as the user who runs the daemon", transient=False)
    if error.errno == errno.EAGAIN:  # the listen queue is full
        return busy(place)
    if error.errno in _CUT:
        return went_away(place)
    return DaemonUnreachable(path, f"cannot reach the daemon at {path}: {error.strerror or error}", start)


def busy(place: Place) -> DaemonUnreachable:
    """It has as many clients as it takes."""
    return DaemonUnreachable(place.socket, f"the daemon at {place.socket} is too busy to answer", "try again")


def hung_up(place: Place) -> DaemonUnreachable:
    """It took the connection and closed it before anything was asked."""
    why = f"the daemon at {place.socket} closed the connection at once"
    return DaemonUnreachable(place.socket, why, "see whether it runs: chatctl status")


def went_away(place: Place) -> MaybeDone:
    """It took the request and closed before an answer."""
    return MaybeDone(
        place.socket,
        f"the daemon at {place.socket} closed the connection before it answered, and may have done it or not",
        "see whether it runs: chatctl status",
    )


def too_long(place: Place) -> DaemonUnreachable:
    """It hung up on a request of a size that we thought it takes."""
    why = f"the daemon at {place.socket} takes no request as long as this one"
    return DaemonUnreachable(place.socket, why, "split it", transient=False)


def closed_here(place: Place) -> MaybeDone:
    """We closed the connection while a request was under way."""
    return MaybeDone(
        place.socket,
        f"the connection to {place.socket} was closed here before an answer; it may have been done or not",
    )


def timed_out(place: Place, seconds: float) -> TimedOut:
    """It did not answer in time."""
    return TimedOut(
        f"no answer from the daemon at {place.socket}",
        seconds,
        "it may still do it; give it longer (chatctl: --timeout)",
    )


def bad_answer(place: Place, why: str) -> BadAnswer:
    return BadAnswer(place.socket, f"what answers at {place.socket} is not a chatd this client knows: {why}")


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - pathlib costs start-up time
    except OSError:
        return stat.S_IFSOCK  # gone in between


def is_held(place: Place) -> bool:
    """Whether a daemon's process holds the lock; asks without taking it from under one that starts."""
    if place.lock is None:
        return False
    try:
        inode = os.stat(place.lock).st_ino  # noqa: PTH116 - pathlib costs start-up time
        with open("/proc/locks", encoding="ascii", errors="replace") as table:  # noqa: PTH123 - as above
            held = {line.split()[-3].rpartition(":")[2] for line in table if " -> " not in line}
    except (OSError, IndexError):
        return False
    return str(inode) in held
