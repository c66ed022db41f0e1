"""Whose socket is it? Asked of /proc, as `ss -p` does, so the processes need not help. Linux only."""

import contextlib
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

Endpoint = tuple[str, int]


def owner(near: Endpoint, far: Endpoint, among: Iterable[int]) -> int | None:
    """Which of these processes of ours holds the IPv4 socket from `near` to `far`; None: no longer any."""
    inode = _inode(near, far)
    return None if inode is None else next((pid for pid in among if _holds(pid, inode)), None)


def _inode(near: Endpoint, far: Endpoint) -> str | None:
    """proc(5), /proc/net/tcp: local and remote address in columns 1 and 2, the inode in column 9."""
    wanted = [_in_hex(near), _in_hex(far)]
    with Path("/proc/net/tcp").open() as table:
        return next((row[9] for row in map(str.split, table) if row[1:3] == wanted and row[9] != "0"), None)


def _in_hex(end: Endpoint) -> str:
    """The address as the machine's own integer, whose bytes are in network order."""
    return f"{int.from_bytes(socket.inet_aton(end[0]), sys.byteorder):08X}:{end[1]:04X}"


def _holds(pid: int, inode: str) -> bool:
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as files:
        for file in files:
            with contextlib.suppress(OSError):  # closed while we look
                if os.readlink(file.path) == f"socket:[{inode}]":  # noqa: PTH115 - many, often
                    return True
    return False
