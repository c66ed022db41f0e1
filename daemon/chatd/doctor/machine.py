"""The disk and the limits of this machine: may it be written to, is there space, are there files to open."""

import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import size
from chatd.folders import existing, refusal
from chatd.links import MAX_CALLERS

NEARLY_FULL_BYTES = 512 * 1024 * 1024
FULL_BYTES = 16 * 1024 * 1024
"""What the store's largest groups of messages take, and removing some."""

OWN_FILES = 64
"""The store, the loop, the API's socket and some clients."""


@dataclass(frozen=True, slots=True)
class Disk:
    """`refuses`: why nothing can be written there."""

    folder: Path
    free_bytes: int
    refuses: str | None = None


@dataclass(frozen=True, slots=True)
class Files:
    limit: int
    open: int
    max_peers: int


def disk_at(folder: Path) -> Disk:
    """The folder itself, or what is to hold it."""
    there = existing(folder)
    return Disk(folder, shutil.disk_usage(there).free, refusal(there))


def files_now(max_peers: int) -> Files:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Files(soft, len(os.listdir("/proc/self/fd")), max_peers)  # noqa: PTH208 - descriptors, not files


def check_disk(disk: Disk) -> Verdict:
    free = f"{size(disk.free_bytes)} free for {disk.folder}"
    if disk.refuses is not None:
        return Verdict(
            "disk",
            State.BROKEN,
            f"nothing can be stored in {disk.folder}",
            disk.refuses,
            "make it writable for the user who runs chatd, or choose another folder with --home or --db-path",
        )
    if disk.free_bytes < NEARLY_FULL_BYTES:
        full = disk.free_bytes < FULL_BYTES
        return Verdict(
            "disk",
            State.BROKEN if full else State.WARN,
            f"only {free}",
            "the disk is full" if full else "the disk is nearly full",
            "free disk space; --retain and --max-store keep the store small",
        )
    return Verdict("disk", State.OK, free)


def check_files(files: Files) -> Verdict:
    wanted = files.max_peers + MAX_CALLERS + OWN_FILES
    fix = f"raise the limit: ulimit -n {2 * wanted}, or LimitNOFILE={2 * wanted} in the unit"
    if files.open >= files.limit - OWN_FILES // 4:
        cause = f"{files.open} files are open, of {files.limit} that may be"
        return Verdict("files", State.BROKEN, "no more connections can be opened", cause, fix)
    if files.limit < wanted:
        cause = f"{files.max_peers} peers and their callers take {wanted} files, {files.limit} may be open"
        return Verdict("files", State.WARN, "connections may run out under load", cause, fix)
    return Verdict("files", State.OK, f"{files.open} of {files.limit} open")
