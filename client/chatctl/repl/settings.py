"""What the REPL is told by the `[chat]` table of config.toml; the rest of the file is the daemon's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatctl.failures import BadUsage
from chatctl.themes import DEFAULT, Theme, themed

TABLE = "chat"
MAX_CONFIG_BYTES = 256 * 1024
"""As the daemon takes."""

_SWITCHES = ("bell", "plain")


@dataclass(frozen=True, slots=True)
class ChatSettings:
    bell: bool = True
    """Rings when somebody names us."""

    plain: bool = False
    """As `--plain`."""

    theme: Theme = DEFAULT


def load(path: str | None) -> ChatSettings:
    """Of a file that need not exist. Raises BadUsage, which says what is wrong and where."""
    data = b"" if path is None else _read(Path(path))
    if TABLE.encode() not in data:
        return ChatSettings()
    import tomllib  # noqa: PLC0415 - few have such a table

    try:
        table = tomllib.loads(data.decode()).get(TABLE, {})
    except (ValueError, RecursionError) as error:  # the latter for arrays nested hundreds deep
        raise BadUsage(f"{path}: not valid TOML: {str(error).splitlines()[0]}", "mend the file") from error
    return _of_table(table, str(path))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise BadUsage(f"{path}: {(error.strerror or str(error)).lower()}", "see who may read it") from error
    if len(data) > MAX_CONFIG_BYTES:
        raise BadUsage(f"{path}: over {MAX_CONFIG_BYTES} bytes", "is it the right file?")
    return data


def _of_table(table: Any, path: str) -> ChatSettings:
    where = f"{path}: [{TABLE}]"
    if not isinstance(table, dict):
        raise BadUsage(f"{path}: {TABLE} must be a table", f"write it as [{TABLE}]")
    for key, value in table.items():
        if key in _SWITCHES:
            if not isinstance(value, bool):
                raise BadUsage(f"{where}: {key} must be true or false", "mend the file")
        elif key != "theme":
            raise BadUsage(f"{where}: unknown key {key[:40]!r}", f"known are: {', '.join(_SWITCHES)}, theme")
    theme = table.get("theme", {})
    if not isinstance(theme, dict):
        raise BadUsage(f"{where}: theme must be a table", f"write it as [{TABLE}.theme]")
    switches = {key: table[key] for key in _SWITCHES if key in table}
    return ChatSettings(**switches, theme=themed(theme, f"{path}: [{TABLE}.theme]"))
