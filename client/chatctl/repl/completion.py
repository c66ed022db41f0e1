"""Tab: commands at the start of a line, rooms and people where a command takes them, and nicks anywhere."""

from collections.abc import Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatctl.nicks import SUFFIX_CHARS, folded
from chatctl.repl.commands import COMMANDS, PERSON, ROOM
from chatctl.repl.conversation import Conversation
from chatctl.safetext import clean_line

MAX_NICKS = 100


class ChatCompleter(Completer):
    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        del complete_event  # Tab is the only one; its name is prompt-toolkit's
        typed = document.text_before_cursor
        if not typed.startswith("/") or typed.startswith("//"):
            yield from self._nicks(typed)
            return
        name, space, argument = typed[1:].partition(" ")
        if not space:
            yield from _commands(name.lower(), len(typed))
            return
        command = COMMANDS.get(name.lower())
        if command is not None and command.takes == ROOM:
            wanted = argument.lstrip().removeprefix("#").casefold()
            for room in sorted(self._conversation.rooms):
                if room.startswith(wanted):
                    yield Completion(f"#{room}", -len(argument))
        elif command is not None and command.takes == PERSON:
            yield from self._people(argument)
        elif command is not None:
            yield from self._nicks(typed)

    def _nicks(self, typed: str) -> Iterator[Completion]:
        """The word before the cursor as a nick; one that begins the line is addressed."""
        word = typed.rsplit(maxsplit=1)[-1] if typed and not typed[-1].isspace() else ""
        wanted = word.removeprefix("@")
        if not wanted:
            return
        end = ": " if len(word) == len(typed) else " "
        at = "@" if word.startswith("@") else ""
        for key, name in self._matching(wanted):
            label = self._conversation.nicks.label(key, name)
            yield Completion(f"{at}{label}{end}", -len(word), label)

    def _people(self, argument: str) -> Iterator[Completion]:
        """With a piece of the key, by which the daemon tells people apart."""
        for key, name in self._matching(argument.lstrip()):
            yield Completion(f"{clean_line(name)}~{key[:SUFFIX_CHARS]}", -len(argument))

    def _matching(self, wanted: str) -> list[tuple[str, str]]:
        """Who was heard of last comes first."""
        people = self._conversation.people(self._conversation.room)
        start = folded(wanted)
        return [(key, name) for key, name in people if folded(clean_line(name)).startswith(start)][:MAX_NICKS]


def _commands(prefix: str, replaced: int) -> Iterable[Completion]:
    for name, command in COMMANDS.items():
        if name.startswith(prefix):
            takes_more = " " in command.usage
            yield Completion(f"/{name}{' ' * takes_more}", -replaced, f"/{name}", command.summary)
