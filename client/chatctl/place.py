"""Where a daemon is to be found, as flags and environment say. Opens nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from chatcore.paths import Paths


@dataclass(frozen=True, slots=True)
class Place:
    """Where a daemon is to be found; `command` puts one there, `lock` is what one holds.

    `config` are the settings, `chat` what the REPL remembers; neither need exist.
    """

    socket: str
    command: tuple[str, ...]
    lock: str | None = None
    config: str | None = None
    chat: str | None = None

    @property
    def start(self) -> str:
        """The command as a shell takes it, to be shown."""
        import shlex  # noqa: PLC0415 - only an error shows it

        return shlex.join(self.command)

    @property
    def stop(self) -> str:
        import shlex  # noqa: PLC0415 - as above

        return shlex.join(["chatctl", *self.command[1:], "stop"])


def locate(home: str | None, socket: str | None, variables: Mapping[str, str]) -> Place:
    """Flags before the environment, a socket before a home of the same rank: as the daemon's settings."""
    if not socket and not home:
        socket = variables.get("CHATD_SOCKET")
    home = home or variables.get("CHATD_HOME") or None
    paths = Paths.resolve(home, variables)
    config = variables.get("CHATD_CONFIG") or paths.config
    # A daemon started by hand elsewhere does not have our environment.
    command = ("chatd", *(("--home", home) if home else ()), *(("--socket", socket) if socket else ()))
    lock = paths.lock if home or not socket else None  # of a socket alone nobody knows whose it is
    return Place(socket or paths.socket, command, lock, config, paths.chat)
