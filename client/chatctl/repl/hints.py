"""What to do about a failure, in the words of the chat: the daemon's own hints speak of chatctl."""

import re

from chatctl.failures import ClientFailure, RpcRefused, TimedOut
from chatctl.repl.commands import COMMANDS

_OURS = {
    "not_in_room": "come into one with /join ROOM",
    "unknown_message": "/ids shows the ids; ten digits are enough",
    "no_such_message": "/ids shows the ids; ten digits are enough",
}
"""By the kind of refusal, where a command of another form is meant than the hint names."""

_COMMAND = re.compile(r"\bchatctl (\w+)")


def hint_of(failure: ClientFailure) -> str:
    if isinstance(failure, TimedOut):
        return "it may still do it; /status tells how it is doing"
    ours = _OURS.get(failure.kind) if isinstance(failure, RpcRefused) else None
    return ours or _COMMAND.sub(_in_the_chat, failure.hint)


def _in_the_chat(found: re.Match[str]) -> str:
    """Unless only chatctl has it."""
    return f"/{found[1]}" if found[1] in COMMANDS else found[0]
