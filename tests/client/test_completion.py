"""Tab."""

from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from chatctl.repl.commands import COMMANDS
from chatctl.repl.completion import ChatCompleter
from chatctl.repl.conversation import Conversation
from tests.client.fakechatd import OTHER_ID, PEER_ID, snapshot


@pytest.fixture
def completer() -> ChatCompleter:
    now: Any = snapshot(rooms=("lobby", "rust", "ruby"))
    conversation = Conversation(now)
    for key, name in (("a" * 52, "Bob"), (OTHER_ID, "bob"), ("c" * 52, "carl"), (PEER_ID, "ann")):
        conversation.meet("lobby", key, name)
    conversation.meet("rust", "d" * 52, "bert")
    return ChatCompleter(conversation)


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        ("/pe", ["/peers"]),
        ("/H", ["/help", "/history "]),
        ("/join ru", ["/join #ruby", "/join #rust"]),
        ("/leave #R", ["/leave #ruby", "/leave #rust"]),
        ("/join #lo", ["/join #lobby"]),
        ("/peers x", []),
        ("/nothing x", []),
        ("//pe", []),
        ("hello", []),
        ("bo", ["bob~zz27: ", "Bob~aaaa: "]),
        ("hi @ca", ["hi @carl "]),
        ("/me pokes ca", ["/me pokes carl "]),
        ("be", []),  # of another room
        ("an", []),  # ourselves
        ("carl ", []),
        ("/block b", ["/block bob~zz27", "/block Bob~aaaa"]),
        ("/alias C", ["/alias carl~cccc"]),
        ("", []),
    ],
)
def test_tab_completes(completer: ChatCompleter, typed: str, lines: list[str]) -> None:
    found = completer.get_completions(Document(typed), CompleteEvent())
    assert [typed[: len(typed) + item.start_position] + item.text for item in found] == lines


def test_tab_on_a_slash_shows_every_command(completer: ChatCompleter) -> None:
    found = list(completer.get_completions(Document("/"), CompleteEvent()))
    assert [item.text.strip() for item in found] == [f"/{name}" for name in COMMANDS]
