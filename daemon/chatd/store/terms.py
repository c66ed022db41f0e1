"""What the search index knows of a message: its words, its room, its author; and what a search asks for."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from chatcore.envelopes import Chat, Envelope
from chatcore.identity import peer_id_of
from chatcore.ids import PEER_ID_CHARS, SHORT_CHARS, RoomId
from chatcore.words import Words, fold_name, words_of

WORD, ROOM, AUTHOR, NAME = b"w", b"r", b"a", b"n"
"""The first byte of a term says what it is."""

_LABEL = re.compile(rf"(.+)~([a-z2-7]{{1,{PEER_ID_CHARS}}})")
_PEER_ID = re.compile(rf"[a-z2-7]{{{SHORT_CHARS},{PEER_ID_CHARS}}}")


@lru_cache(maxsize=4096)
def _peer_text(public_key: bytes) -> bytes:
    return str(peer_id_of(public_key)).encode()


@lru_cache(maxsize=4096)
def _name(username: str) -> bytes:
    return fold_name(username).encode()


def terms_of(envelope: Envelope) -> Iterator[bytes]:
    """None for what is not shown, and so not found."""
    if isinstance(envelope.body, Chat):
        yield ROOM + envelope.room
        yield AUTHOR + _peer_text(envelope.author)
        yield NAME + _name(envelope.username)
        for word in words_of(envelope.body.text):
            yield WORD + word.encode()


@dataclass(frozen=True, slots=True)
class Author:
    """People as they are named on a screen: `ann`, `ann~k3f9`, or ten characters or more of a peer id."""

    name: str
    peer_id: str = ""
    either: bool = False
    """Whether the name alone is enough, because what was typed may be a name or a peer id."""

    @classmethod
    def parse(cls, text: str) -> "Author":
        label = _LABEL.fullmatch(text.strip())
        if label:
            return cls(fold_name(label[1]), label[2])
        looks_like_id = _PEER_ID.fullmatch(text.strip().lower())
        return cls(fold_name(text), looks_like_id[0] if looks_like_id else "", either=True)

    def is_of(self, envelope: Envelope) -> bool:
        named = _name(envelope.username) == self.name.encode()
        keyed = bool(self.peer_id) and _peer_text(envelope.author).startswith(self.peer_id.encode())
        return (named or keyed) if self.either else (named and keyed)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message of one of `rooms` that holds the words, by that author if one is named."""

    words: Words
    rooms: Collection[RoomId]
    author: Author | None = None

    def is_met_by(self, envelope: Envelope) -> bool:
        return (
            isinstance(envelope.body, Chat)
            and envelope.room in self.rooms
            and (self.author is None or self.author.is_of(envelope))
            and self.words.are_in(envelope.body.text)
        )

    def exact_terms(self) -> list[bytes]:
        room = [ROOM + next(iter(self.rooms))] if len(self.rooms) == 1 else []
        return [WORD + word.encode() for word in sorted(self.words.exact, key=len, reverse=True)] + room

    def prefix_terms(self) -> list[bytes]:
        return [WORD + word.encode() for word in self.words.prefixes]
