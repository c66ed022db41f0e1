"""What to do about a failure, in the words of the chat: the daemon's own hints speak of chatctl."""

import re

from chatctl.failures import ClientFailure, TimedOut
from chatctl.repl.commands import COMMANDS

_OURS = {
    re.compile(r"join it first: chatctl join '(\S+)'"): r"come into it with /join \1",
    re.compile(r"chatctl history --json shows ids"): "/ids shows ids",
    re.compile(r"the id that send printed"): "the id that /ids shows",
}
"""Where the command of the chat has another form."""

_COMMAND = re.compile(r"\bchatctl (\w+)")


def hint_of(failure: ClientFailure) -> str:
    if isinstance(failure, TimedOut):
        return "it may still do it; /status tells how it is doing"
    hint = failure.hint
    for theirs, ours in _OURS.items():
        hint = theirs.sub(ours, hint)
    return _COMMAND.sub(_in_the_chat, hint)


def _in_the_chat(found: re.Match[str]) -> str:
    """Unless only chatctl has it."""
    return f"/{found[1]}" if found[1] in COMMANDS else found[0]
