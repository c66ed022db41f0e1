"""What outlives one chat: how far each room was read, and which keys went by which name.

One small file for all identities of a user. What cannot be read or written is forgotten, never an error: only
a few marks are lost.
"""

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 8 * 1024 * 1024
"""More than the caps below make up: a name has at most 64 bytes, a key 52."""

MAX_IDENTITIES = 4
MAX_ROOMS = 1024
MAX_NAMES = 4096
MAX_KEYS_A_NAME = 4


@dataclass(slots=True)
class Memory:
    """`read`: the last message seen of each room, by its `seq`. `names`: the keys that went by each folded
    name, the first one first. Both have at their end what was used last."""

    read: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    limit: int | None = None
    """Marks in the file above this `seq` are of another store, and say nothing."""

    saved: str = field(default="", compare=False)
    """What was written last; empty where nothing was."""

    @classmethod
    def load(cls, path: str | None, peer_id: str, seq: int) -> "Memory":
        """`seq` is the last message there is in this store."""
        found = _document(path).get(peer_id)
        memory = _of_json(found) if isinstance(found, dict) else cls()
        if any(mark > seq for mark in memory.read.values()):
            memory.read, memory.limit = _upto(memory.read, seq), seq
        return memory

    def start_over(self, seq: int) -> None:
        """Another store answers, whose last message this is."""
        self.read.clear()
        self.limit = seq

    def save(self, path: str | None, peer_id: str) -> None:
        """Beside what another chat has written meanwhile: the further mark holds. Nothing, where nothing has
        changed since."""
        ours = json.dumps([peer_id, self.read, self.names])
        if path is None or ours == self.saved:
            return
        document = _document(path)
        before = _of_json(document.pop(peer_id, {}))
        read = before.read if self.limit is None else _upto(before.read, self.limit)
        for room, mark in self.read.items():
            read[room] = max(mark, read.pop(room, 0))
        names = dict(before.names)
        for name, keys in self.names.items():
            others = [key for key in names.pop(name, []) if key not in keys]
            names[name] = [*keys, *others][:MAX_KEYS_A_NAME]
        document[peer_id] = {"read": _last(read, MAX_ROOMS), "names": _last(names, MAX_NAMES)}
        _write(Path(path), json.dumps(_last(document, MAX_IDENTITIES)))
        self.saved, self.limit = ours, None


def _upto(read: dict[str, int], seq: int) -> dict[str, int]:
    return {room: mark for room, mark in read.items() if mark <= seq}


def _last(entries: dict[str, Any], most: int) -> dict[str, Any]:
    return dict(list(entries.items())[-most:])


def _document(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        found = json.loads(data) if len(data) <= MAX_FILE_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_json(found: Any) -> Memory:
    read, names = (found.get(key) if isinstance(found, dict) else None for key in ("read", "names"))
    memory = Memory()
    if isinstance(read, dict):
        memory.read = {room: seq for room, seq in read.items() if type(seq) is int and seq >= 0}
    if isinstance(names, dict):
        memory.names = {
            name: [key for key in keys if isinstance(key, str)][:MAX_KEYS_A_NAME]
            for name, keys in names.items()
            if isinstance(keys, list)
        }
    return memory


def _write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
            Path(new).replace(path)
        except OSError:
            Path(new).unlink(missing_ok=True)
            raise
