"""The folders a daemon keeps its files in: its own, or refused."""

import grp
import os
import pwd
import shlex
import stat
from pathlib import Path

from chatcore.errors import LocalError


class FolderUnusable(LocalError):
    kind = "folder_unusable"


def make_folder(path: Path, flag: str) -> None:
    """Where it is missing. Raises FolderUnusable; `flag` chooses another."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unmade(path, (error.strerror or str(error)).lower(), flag) from error
    refuse_folder(path, flag)


def refuse_folder(path: Path, flag: str) -> None:
    """Where it could not be made or written to, or is not its user's alone. Raises FolderUnusable."""
    there = existing(path)
    if not there.is_dir():
        raise _unmade(path, f"{there} is not a folder", flag)
    if (why := refusal(there)) is not None:
        raise _unmade(path, why, flag)
    found = there.stat()
    if there == path and others_may_replace(found):
        mode = stat.S_IMODE(found.st_mode)
        raise FolderUnusable(
            f"others on this machine may replace what is in {path} (mode {mode:04o})",
            f"chmod go-w {shlex.quote(str(path))}, or choose another folder with {flag}",
        )


def _unmade(path: Path, why: str, flag: str) -> FolderUnusable:
    what = "use" if path.is_dir() else "make"
    return FolderUnusable(f"cannot {what} the folder {path}: {why}", f"choose another with {flag}")


def existing(path: Path) -> Path:
    """It, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def refusal(path: Path) -> str | None:
    """Why we may not write to what is there. Root may, but for a file system that takes nothing."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"the file system that {path} is on is read-only"
    wanted = os.W_OK | (os.X_OK if path.is_dir() else 0)
    if os.access(path, wanted, effective_ids=True):
        return None
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    return f"user {_user(os.geteuid())} may not write to {path} (mode {mode:04o}, of {_owner(found)})"


def _owner(found: os.stat_result) -> str:
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    return f"{_user(found.st_uid)}:{group}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def others_may_replace(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_ISVTX:  # only the owner of a file may take it away, as in /tmp
        return False
    # A group of the user's own number is nobody else's, and many systems let it write by default.
    shared_group = found.st_gid != found.st_uid
    return bool(found.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if shared_group else 0)))
