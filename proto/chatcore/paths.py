"""Where a node keeps what: one rule for the daemon that makes the files and the clients that look.

Knows the XDG base directories; refuses to touch the disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_SOCKET_PATH_BYTES = 107
"""sun_path holds 108 bytes with its closing zero (unix(7))."""


@dataclass(frozen=True, slots=True)
class Paths:
    config: str
    """The TOML file; need not exist."""

    key: str
    store: str
    lock: str
    socket: str
    chat: str
    """What the REPL remembers: how far each room was read."""

    @classmethod
    def resolve(cls, home: str | None, environ: Mapping[str, str]) -> "Paths":
        """`home` (or CHATD_HOME) keeps everything in one folder; otherwise each kind has its XDG place."""
        home = home or environ.get("CHATD_HOME") or None
        if home is not None:
            base = home.rstrip("/") or "/"
            return cls(
                config=f"{base}/config.toml",
                key=f"{base}/identity.key",
                store=f"{base}/store",
                lock=f"{base}/chatd.lock",
                socket=f"{base}/chatd.sock",
                chat=f"{base}/chat.json",
            )
        user = environ.get("HOME", "") or "/"
        config = environ.get("XDG_CONFIG_HOME") or f"{user}/.config"
        data = environ.get("XDG_DATA_HOME") or f"{user}/.local/share"
        state = environ.get("XDG_STATE_HOME") or f"{user}/.local/state"
        runtime = environ.get("XDG_RUNTIME_DIR") or state
        return cls(
            config=f"{config}/chatd/config.toml",
            key=f"{data}/chatd/identity.key",
            store=f"{data}/chatd/store",
            lock=f"{data}/chatd/chatd.lock",
            socket=f"{runtime}/chatd/chatd.sock",
            chat=f"{state}/chatd/chat.json",
        )
