"""What this node calls itself, and how often it may take another name."""

from collections.abc import Iterable

from chatcore.errors import RenamedTooOften
from chatcore.limits import TokenBucket
from chatcore.names import username
from chatcore.people import Person, check_free

RENAME_EVERY_S = 30.0
RENAME_BURST = 3
"""A name mistyped is put right at once; who takes a new one every minute is a nuisance to every room, and
members take up no more than about as many."""


class Nickname:
    def __init__(self, text: str, mono: float) -> None:
        self.text = text
        self._bucket = TokenBucket(1 / RENAME_EVERY_S, RENAME_BURST, mono)

    def change(self, wanted: str, people: Iterable[Person], mono: float) -> bool:
        """False when it is our name already; those `people` may have it as an alias.

        Raises BadName, AliasTaken or RenamedTooOften.
        """
        name = username(wanted)
        if name == self.text:
            return False
        check_free(people, name)
        if not self._bucket.take(mono):
            raise RenamedTooOften(RENAME_EVERY_S)
        self.text = name
        return True
