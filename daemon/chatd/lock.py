"""One daemon per home and per store: an flock, which the kernel lets go of however the process dies."""

import fcntl
import os
from pathlib import Path
from typing import Self

from chatcore.errors import LocalError


class AlreadyRunning(LocalError):
    kind = "already_running"


class CannotLock(LocalError):
    kind = "cannot_lock"


def holder_of(path: Path) -> int | None:
    """The process that holds the lock. Asks without taking it: that would turn away a daemon that starts."""
    try:
        inode = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text(errors="replace").splitlines()
    except OSError:
        return None
    held = [line.split() for line in lines if " -> " not in line]
    # `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`, proc(5)
    found = [fields for fields in held if len(fields) > 5 and fields[5].rpartition(":")[2] == inode]
    return int(found[0][4]) if found else None


def refuse_lock(path: Path, flag: str = "--home") -> None:
    """Raises AlreadyRunning or CannotLock where a `Lock` would; makes and takes nothing."""
    if os.path.lexists(path):
        os.close(_open(path, 0, flag))
    if (holder := holder_of(path)) is not None:
        raise _running(path, str(holder), flag)


def _open(path: Path, more: int, flag: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | more, 0o600)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CannotLock(
            f"cannot make the lock {path}: {why}", f"choose another folder with {flag}"
        ) from error


def _running(path: Path, holder: str, flag: str) -> AlreadyRunning:
    return AlreadyRunning(
        f"a daemon is already running on {path.parent} (process {holder})",
        f"use that one, or choose another folder with {flag}",
    )


class Lock:
    """Held until `close()`; `flag` is what chooses another folder. Raises AlreadyRunning or CannotLock."""

    def __init__(self, path: Path, flag: str = "--home") -> None:
        self._descriptor = _open(path, os.O_CREAT, flag)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise _running(path, holder, flag) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
