"""`python -m chatd.restore FILE [--home DIR] [--no-wait]`: out of a backup, into a home that is empty.

A local operation that needs no daemon; `chatctl restore` runs it. The passphrase comes on standard input, the
answer is the last line of standard output, a JSON object; lines before it tell how far it is. Everything is
read and checked before anything gets its name.
"""

import argparse
import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from chatcore.errors import LocalError
from chatcore.identity import KEY_FILE_MAX_BYTES, Identity
from chatcore.paths import Paths
from chatd.backup import CONFIG, DATA, IDENTITY, MANIFEST, NETWORK_KEY, end_orderly
from chatd.store import restored
from chatd.store.folder import sync_folder
from chatd.vault import VaultUnreadable, read_vault

MAX_SMALL_BYTES = 256 * 1024
TELL_BYTES = 4 * 1024 * 1024
"""How much is read before it is told how far it is."""

_FULL = (errno.ENOSPC, errno.EDQUOT)

_SMALL = (MANIFEST, IDENTITY, NETWORK_KEY, CONFIG)


class CannotRestore(LocalError):
    kind = "cannot_restore"


def restore(backup: Path, passphrase: str, paths: Paths, *, wait: bool) -> dict[str, Any]:
    """Raises CannotRestore, VaultUnreadable or OSError; then there is nothing where there was nothing."""
    home, config = Path(paths.key).parent, Path(paths.config)
    _check_empty(home, config)
    home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{home.name}.restore-", dir=home.parent))
    outside: Path | None = None
    try:
        small = _unpack(backup, passphrase, staging)
        identity = Identity.from_key_file(small[IDENTITY].decode("ascii"))
        if wait:
            created_ms = json.loads(small[MANIFEST])["created_ms"]
            _write(staging / "store" / restored.NAME, f"{created_ms}\n".encode())
        settings = small[CONFIG].decode()
        if NETWORK_KEY in small:
            _write(staging / NETWORK_KEY, small[NETWORK_KEY])
            settings += f"network-key = {json.dumps(str(home.absolute() / NETWORK_KEY))}\n"
        if config.parent == home:
            _write(staging / config.name, settings.encode())
        elif not config.exists():
            config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _naming(config), _create(config) as file:
                outside = config
                _fill(file, settings.encode())
        sync_folder(staging / "store")
        sync_folder(staging)
        staging.rename(home)  # over an empty folder, too
        sync_folder(home.parent)
    finally:
        if outside is not None and staging.exists():  # the next restore would refuse because of it
            outside.unlink(missing_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
    return {"home": str(home), "peer_id": str(identity.peer_id), "waits": wait}


def _check_empty(home: Path, config: Path) -> None:
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise CannotRestore(f"{home} is not empty", "choose another with --home, or move it away")
    if config.parent != home and config.exists():
        raise CannotRestore(f"{config} exists already", "move it away, or choose a folder with --home")


def _unpack(backup: Path, passphrase: str, staging: Path) -> dict[str, bytes]:
    """The store onto the disk, the small files into memory, all of them checked to the last byte."""
    small: dict[str, bytes] = {}
    (staging / "store").mkdir(mode=0o700)
    size = backup.stat().st_size
    told = 0
    with backup.open("rb") as source, _create(staging / DATA) as data:
        for name, piece in _read(source, passphrase, backup):
            if source.tell() - told >= TELL_BYTES:
                told = source.tell()
                print(json.dumps({"done": told, "total": size}), flush=True)  # noqa: T201 - for chatctl
            if name == DATA:
                data.write(piece)
            elif name in _SMALL:
                small[name] = small.get(name, b"") + piece
                if len(small[name]) > MAX_SMALL_BYTES:
                    raise VaultUnreadable(f"its {name} is too long", "take another copy of the backup")
        data.flush()
        os.fsync(data.fileno())
        if data.tell() == 0 or not {MANIFEST, IDENTITY, CONFIG} <= small.keys():
            raise VaultUnreadable("it lacks a part", "make another backup")
    if len(small[IDENTITY]) > KEY_FILE_MAX_BYTES:
        raise VaultUnreadable("its identity is none", "make another backup")
    _write(staging / IDENTITY, small[IDENTITY])
    return small


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """The system does not say where a read or a write failed. All but these are the home's."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _read(source: BinaryIO, passphrase: str, backup: Path) -> Iterator[tuple[str, bytes]]:
    """Not what fails where the pieces go: that is raised outside."""
    with _naming(backup):
        yield from read_vault(source, passphrase)


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _write(path: Path, data: bytes) -> None:
    with _create(path) as file:
        _fill(file, data)


def _fill(file: IO[bytes], data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def main() -> int:
    parser = argparse.ArgumentParser(prog="chatd.restore")
    parser.add_argument("file")
    parser.add_argument("--home")
    parser.add_argument("--no-wait", action="store_true")
    arguments = parser.parse_args()
    passphrase = sys.stdin.buffer.read().decode(errors="surrogateescape").removesuffix("\n")
    paths = Paths.resolve(arguments.home, os.environ)
    os.umask(0o077)
    end_orderly()
    try:
        answer = restore(Path(arguments.file), passphrase, paths, wait=not arguments.no_wait)
    except LocalError as error:
        answer = {"error": f"{arguments.file}: {error}", "hint": error.hint}
        if isinstance(error, CannotRestore):
            answer["error"] = str(error)
    except OSError as error:
        where = error.filename or Path(paths.key).parent
        full = "free disk space there, or choose another folder with --home"
        hint = full if error.errno in _FULL else "check the path"
        answer = {"error": f"{where}: {(error.strerror or str(error)).lower()}", "hint": hint}
    except KeyboardInterrupt:
        answer = {"error": f"{arguments.file}: it was interrupted", "hint": "nothing was made of it"}
    except (ValueError, KeyError):
        answer = {"error": f"{arguments.file}: what it holds makes no sense", "hint": "make another backup"}
    print(json.dumps(answer))  # noqa: T201 - what chatctl reads
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
