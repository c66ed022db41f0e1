"""What the local RPC says of messages: shapes, and what can be wrong with a question about them."""

from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from chatcore.errors import LocalError
from chatcore.names import LOBBY

MAX_HISTORY = 1000
DEFAULT_HISTORY = 50
MAX_IMPORT = 500
"""Messages in one call; they are stored together, and `MAX_REQUEST_BYTES` holds for it as well."""

MAX_TIME_MS = 2**48 - 1
MIN_ID_CHARS = 10
MAX_CONFIRMED_BY = 16

_MOMENT = {"least": 0, "most": MAX_TIME_MS}


class NoSuchMessage(LocalError):
    """No message begins so, or several do."""

    kind = "no_such_message"

    def __init__(self, message_id: str, *, several: bool = False, no_id: bool = False) -> None:
        if no_id:
            what, hint = f"{message_id!r} is no message id", "give 10 or more of its hexadecimal digits; "
        else:
            what, hint = f"there is no message {message_id}", ""
        hint += "chatctl history --json shows ids"
        if several:
            what, hint = f"several messages begin with {message_id}", "give more of its id"
        super().__init__(what, hint)


class BadMoment(LocalError):
    """Neither a message nor a time."""

    kind = "bad_moment"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is neither a message id nor a time",
            "write 10 or more digits of an id, 2026-03-01T12:00:00Z, or milliseconds since 1970 as a number",
        )


class MuchNotShown(LocalError):
    """Of unknown kinds or by people who are blocked: more than one call passes over before its page is full.
    A short page would say that it is the last."""

    kind = "much_not_shown"

    def __init__(self, found: int, way: str, upto: str) -> None:
        what = f"ask for {found}, and go on from there" if found else f"go on with {way} {upto}"
        super().__init__("a very long row of messages there is of no kind or person that is shown", what)
        self.found = found
        self.upto = upto


class BadQuery(LocalError):
    """A search without a word in it, or with too many."""

    kind = "bad_query"


@dataclass(frozen=True, slots=True)
class SendParams:
    """Asked again with the same `client_id` in the same room, nothing is sent a second time: the answer is
    the first one's message and how far it has come."""

    text: str
    room: str = LOBBY
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class MessageParams:
    """`id`: whole, or at least its first 10 characters."""

    id: str


@dataclass(frozen=True, slots=True)
class HistoryParams:
    """`before` and `after` are a message's id, or its first digits, at least 10; or a time: RFC 3339 or ms.

    A message named is itself left out; `after` a time includes it. With `after` the page is what comes right
    behind it, otherwise what comes last. Fewer than `limit` messages: there are no more in that direction.
    `signed` adds to each message what its author signed.
    """

    room: str = LOBBY
    limit: int = field(default=DEFAULT_HISTORY, metadata={"least": 1, "most": MAX_HISTORY})
    before: int | str | None = field(default=None, metadata=_MOMENT)
    after: int | str | None = field(default=None, metadata=_MOMENT)
    signed: bool = False


@dataclass(frozen=True, slots=True)
class PinsParams:
    """`limit`, `before` and `after`: as message.history takes them."""

    room: str = LOBBY
    limit: int = field(default=DEFAULT_HISTORY, metadata={"least": 1, "most": MAX_HISTORY})
    before: int | str | None = field(default=None, metadata=_MOMENT)
    after: int | str | None = field(default=None, metadata=_MOMENT)


@dataclass(frozen=True, slots=True)
class SearchParams:
    """All words of `query`; one that ends in `*` stands for all that begin so.

    `room` is one this node is or was in, all of them if none is named; `author` a username, `name~k3f9`, or a
    peer id's first characters, at least 10; `before` and `after` are as message.history takes them, and
    `before` also takes an answer's `next`.
    """

    query: str
    room: str | None = None
    author: str | None = None
    limit: int = field(default=DEFAULT_HISTORY, metadata={"least": 1, "most": MAX_HISTORY})
    before: int | str | None = field(default=None, metadata=_MOMENT)
    after: int | str | None = field(default=None, metadata=_MOMENT)


@dataclass(frozen=True, slots=True)
class ImportParams:
    """Each as `message.history` gives it with `signed`: `room`, `payload` and `signature` are needed. Of what
    else it shows, `id`, `author`, `username`, `text`, `time_ms` and `time` have to be what was signed, where
    they are there."""

    messages: list[Any] = field(metadata={"most_items": MAX_IMPORT})


class Sent(TypedDict):
    """`state`: `queued` when no member of the room was linked, `sent` when it was handed to one; asked again
    with the same `client_id`, also `delivered` or `refused`."""

    id: str
    room: str
    state: str


class MessageStatus(TypedDict):
    """`confirmed`: how many other members are known to have it on disk, of whom `confirmed_by` names the
    first 16. Only linked members confirm, so more may have it. `reason` says why it was `refused`."""

    id: str
    room: str
    state: str
    confirmed: int
    confirmed_by: list[str]
    reason: str | None


class Message(TypedDict):
    """`time` is RFC 3339 in UTC, from the author's clock; `seq` numbers this node's own log.

    `alias` is the owner's own name for the author, where there is one. `payload` is what the author signed,
    with `signature`, both in base64; only where asked for. `state`, as in MessageStatus, of every message of
    our own whose state is kept, in a history without signatures and among pins. `mention` is true in events
    when somebody else names this node.
    """

    seq: int
    id: str
    room: str
    author: str
    username: str
    alias: NotRequired[str]
    text: str
    time_ms: int
    time: str
    mention: NotRequired[bool]
    state: NotRequired[str]
    payload: NotRequired[str]
    signature: NotRequired[str]


class PinChange(TypedDict):
    """`changed` is false when it was so already."""

    id: str
    room: str
    pinned: bool
    changed: bool


class SearchPage(TypedDict):
    """`messages` are the newest that match, newest first; `next` as `before` goes on, null when that was all.

    `incomplete` when the search stopped before it had found so many as were asked for, which `next` makes up
    for unless it is null, or when `unindexed` messages could not be searched yet.
    """

    messages: list[Message]
    next: str | None
    incomplete: bool
    unindexed: int


class RefusedImport(TypedDict):
    """`index` counts the call's messages from 0."""

    index: int
    reason: str


class Imported(TypedDict):
    """`duplicates` were here already."""

    stored: int
    duplicates: int
    refused: list[RefusedImport]
