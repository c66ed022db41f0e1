"""What was said, for whoever asks: pages of a room's history, searches, and what a message's author signed.

Everything here reads the disk; the caller keeps it off the event loop.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from chatcore import api
from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import Chat
from chatcore.ids import DIGEST_BYTES, SHORT_CHARS, MessageId, PeerId, RoomId
from chatcore.own import OwnMessage
from chatcore.people import People
from chatcore.words import MAX_QUERY_CHARS, MAX_QUERY_WORDS, parse
from chatd import views
from chatd.people import MAX_AUTHORS_READ, author_of, is_hidden
from chatd.store import Store, Stored
from chatd.store.pins import MAX_PINS
from chatd.store.postings import Place
from chatd.store.reading import Point
from chatd.store.search import Search
from chatd.store.shown import ShownPage
from chatd.store.terms import Author, Wanted

_ID = re.compile(rf"[0-9a-f]{{{SHORT_CHARS},{2 * DIGEST_BYTES}}}")
_NEXT = re.compile(r"([0-9]{1,20}):([0-9]{1,20})")
_MAX_U64 = 2**64 - 1

MAX_SEARCHES = 64
"""For one page, when what is found is mostly of people who are blocked; then the page is shorter."""


class Moment(NamedTuple):
    """In the order of messages: of a time, of a message, or where a search stopped."""

    stamp: int
    message_id: bytes = b""
    seq: int = 0

    @property
    def point(self) -> Point:
        return Point(self.stamp, self.message_id)

    @property
    def place(self) -> Place:
        return Place(self.stamp, self.seq)


class Range(NamedTuple):
    before: Moment | None
    after: Moment | None


def range_of(store: Store, before: int | str | None, after: int | str | None) -> Range:
    """Raises NoSuchMessage, BadMoment, or InvalidParams when nothing can lie between the two."""
    found = Range(
        None if before is None else moment(store, before), None if after is None else moment(store, after)
    )
    if found.before is not None and found.after is not None and found.before.stamp < found.after.stamp:
        raise api.InvalidParams("`before` is earlier than `after`", "swap the two")
    return found


def moment(store: Store, value: int | str) -> Moment:
    """Raises NoSuchMessage or BadMoment."""
    if isinstance(value, int):
        return Moment(value << COUNTER_BITS)
    if _ID.fullmatch(value):
        return _of_message(store, value)
    if place := _NEXT.fullmatch(value):
        stamp, seq = int(place[1]), int(place[2])
        if max(stamp, seq) > _MAX_U64:
            raise api.BadMoment(value)
        return Moment(stamp, seq=seq)
    return Moment(_time_ms(value) << COUNTER_BITS)


def _of_message(store: Store, prefix: str) -> Moment:
    found = store.with_id(prefix)
    if len(found) != 1:
        raise api.NoSuchMessage(prefix, several=len(found) > 1)
    stored = found[0]
    return Moment(stored.envelope.stamp, stored.envelope.id, stored.seq)


def _time_ms(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise api.BadMoment(text) from None
    if time.tzinfo is None:
        raise api.BadMoment(text)
    return max(0, int(time.timestamp() * 1000))  # the year 9999 fits a stamp


def history(
    store: Store, people: People, room: RoomId, name: str, params: api.HistoryParams
) -> list[api.Message]:
    """Fewer than `limit` only at the end: what is not shown does not count. Raises MuchNotShown."""
    low, high = _points(range_of(store, params.before, params.after))

    def shows(is_chat: bool, author: bytes) -> bool:
        return is_chat and not (people.blocked and people.is_blocked(author_of(author)))

    page = store.shown(ShownPage(room, params.limit, high, low, shows))
    if page.gave_up:
        assert page.upto is not None
        way = "before" if low is None else "after"
        raise api.MuchNotShown(len(page.found), way, page.upto.message_id.hex())
    found = page.found if low is not None else page.found[::-1]
    return [_message(item, name, people, signed=params.signed) for item in found]


def states(store: Store, author: str, messages: Iterable[api.Message]) -> dict[str, OwnMessage]:
    """What became of those that `author` wrote, who is this node, by id; as far as it is kept."""
    mine = [message["id"] for message in messages if message["author"] == author]
    found = [(item, store.own.find(MessageId(bytes.fromhex(item)))) for item in mine]
    return {item: own for item, own in found if own is not None}


def pins(store: Store, people: People, room: RoomId, name: str, params: api.PinsParams) -> list[api.Message]:
    low, high = _points(range_of(store, params.before, params.after))
    page = [item for item in store.pins.page(room, MAX_PINS, high, low) if _is_shown(people, item)]
    found = page[: params.limit] if low is not None else page[-params.limit :]
    return [_message(item, name, people) for item in found]


def _points(within: Range) -> tuple[Point | None, Point | None]:
    """After, and before."""
    return within.after and within.after.point, within.before and within.before.point


def _is_shown(people: People, stored: Stored) -> bool:
    return isinstance(stored.envelope.body, Chat) and not is_hidden(people, stored.envelope)


def authors(store: Store, rooms: Iterable[RoomId]) -> dict[PeerId, str]:
    """Who said something lately in each room, and what they call themselves."""
    return {
        author_of(stored.envelope.author): stored.envelope.username
        for room in rooms
        for stored in store.newest(room, MAX_AUTHORS_READ)
    }


def search(
    store: Store, people: People, names: Mapping[RoomId, str], params: api.SearchParams
) -> api.SearchPage:
    """In the rooms of `names`."""
    before, after = range_of(store, params.before, params.after)
    wanted = _wanted(names, params)
    until, shown = before and before.place, list[Stored]()
    for _ in range(MAX_SEARCHES):
        found = store.search(Search(wanted, params.limit - len(shown), until, after and after.place))
        shown += [item for item in found.messages if not is_hidden(people, item.envelope)]
        if found.rest is None or found.stopped or len(shown) == params.limit:
            break
        until = found.rest  # the others are of people who are blocked
    return {
        "messages": [_message(item, names[item.envelope.room], people) for item in shown],
        "next": None if found.rest is None else f"{found.rest.stamp}:{found.rest.seq}",
        "incomplete": found.stopped or found.unindexed > 0,
        "unindexed": found.unindexed,
    }


def _wanted(names: Mapping[RoomId, str], params: api.SearchParams) -> Wanted:
    """Raises BadQuery."""
    if len(params.query) > MAX_QUERY_CHARS:
        raise api.BadQuery(
            f"the query has {len(params.query)} characters, at most {MAX_QUERY_CHARS} are taken",
            "search for a few words",
        )
    words = parse(params.query)
    if not words:
        raise api.BadQuery("there is no word to search for", "words are made of letters and digits")
    if len(words) > MAX_QUERY_WORDS:
        raise api.BadQuery(
            f"the query has {len(words)} words, at most {MAX_QUERY_WORDS} are taken", "leave some out"
        )
    author = None if params.author is None else Author.parse(params.author)
    if author is not None and not (author.name and author.name.isprintable()):
        raise api.BadQuery(f"{params.author!r} is nobody's name", "leave it out to search all authors")
    return Wanted(words, names.keys(), author)


def _message(stored: Stored, room: str, people: People, *, signed: bool = False) -> api.Message:
    shown = views.message(stored.seq, stored.envelope, room, people)
    if signed:
        shown["payload"] = base64.b64encode(stored.envelope.payload).decode()
        shown["signature"] = base64.b64encode(stored.envelope.signature).decode()
    return shown
