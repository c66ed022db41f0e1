"""How a client in another terminal reaches this daemon: command lines that work from any folder and PATH."""

import shlex
import shutil
import sys
from pathlib import Path


def command(client: str, home: str | None, socket: str) -> str:
    """`client` (`chat` or `chatctl`) on this daemon: by its home where that leads to the socket."""
    folder = None if home is None else Path(home).absolute()
    if folder is not None and Path(socket).absolute() == folder / "chatd.sock":
        place = ["--home", str(folder)]
    else:
        place = ["--socket", str(Path(socket).absolute())]
    return shlex.join([_program(client), *place])


def _program(client: str) -> str:
    """Its name when PATH leads to the one installed with us, or else its path."""
    for beside in (sys.argv[0], sys.executable):
        script = Path(beside).absolute().parent / client
        if script.is_file():
            found = shutil.which(client)
            return client if found is not None and Path(found).samefile(script) else str(script)
    return client
