"""The folders a daemon keeps its files in: its own, or refused."""

import os
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
        found = path.stat()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise FolderUnusable(
            f"cannot make the folder {path}: {why}", f"choose another with {flag}"
        ) from error
    if others_may_replace(found):
        mode = stat.S_IMODE(found.st_mode)
        raise FolderUnusable(
            f"others on this machine may replace what is in {path} (mode {mode:04o})",
            f"{protection(path)}, or choose another folder with {flag}",
        )


def protection(path: Path) -> str:
    """The command that keeps others out."""
    return f"chmod go-w {shlex.quote(str(path))}"


def others_may_replace(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_ISVTX:  # only the owner of a file may take it away, as in /tmp
        return False
    # A group of the user's own number is nobody else's, and many systems let it write by default.
    shared_group = found.st_gid != found.st_uid
    return bool(found.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if shared_group else 0)))
