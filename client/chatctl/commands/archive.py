"""`export` and `import`: messages in a file, one JSON document a line, with all it takes to verify them."""

import contextlib
import io
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import click

from chatctl import candidates
from chatctl.commands.answering import MISSHAPEN, misshapen
from chatctl.commands.reading import pages
from chatctl.failures import BadUsage, ExitStatus, OutputFailed
from chatctl.invocation import Invocation
from chatctl.options import Command, path, utf8
from chatctl.progress import Progress, of_messages
from chatctl.safetext import clean_line

EXPORT_PAGE = 500
MAX_LINE_BYTES = 256 * 1024
"""A text of 16 KiB, each character escaped to six, and its payload in base64 beside it."""

MAX_BATCH = 500
MAX_BATCH_BYTES = 512 * 1024
SENT = ("room", "payload", "signature", "id", "author", "username", "text", "time_ms", "time")
"""Of a line: what makes the message, and what it shows beside that, which the daemon compares with it."""

MAX_PROBLEMS_SHOWN = 20
FILE_MODE = 0o600


@click.command(
    "export",
    cls=Command,
    examples=(
        ("chatctl export -o chat.ndjson", "every message of every room, those left too"),
        ("chatctl export --room rust | gzip > rust.gz", "one room"),
    ),
)
@click.option(
    "--room",
    "-r",
    type=utf8,
    metavar="ROOM",
    help="Only this room.  [default: all]",
    shell_complete=candidates.known_rooms,
)
@click.option(
    "--output",
    "-o",
    type=path,
    metavar="FILE",
    help="Where to; a new file.  [default: standard output]",
    shell_complete=candidates.files,
)
@click.pass_obj
def export_command(told: Invocation, room: str | None, output: str | None) -> None:
    """Write messages out, oldest first, each with its author's signature: import takes them back."""
    with contextlib.ExitStack() as stack:
        output = None if output == "-" else output
        out = told.env.stdout if output is None else stack.enter_context(_new_file(output))
        progress = Progress(told.env.stderr, "exported")
        stack.callback(progress.end)
        try:
            names = [room] if room is not None else _rooms(told)
            count = _export(told, names, out, progress)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(f"cannot write the export: {error.strerror}", "see where it leads") from error
        except MISSHAPEN as error:
            raise misshapen("message.history") from error
    if told.as_json and output is not None:
        told.document({"path": output, "messages": count})
    else:
        told.say(f"{of_messages(count)} exported")


def _rooms(told: Invocation) -> list[str]:
    return sorted(entry["room"] for entry in told.rpc().call("room.list", {"left": True}))


def _export(told: Invocation, names: list[str], out: TextIO, progress: Progress) -> int:
    count = 0
    now_ms = time.time_ns() // 1_000_000
    for number, name in enumerate(names):
        first_ms = None
        for page in pages(told, {"room": name, "after": 0, "signed": True}, EXPORT_PAGE):
            for message in page:
                del message["seq"]  # this node's own, and nobody else's
                out.write(told.to_json(message) + "\n")
            count += len(page)
            first_ms = page[0]["time_ms"] if first_ms is None else first_ms
            share = (page[-1]["time_ms"] - first_ms) / max(1, now_ms - first_ms)
            progress.show((number + min(share, 1)) / len(names), of_messages(count))
    out.flush()
    return count


@contextlib.contextmanager
def _new_file(path: str) -> Iterator[TextIO]:
    """Appears under its name only when it is whole."""
    unfinished = Path(f"{path}.part")
    if os.path.lexists(path) and not (Path(path).is_file() or Path(path).is_symlink()):
        raise BadUsage(f"{path} is no file", "leave out --output, and let the shell direct it: > " + path)
    if os.path.lexists(path):
        raise BadUsage(f"{path} is there already", "choose another name, or remove it first")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise BadUsage(f"cannot write {path}: {error.strerror}", "choose another file") from error
    try:
        with io.open(descriptor, "w", encoding="utf-8") as file:  # noqa: UP020 - a descriptor
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


@dataclass
class _Outcome:
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        self.refused += 1
        self.problems.append({"line": line, "reason": reason})
        self.problems.sort(key=lambda problem: int(problem["line"]))
        del self.problems[MAX_PROBLEMS_SHOWN:]

    def document(self) -> dict[str, Any]:
        return {
            "stored": self.stored,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "problems": self.problems,
        }


@click.command(
    "import",
    cls=Command,
    examples=(
        ("chatctl import chat.ndjson", "what export wrote"),
        ("zcat rust.gz | chatctl import -", "from standard input"),
    ),
)
@click.argument("source", type=path, metavar="FILE|-", shell_complete=candidates.files)
@click.pass_obj
def import_command(told: Invocation, source: str) -> ExitStatus:
    """Store messages that export wrote. Each is verified; those that are here already are left alone.

    Rooms this node has never been in become known, and are not joined. Exit status 1 when some lines were
    refused; all the others are stored.
    """
    outcome = _Outcome()
    with contextlib.ExitStack() as stack:
        file = told.env.stdin if source == "-" else stack.enter_context(_existing(source))
        progress = Progress(told.env.stderr, "imported")
        stack.callback(progress.end)
        size = _size(file)
        done = 0
        for batch in _batches(file, outcome):
            _send(told, batch, outcome)
            done += sum(line.size for line in batch)
            progress.show(done / size if size else 0.0, of_messages(outcome.stored + outcome.duplicates))
    _tell(told, source, outcome)
    return ExitStatus.REFUSED if outcome.refused else ExitStatus.OK


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    size: int
    message: dict[str, Any]
    sent_size: int
    """Of the message as it is sent, in bytes: letters beyond ASCII are longer there."""


def _existing(path: str) -> BinaryIO:
    try:
        return io.open(path, "rb")  # noqa: UP020 - the caller closes it
    except OSError as error:
        raise BadUsage(f"cannot read {path}: {error.strerror}", "check the file's name") from error


def _size(file: BinaryIO) -> int:
    try:
        return os.fstat(file.fileno()).st_size
    except (OSError, ValueError):
        return 0


def _batches(file: BinaryIO, outcome: _Outcome) -> Iterator[list[_Line]]:
    batch: list[_Line] = []
    size = 0
    for line in _lines(file, outcome):
        if batch and (len(batch) >= MAX_BATCH or size + line.sent_size > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += line.sent_size
    if batch:
        yield batch


def _lines(file: BinaryIO, outcome: _Outcome) -> Iterator[_Line]:
    number = 0
    while data := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(data) > MAX_LINE_BYTES:
            outcome.refuse(number, f"it is over {MAX_LINE_BYTES} bytes")
            while data and not data.endswith(b"\n"):
                data = file.readline(MAX_LINE_BYTES)
            continue
        if not data.strip():
            continue
        try:
            document = json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            outcome.refuse(number, "it is not JSON")
            continue
        if not isinstance(document, dict):
            outcome.refuse(number, "it is not a JSON object")
            continue
        # What is neither text nor a whole number the daemon refuses; some, as 1e999, cannot even be sent.
        found = ((name, document[name]) for name in SENT if name in document)
        message = {name: value if type(value) in (str, int) else None for name, value in found}
        yield _Line(number, len(data), message, len(json.dumps(message)))


def _refuse(constant: str) -> None:
    """NaN and Infinity, which JSON has not: with them the daemon would refuse all that is sent at once."""
    raise ValueError(constant)


def _send(told: Invocation, batch: list[_Line], outcome: _Outcome) -> None:
    answer = told.rpc().call("message.import", {"messages": [line.message for line in batch]})
    try:
        outcome.stored += answer["stored"]
        outcome.duplicates += answer["duplicates"]
        for refused in answer["refused"]:
            outcome.refuse(batch[refused["index"]].number, str(refused["reason"]))
    except MISSHAPEN as error:
        raise misshapen("message.import") from error


def _tell(told: Invocation, path: str, outcome: _Outcome) -> None:
    for problem in outcome.problems:
        told.say(f"{path}:{problem['line']}: {clean_line(problem['reason'])}")
    more = outcome.refused - len(outcome.problems)
    if more:
        told.say(f"and {more} more lines like these")
    if told.as_json:
        told.document(outcome.document())
    else:
        told.say(
            f"{outcome.stored} stored, {outcome.duplicates} were here already, {outcome.refused} refused"
        )
