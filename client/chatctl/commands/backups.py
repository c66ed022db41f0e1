"""`backup` and `restore`: everything a node is, in one encrypted file and back."""

import contextlib
import glob
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from chatctl import candidates
from chatctl.commands.answering import MISSHAPEN, answer
from chatctl.failures import BadUsage, CannotRestore, ClientFailure
from chatctl.invocation import Invocation
from chatctl.options import Command, path
from chatctl.progress import Progress, of_bytes
from chatctl.safetext import clean_line

BACKUP_TIMEOUT_S = 3600.0
MAX_PASSPHRASE_BYTES = 4096
VARIABLE = "CHATD_PASSPHRASE"

PASSPHRASE_FILE = click.Option(
    ["--passphrase-file"],
    type=path,
    metavar="FILE",
    help=f"Take the passphrase from its first line.  [env: {VARIABLE}]",
    shell_complete=candidates.files,
)


@click.command(
    "backup",
    cls=Command,
    params=[PASSPHRASE_FILE],
    examples=(
        ("chatctl backup ~/chat.backup", "identity, history and settings, encrypted"),
        ("chatctl backup FILE --passphrase-file F", "for a script"),
    ),
)
@click.argument("file", type=path, metavar="FILE", shell_complete=candidates.files)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def backup_command(told: Invocation, file: str, passphrase_file: str | None, force: bool) -> None:
    """Write identity, history and settings of the running daemon into one encrypted file."""
    status = told.rpc().call("node.status")  # nobody types a passphrase twice for a daemon that is not there
    target = Path(file).absolute()
    params = {
        "path": str(target),
        "passphrase": _passphrase(told, passphrase_file, twice=True),
        "force": force,
    }
    with Progress(told.env.stderr, "backed up").growing(_size_of(status), lambda: _written(target)):
        made = told.rpc(max(told.timeout_s, BACKUP_TIMEOUT_S)).call("node.backup", params)

    def show(shown: Any) -> None:
        told.say(f"{clean_line(shown['path'])}: {shown['bytes']} bytes; without its passphrase it is lost")

    answer(told, "node.backup", made, show)


def _size_of(status: Any) -> int:
    """Of the store, which is nearly all of a backup."""
    try:
        return int(status["store"]["used_bytes"])
    except MISSHAPEN:
        return 0


def _written(target: Path) -> int:
    """How much there is of a backup under way: the daemon writes here, beside it, and answers at the end."""
    try:
        return max(part.stat().st_size for part in target.parent.glob(f".{glob.escape(target.name)}.*.part"))
    except (OSError, ValueError):  # not begun, or done just now
        return 0


@click.command(
    "restore",
    cls=Command,
    params=[PASSPHRASE_FILE],
    examples=(("chatctl restore ~/chat.backup --home /new", "into a home that is empty"),),
)
@click.argument("file", type=path, metavar="FILE", shell_complete=candidates.files)
@click.option("--no-wait", is_flag=True, help="Let it send at once; only when the old node is gone for good.")
@click.pass_obj
def restore_command(told: Invocation, file: str, passphrase_file: str | None, no_wait: bool) -> None:
    """Make a home of a backup; needs no daemon.

    The restored node sends nothing before it has caught up with a peer.
    """
    passphrase = _passphrase(told, passphrase_file, twice=False)
    command = [sys.executable, "-P", "-m", "chatd.restore", file]
    home = told.home or told.env.variables.get("CHATD_HOME")
    command += ["--home", home] if home else []
    command += ["--no-wait"] if no_wait else []
    result = _run(told, command, passphrase)
    if "error" in result:
        raise CannotRestore(result["error"], result["hint"])

    def show(shown: Any) -> None:
        told.say(f"{clean_line(shown['home'])} is restored; start it: {told.place.start}")
        if shown["waits"]:
            told.say("it sends nothing before it has caught up with a peer")

    answer(told, "restore", result, show)


def _run(told: Invocation, command: list[str], passphrase: str) -> Any:
    """Its last line is the answer, each before it how far it is. When this one is interrupted it is, too."""
    paths = os.pathsep.join(path for path in sys.path if path)
    variables = {**told.env.variables, "PYTHONPATH": paths}
    progress = Progress(told.env.stderr, "restored")
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables)
    try:
        said = _answer(child, passphrase, progress)
    except BaseException:
        child.terminate()
        raise
    finally:
        child.wait()
        progress.end()
    if not isinstance(said, dict) or "total" in said:
        raise ClientFailure("chatd could not be run to restore it", "see what it said above")
    return said


def _answer(child: "subprocess.Popen[bytes]", passphrase: str, progress: Progress) -> Any:
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(passphrase.encode())
    said: Any = None
    with child.stdout:
        for line in child.stdout:
            try:
                said = json.loads(line)
                if "total" in said:
                    progress.show(said["done"] / said["total"], of_bytes(said["done"], said["total"]))
            except MISSHAPEN:
                said = None
    return said


def _passphrase(told: Invocation, source: str | None, *, twice: bool) -> str:
    """From the file, else the environment, else the terminal; never a flag, which others would see."""
    if source is not None:
        return _checked(_from_file(source))
    if VARIABLE in told.env.variables:
        return _checked(told.env.variables[VARIABLE])
    if not told.env.stdin.isatty():
        raise BadUsage("there is no passphrase", f"pass --passphrase-file, set {VARIABLE}, or use a terminal")
    import getpass  # noqa: PLC0415 - only asking needs it

    passphrase = _checked(getpass.getpass("Passphrase: "))
    if twice and getpass.getpass("Again: ") != passphrase:
        raise BadUsage("the two are not the same", "try again")
    return passphrase


def _from_file(source: str) -> str:
    try:
        with Path(source).open("rb") as file:
            data = file.read(MAX_PASSPHRASE_BYTES)
        return data.decode().splitlines()[0] if data else ""
    except OSError as error:
        raise BadUsage(
            f"{source}: {(error.strerror or str(error)).lower()}", "check --passphrase-file"
        ) from error
    except UnicodeDecodeError as error:
        raise BadUsage(f"{source} is not UTF-8", "check --passphrase-file") from error


def _checked(passphrase: str) -> str:
    if not passphrase:
        raise BadUsage("the passphrase is empty", "choose one that nobody guesses")
    return passphrase
