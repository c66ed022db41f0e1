"""The identity's and the network key's files: made once, read at start, for the owner's eyes only."""

import os
import re
import secrets
import stat
from pathlib import Path

from chatcore.errors import BadKeyFile
from chatcore.handshake import KEY_BYTES
from chatcore.identity import KEY_FILE_MAX_BYTES, SEED_BYTES, Identity

_HEX_KEY = re.compile(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}")


def load_or_create_identity(path: Path) -> tuple[Identity, bool]:
    """The identity in `path`, and whether it was made just now. Raises BadKeyFile."""
    if path.exists() or path.is_symlink():
        return read_identity(path), False
    identity = Identity(secrets.token_bytes(SEED_BYTES))
    _write_new(path, identity.to_key_file())
    return identity, True


def read_identity(path: Path) -> Identity:
    """Raises BadKeyFile."""
    text = _read_private(path, "identity")
    try:
        return Identity.from_key_file(text)
    except BadKeyFile as error:
        raise BadKeyFile(
            f"identity key {path}: {error}",
            "restore it from a backup, or move it away to start as somebody new",
        ) from error


def load_network_key(path: Path) -> bytes:
    """32 bytes, written as 64 hexadecimal digits. Raises BadKeyFile."""
    text = _read_private(path, "network").strip()
    if not _HEX_KEY.fullmatch(text):
        raise BadKeyFile(
            f"network key {path}: it is not {2 * KEY_BYTES} hexadecimal digits",
            "make one with: openssl rand -hex 32, and give every member the same file",
        )
    return bytes.fromhex(text)


def _read_private(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise BadKeyFile(
                    f"{what} key {path}: others on this machine may read or change it (mode {mode:04o})",
                    f"chmod 600 {path}",
                )
            data = file.read(KEY_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise BadKeyFile(
            f"{what} key {path}: {(error.strerror or str(error)).lower()}",
            "check the path and its permissions",
        ) from error
    if len(data) > KEY_FILE_MAX_BYTES or not data.isascii():
        raise BadKeyFile(f"{what} key {path}: it is not a key file", "check the path")
    return data.decode("ascii")


def _write_new(path: Path, text: str) -> None:
    """All of it or nothing, on disk before anybody acts under the name it gives."""
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise BadKeyFile(
            f"identity key {path}: cannot be written: {(error.strerror or str(error)).lower()}",
            "choose a writable folder with --home",
        ) from error
