"""The input line, and what is half typed for each room. Nothing that was typed is lost. Knows no daemon."""

from collections.abc import Callable, Collection

from prompt_toolkit.buffer import Buffer

from chatctl import render
from chatctl.safetext import clean_line

KEY_UP = "the Up key brings it back"


class Drafts:
    """`note` tells the person what became of a text that does not stand where it was typed."""

    def __init__(self, buffer: Buffer, note: Callable[[str], None]) -> None:
        self._buffer = buffer
        self._note = note
        self._waiting: dict[str, str] = {}
        """By room."""

    def write(self, line: str) -> None:
        """It stands in the input line, the cursor behind it."""
        self._buffer.text = line
        self._buffer.cursor_position = len(line)

    def turn(self, old: str, new: str) -> None:
        """From one room's line to another's."""
        if self._buffer.text:
            self._waiting[old] = self._buffer.text
        self.write(self._waiting.pop(new, ""))

    def give_back(self, line: str, room: str, here: str, rooms: Collection[str]) -> None:
        """What could not be sent stands in the line again; if that is in use, in the history."""
        if room != here and room in rooms and room not in self._waiting:
            self._waiting[room] = line
            self._note(f"it waits in the input line of {render.room_label(room)}")
        elif not self._buffer.text:
            self.write(line)
        else:
            self._note(f"{KEY_UP}: {clean_line(line)}")

    def put_aside(self, text: str, room: str) -> None:
        """What stands in the line, or waits for an answer, was for a room that is left."""
        self._buffer.text = text
        self._buffer.append_to_history()
        self._buffer.reset()
        self._note(f"not sent, it was for {render.room_label(room)}; {KEY_UP}")

    def keep_to(self, rooms: Collection[str]) -> None:
        """What waits for a room that we are no longer in would never be seen again."""
        for room in [room for room in self._waiting if room not in rooms]:
            self._buffer.history.append_string(self._waiting.pop(room))
            if not self._buffer.text:
                self._buffer.reset()
            self._note(f"half typed for {render.room_label(room)}; {KEY_UP}")
