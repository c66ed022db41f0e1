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


class Lock:
    """Held until `close()`; `flag` is what chooses another folder. Raises AlreadyRunning or CannotLock."""

    def __init__(self, path: Path, flag: str = "--home") -> None:
        hint = f"choose another folder with {flag}"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise CannotLock(f"cannot make the lock {path}: {why}", hint) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise AlreadyRunning(
                f"a daemon is already running on {path.parent} (process {holder})",
                f"use that one, or {hint}",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
