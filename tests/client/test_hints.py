"""What to do, in the words of the chat."""

import pytest

from chatctl.failures import BadUsage, ClientFailure, RpcRefused, TimedOut
from chatctl.repl.hints import hint_of


@pytest.mark.parametrize(
    ("failure", "hint"),
    [
        (RpcRefused(1, "no", "unknown_peer", "as chatctl peers shows them"), "as /peers shows them"),
        (
            RpcRefused(1, "no", "not_in_room", "join it first: chatctl join '#tea'"),
            "come into it with /join #tea",
        ),
        (RpcRefused(1, "no", "outbox_full", "chatctl connect HOST:PORT"), "chatctl connect HOST:PORT"),
        (BadUsage("no", "chatctl doctor; chatctl status"), "/doctor; /status"),
        (
            TimedOut("no answer", 10, "chatctl: --timeout"),
            "it may still do it; /status tells how it is doing",
        ),
        (BadUsage("no"), ""),
    ],
)
def test_commands_of_chatctl_are_named_as_here(failure: ClientFailure, hint: str) -> None:
    assert hint_of(failure) == hint
