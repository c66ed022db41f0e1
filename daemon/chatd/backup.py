"""Everything a node is, in one encrypted file: made by a child process while the daemon runs.

`python -m chatd.backup` reads one JSON request on standard input (the passphrase must not stand on a command
line), and answers with one JSON object. A child, because the copy and Argon2id would hold up the daemon.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

from chatcore import __version__
from chatcore.api import Backup, BackupParams
from chatcore.errors import BackupFailed, LocalError
from chatcore.identity import KEY_FILE_MAX_BYTES
from chatd.amounts import DAY_MS
from chatd.settings import Settings
from chatd.store.copying import snapshot
from chatd.store.folder import sync_folder
from chatd.vault import MAX_PASSPHRASE_CHARS, VaultWriter

MANIFEST, IDENTITY, NETWORK_KEY, CONFIG, DATA = (
    "manifest.json",
    "identity.key",
    "network.key",
    "config.toml",
    "store/data.mdb",
)


class Backups:
    """Makes a backup of one running daemon."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def make(self, params: BackupParams) -> Backup:
        """Raises BackupFailed."""
        self._check(params)
        paths = self._settings.paths
        request = {
            "path": params.path,
            "force": params.force,
            "passphrase": params.passphrase,
            "identity": paths.key,
            "network_key": str(self._settings.network_key or ""),
            "store": paths.store,
            "config": settings_text(self._settings),
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # nothing from the folder it happens to stand in
            "-m",
            "chatd.backup",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        try:
            said, _ = await child.communicate(json.dumps(request).encode())
        finally:
            if child.returncode is None:  # it takes away what it has begun
                child.terminate()
                await child.wait()
        answer: dict[str, Any] = (
            json.loads(said) if said else {"error": "it ended before it was done", "hint": "try again"}
        )
        if "error" in answer:
            raise BackupFailed(f"no backup at {params.path}: {answer['error']}", answer["hint"])
        return {"path": params.path, "bytes": int(answer["bytes"])}

    def _check(self, params: BackupParams) -> None:
        target = Path(params.path)
        if not self._settings.persist:
            raise BackupFailed("this node keeps nothing on disk", "run it without --no-persist")
        if not 1 <= len(params.passphrase) <= MAX_PASSPHRASE_CHARS:
            raise BackupFailed(f"a passphrase has 1 to {MAX_PASSPHRASE_CHARS} characters", "choose another")
        if not target.is_absolute() or "\0" in params.path:
            raise BackupFailed(f"{params.path!r} is not an absolute path", "write it from / on")
        try:
            os.fsencode(target)
        except UnicodeEncodeError as error:
            raise BackupFailed(f"{params.path!r} is not valid Unicode", "choose another name") from error
        if target.is_dir():
            raise BackupFailed(f"{target} is a folder", "name a file in it")
        if target.exists() and not params.force:
            raise BackupFailed(f"{target} exists already", "choose another name, or pass --force")
        if not target.parent.is_dir():
            raise BackupFailed(f"there is no folder {target.parent}", "make it first")


def settings_text(settings: Settings) -> str:
    """The settings that make a node the same somewhere else, as TOML."""
    node, policy = settings.node, settings.policy
    lines = [f"username = {_quoted(node.username)}", f"network = {_quoted(node.network)}"]
    if node.bootstrap:
        lines.append(f"bootstrap = [{', '.join(map(_quoted, node.bootstrap))}]")
    if settings.port:
        lines.append(f"port = {settings.port}")
    if not settings.mdns:
        lines.append("mdns = false")
    if policy.retain_ms is not None:
        lines.append(f'retain = "{policy.retain_ms // DAY_MS}d"')
    most = policy.most_bytes
    lines.append(f'max-store = "{"unlimited" if most is None else f"{most >> 20}MiB"}"')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a basic string of TOML is one of JSON


def main() -> None:
    """The child's part."""
    end_orderly()
    request = json.load(sys.stdin)
    target = Path(request["path"])
    try:
        answer: dict[str, Any] = {"bytes": _write(target, request)}
    except LocalError as error:
        answer = {"error": str(error), "hint": error.hint}
    except KeyboardInterrupt:
        answer = {"error": "it was interrupted", "hint": "try again"}
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        answer = {"error": why, "hint": "choose another place, or free disk space"}
    print(json.dumps(answer))  # noqa: T201 - what the parent reads


def end_orderly() -> None:
    """In a child: the first signal to end is a KeyboardInterrupt, and no other disturbs the tidying up.

    With Ctrl-C two come: the terminal's own, and the parent's.
    """

    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def _write(target: Path, request: dict[str, Any]) -> int:
    """Under another name until all of it is on disk."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            vault = VaultWriter(file, request["passphrase"])
            manifest = {"created_ms": time.time_ns() // 1_000_000, "version": __version__}
            _add(vault, MANIFEST, json.dumps(manifest).encode())
            _add(vault, IDENTITY, _small(Path(request["identity"])))
            if request["network_key"]:
                _add(vault, NETWORK_KEY, _small(Path(request["network_key"])))
            _add(vault, CONFIG, request["config"].encode())
            vault.begin(DATA)
            for chunk in snapshot(Path(request["store"])):
                vault.add(chunk)
            vault.finish()
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if request["force"]:
            temporary.rename(target)
        else:
            _name(temporary, target)
        sync_folder(target.parent)
        return size
    finally:
        temporary.unlink(missing_ok=True)


def _name(temporary: Path, target: Path) -> None:
    """Unlike a rename alone this replaces nothing that came meanwhile. Raises FileExistsError."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the name is taken first
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        temporary.rename(target)


def _small(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(KEY_FILE_MAX_BYTES)


def _add(vault: VaultWriter, name: str, data: bytes) -> None:
    vault.begin(name)
    vault.add(data)


if __name__ == "__main__":
    main()
