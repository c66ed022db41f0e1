"""What is said from standard input: all of it as one message, or each line as it comes."""

import contextlib
from collections.abc import Iterator

from chatcore.texts import MAX_TEXT_BYTES
from chatctl.failures import BadUsage, ClientFailure
from chatctl.invocation import Invocation

_LINE_END_BYTES = len("\r\n")


def whole(told: Invocation) -> str:
    """Raises BadUsage for what is no message."""
    if told.env.stdin.isatty():
        told.say("reading the message from the terminal; Ctrl-D on an empty line sends it")
    return _text(told.env.stdin.read(MAX_TEXT_BYTES + _LINE_END_BYTES + 1))


def lines(told: Invocation) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, as soon as it is there.

    The next one is read when it is asked for, so that whoever writes them waits for us.
    """
    if told.env.stdin.isatty():
        told.say("each line is sent as a message; Ctrl-D on an empty line ends it")
    number = 0
    while data := told.env.stdin.readline(MAX_TEXT_BYTES + _LINE_END_BYTES + 1):
        number += 1
        with at_line(number):
            text = _text(data)
            check_size(text)
        if text.strip():
            yield number, text


@contextlib.contextmanager
def at_line(number: int) -> Iterator[None]:
    """Within it a failure says at which line it came."""
    try:
        yield
    except ClientFailure as failure:
        failure.args = (f"line {number}: {failure}",)
        raise


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if len(data) > MAX_TEXT_BYTES:
            raise _too_long() from error  # cut inside a character, perhaps
        raise BadUsage(
            "standard input is not valid UTF-8", "convert it first, for example with iconv"
        ) from error
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def check_size(text: str) -> None:
    """Raises BadUsage."""
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise _too_long()


def _too_long() -> BadUsage:
    return BadUsage(
        f"the message is over {MAX_TEXT_BYTES} bytes ({MAX_TEXT_BYTES // 1024} KiB)",
        "split it into several; with --lines each line is one",
    )
