"""The keys of the chat beside those of the line editor, and what each of them asks of the terminal."""

from typing import Protocol

from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, Filter, has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from chatctl.repl.toolbar import MAX_KEYED


class Deck(Protocol):
    """What the keys play on."""

    @property
    def is_asking(self) -> bool:
        """Whether a paste waits for its answer."""

    def enter(self) -> None: ...

    def paste(self, data: str) -> None: ...

    def answer(self, key: str) -> None:
        """`y`, `n` or `e`."""

    def turn_to_number(self, number: int) -> None:
        """From 1."""

    def turn_by(self, step: int) -> None: ...

    def turn_to_activity(self) -> None: ...


def bindings(deck: Deck) -> KeyBindings:
    keys = KeyBindings()
    in_input = has_focus(DEFAULT_BUFFER)
    asking = Condition(lambda: deck.is_asking)

    @keys.add("enter", filter=in_input & ~asking)
    def _(_event: KeyPressEvent) -> None:
        deck.enter()

    @keys.add("escape", "enter", filter=in_input & ~asking)
    @keys.add("escape", "c-j", filter=in_input & ~asking)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @keys.add(Keys.Vt100MouseEvent, eager=True)
    def _(_event: KeyPressEvent) -> None:
        """No mouse was asked for: it is a colour code in a text, which prompt-toolkit takes for one."""

    @keys.add("c-o")
    @keys.add("escape", "#")
    def _(_event: KeyPressEvent) -> None:
        """Readline's, which take the line as entered."""

    @keys.add("c-c", filter=in_input & ~asking)
    @keys.add("<sigint>", filter=~asking)
    def _(event: KeyPressEvent) -> None:
        event.app.current_buffer.reset()

    @keys.add(Keys.BracketedPaste, filter=in_input)
    def _(event: KeyPressEvent) -> None:
        deck.paste(event.data)

    _add_answers(keys, deck, asking)
    _add_rooms(keys, deck, in_input & ~asking)
    return keys


def _add_answers(keys: KeyBindings, deck: Deck, asking: Filter) -> None:
    @keys.add(Keys.Any, filter=asking)
    @keys.add("escape", Keys.Any, filter=asking, eager=True)
    def _(_event: KeyPressEvent) -> None:
        """No answer; the question stays."""

    for key in ("y", "Y", "enter"):

        @keys.add(key, filter=asking, eager=True)
        def _(_event: KeyPressEvent) -> None:
            deck.answer("y")

    for key in ("n", "N", "c-c", "c-d", "<sigint>"):

        @keys.add(key, filter=asking, eager=True)
        def _(_event: KeyPressEvent) -> None:
            deck.answer("n")

    for key in ("e", "E"):

        @keys.add(key, filter=asking, eager=True)
        def _(_event: KeyPressEvent) -> None:
            deck.answer("e")


def _add_rooms(keys: KeyBindings, deck: Deck, when: Filter) -> None:
    for number in range(1, MAX_KEYED + 1):

        @keys.add("escape", str(number), filter=when)
        def _(_event: KeyPressEvent, number: int = number) -> None:
            deck.turn_to_number(number)

    @keys.add("c-n", filter=when)
    def _(_event: KeyPressEvent) -> None:
        deck.turn_by(1)

    @keys.add("c-p", filter=when)
    def _(_event: KeyPressEvent) -> None:
        deck.turn_by(-1)

    @keys.add("escape", "a", filter=when)
    def _(_event: KeyPressEvent) -> None:
        deck.turn_to_activity()
