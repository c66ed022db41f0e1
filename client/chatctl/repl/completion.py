"""Tab: commands at the start of a line, rooms where a command takes one."""

from collections.abc import Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatctl.repl.commands import COMMANDS
from chatctl.repl.conversation import Conversation


class ChatCompleter(Completer):
    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        del complete_event  # Tab is the only one; its name is prompt-toolkit's
        typed = document.text_before_cursor
        if not typed.startswith("/") or typed.startswith("//"):
            return
        name, space, argument = typed[1:].partition(" ")
        if not space:
            yield from _commands(name.lower(), len(typed))
            return
        command = COMMANDS.get(name.lower())
        if command is not None and command.takes_room:
            wanted = argument.lstrip().removeprefix("#").casefold()
            for room in sorted(self._conversation.rooms):
                if room.startswith(wanted):
                    yield Completion(f"#{room}", -len(argument))


def _commands(prefix: str, replaced: int) -> Iterable[Completion]:
    for name, command in COMMANDS.items():
        if name.startswith(prefix):
            takes_more = " " in command.usage
            yield Completion(f"/{name}{' ' * takes_more}", -replaced, f"/{name}", command.summary)
