"""What this node's owner has settled about people: names of the owner's own for them, and whom it blocks.

Knows peers by id. Aliases (petnames) are unique, even for somebody who looks only twice: Zooko's triangle is
squared by a name that one person gives (Stiegler 2005, "An Introduction to Petname Systems").
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from chatcore.errors import AliasTaken, BadName, TooManyAliases, TooManyBlocked
from chatcore.ids import PeerId
from chatcore.names import MAX_USERNAME_BYTES, is_visible, username

MAX_ALIASES = 1024
MAX_BLOCKED = 1024

ALIAS_RULE = (
    f"use 1 to {MAX_USERNAME_BYTES} bytes of printable text without spaces at its ends, line breaks, "
    "or any of ~ : < > # * [ ] ( )"
)
_FRAME = re.compile(r"[~:<>#*\[\]()]")
"""What clients frame names with."""

_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕһԁԛԝьɑοαρνικτυχ0l1|ı",
    "aeopcyxijshdqwbaoapviktuxoiiii",
)
"""The letters of other scripts, and digits, that pass most easily for Latin ones, out of the 6,000 lines of
confusables.txt (UTS #39), which is no part of Python."""


@dataclass(frozen=True, slots=True)
class Person:
    peer_id: PeerId
    alias: str = ""
    blocked: bool = False
    username: str = ""
    """What it called itself when this was settled: the owner may have forgotten whose key this is."""

    @property
    def settled(self) -> bool:
        """Whether there is anything to remember."""
        return bool(self.alias) or self.blocked


class People:
    def __init__(self, people: Iterable[Person] = ()) -> None:
        self._people = {person.peer_id: person for person in people if person.settled}
        self._blocked = {person.peer_id for person in self._people.values() if person.blocked}

    @property
    def blocked(self) -> Collection[PeerId]:
        return self._blocked

    def all(self) -> list[Person]:
        return list(self._people.values())

    def get(self, peer_id: PeerId) -> Person:
        return self._people.get(peer_id) or Person(peer_id)

    def is_blocked(self, peer_id: PeerId) -> bool:
        return peer_id in self._blocked

    def alias(self, peer_id: PeerId) -> str:
        """Empty when it has none."""
        person = self._people.get(peer_id)
        return "" if person is None else person.alias

    def put(self, person: Person) -> None:
        """As it is on disk now."""
        self._blocked.discard(person.peer_id)
        if person.settled:
            self._people[person.peer_id] = person
        else:
            self._people.pop(person.peer_id, None)
        if person.blocked:
            self._blocked.add(person.peer_id)

    def with_also(self, pending: Iterable[Person]) -> Mapping[PeerId, Person]:
        """Together with what is on its way to disk."""
        return {**self._people, **{person.peer_id: person for person in pending}}


def blocking(known: Mapping[PeerId, Person], peer_id: PeerId, name: str, *, blocked: bool) -> Person:
    """The person as it will be. Raises TooManyBlocked."""
    person = known.get(peer_id) or Person(peer_id)
    if blocked and not person.blocked and sum(item.blocked for item in known.values()) >= MAX_BLOCKED:
        raise TooManyBlocked(MAX_BLOCKED)
    return replace(person, blocked=blocked, username=name or person.username)


def naming(known: Mapping[PeerId, Person], peer_id: PeerId, name: str, alias: str, own: str) -> Person:
    """The same, named; an empty alias takes the name away. `own` is what this node calls itself.

    Raises BadName, AliasTaken, TooManyAliases.
    """
    person = known.get(peer_id) or Person(peer_id)
    if alias:
        _check_alias(alias)
        if skeleton(alias) == skeleton(own):
            raise AliasTaken(alias, own, "your own name")
        others = [item for item in known.values() if item.alias and item.peer_id != peer_id]
        check_free(others, alias)
        if len(others) >= MAX_ALIASES:
            raise TooManyAliases(MAX_ALIASES)
    return replace(person, alias=alias, username=name or person.username)


def check_free(people: Iterable[Person], name: str) -> None:
    """Whether nobody among them has an alias that this name could be taken for. Raises AliasTaken."""
    for person in people:
        if person.alias and skeleton(person.alias) == skeleton(name):
            raise AliasTaken(name, person.alias, f"your name for {person.peer_id.short}")


def _check_alias(alias: str) -> None:
    try:
        username(alias)
    except BadName:
        raise BadName("peer", alias, ALIAS_RULE) from None
    if _FRAME.search(alias) or not is_visible(alias) or not skeleton(alias):
        raise BadName("peer", alias, ALIAS_RULE)


def skeleton(name: str) -> str:
    """Alike for names that look alike: case, accents, spaces and the commonest foreign letters left aside."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(char for char in folded if not unicodedata.category(char).startswith("M"))
    return "".join(bare.translate(_LOOK_ALIKES).replace("rn", "m").replace("vv", "w").split())
