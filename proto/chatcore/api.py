"""The local RPC as one table: method -> parameters, result and error codes.

The daemon's handlers, its validation and the clients all read it. Knows shapes; refuses to know JSON-RPC's
envelope, HTTP or who is asking. Clients ignore result fields they do not know.
"""

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from chatcore import errors
from chatcore.errors import ChatError, LocalError
from chatcore.names import LOBBY

MAX_REQUEST_BYTES = 1024 * 1024
MAX_BATCH_REQUESTS = 100
MAX_HISTORY = 1000
DEFAULT_HISTORY = 50
MAX_PARAM_CHARS = 64 * 1024
MAX_IMPORT = 500
"""Messages in one call; they are stored together, and `MAX_REQUEST_BYTES` holds for it as well."""

MAX_TIME_MS = 2**48 - 1
MAX_SEQ = 2**63 - 1
MIN_ID_CHARS = 10
MAX_CONFIRMED_BY = 16

EVENTS_NOTIFICATION = "events"


class InvalidParams(LocalError):
    kind = "invalid_params"


class TooManyRequests(LocalError):
    kind = "batch_too_long"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"a batch of {size} requests, the limit is {MAX_BATCH_REQUESTS}", "split it into several batches"
        )


class NeedsWebSocket(LocalError):
    kind = "needs_websocket"

    def __init__(self) -> None:
        super().__init__("events need a connection that stays open", "subscribe over the WebSocket at /ws")


class NoSuchMessage(LocalError):
    kind = "no_such_message"

    def __init__(self, message_id: str, *, several: bool = False) -> None:
        what = "several messages begin with" if several else "there is no message"
        hint = "give more of its id" if several else "chatctl history --json shows ids; a time will do, too"
        super().__init__(f"{what} {message_id}", hint)


class BadMoment(LocalError):
    kind = "bad_moment"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is neither a message id nor a time",
            "write 10 or more digits of an id, 2026-03-01T12:00:00Z, or milliseconds since 1970 as a number",
        )


class BadQuery(LocalError):
    kind = "bad_query"


ERROR_CODES: dict[type[ChatError], int] = {
    InvalidParams: -32602,  # JSON-RPC 2.0, section 5.1
    TooManyRequests: -32600,
    errors.TextEmpty: 1001,
    errors.TextTooLong: 1002,
    errors.TextNotUnicode: 1003,
    errors.BadName: 1004,
    errors.BadAddress: 1005,
    errors.NotInRoom: 1006,
    errors.TooManyRooms: 1007,
    errors.TooManyAddresses: 1008,
    errors.StoreFailed: 1009,
    errors.Stopping: 1010,
    NeedsWebSocket: 1011,
    errors.OwnAddress: 1012,
    NoSuchMessage: 1020,
    BadMoment: 1021,
    BadQuery: 1022,
    errors.NotCaughtUp: 1030,
    errors.BackupFailed: 1031,
    errors.BadClientId: 1013,
    errors.UnknownMessage: 1014,
    errors.TooManyPins: 1015,
    errors.RenamedTooOften: 1016,
}
"""Stable: scripts may rely on them. `data` always carries `{kind, hint, retryable}`."""

INTERNAL_ERROR = -32603


_MOMENT = {"least": 0, "most": MAX_TIME_MS}


@dataclass(frozen=True, slots=True)
class NoParams:
    """A method without parameters."""


@dataclass(frozen=True, slots=True)
class SendParams:
    """Asked again with the same `client_id` in the same room, nothing is sent a second time: the answer is
    the first one's message and how far it has come."""

    text: str
    room: str = LOBBY
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class MessageParams:
    """`id`: whole, or at least its first `MIN_ID_CHARS` characters."""

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
    """As in history."""

    room: str = LOBBY
    limit: int = field(default=DEFAULT_HISTORY, metadata={"least": 1, "most": MAX_HISTORY})
    before: int | str | None = field(default=None, metadata=_MOMENT)
    after: int | str | None = field(default=None, metadata=_MOMENT)


@dataclass(frozen=True, slots=True)
class SearchParams:
    """All words of `query`; one that ends in `*` stands for all that begin so.

    `room` is one this node is or was in, all of them if none is named; `author` a username, `name~k3f9`, or a
    peer id's first characters, at least 10; `before` and `after` are as in history; `before` also takes an
    answer's `next`.
    """

    query: str
    room: str | None = None
    author: str | None = None
    limit: int = field(default=DEFAULT_HISTORY, metadata={"least": 1, "most": MAX_HISTORY})
    before: int | str | None = field(default=None, metadata=_MOMENT)
    after: int | str | None = field(default=None, metadata=_MOMENT)


@dataclass(frozen=True, slots=True)
class ImportParams:
    """Each as `message.history` gives it with `signed`: `room`, `payload` and `signature` count."""

    messages: list[Any] = field(metadata={"most_items": MAX_IMPORT})


@dataclass(frozen=True, slots=True)
class RoomParams:
    room: str


@dataclass(frozen=True, slots=True)
class MembersParams:
    """`former`: those as well who went within the last hour, the last 256 at most."""

    room: str = LOBBY
    former: bool = True


@dataclass(frozen=True, slots=True)
class RenameParams:
    username: str


@dataclass(frozen=True, slots=True)
class RoomListParams:
    """`left`: those as well that this node is no longer in, and whose history it keeps."""

    left: bool = False


@dataclass(frozen=True, slots=True)
class ConnectParams:
    address: str


@dataclass(frozen=True, slots=True)
class BackupParams:
    """`path` is absolute, and of the daemon's own machine; `force` replaces what is there."""

    path: str
    passphrase: str = field(repr=False)
    force: bool = False


@dataclass(frozen=True, slots=True)
class SubscribeParams:
    """`since` is the last `seq` the client has seen: what came after it is sent again, oldest first."""

    since: int | None = field(default=None, metadata={"least": 0, "most": MAX_SEQ})


class Status(TypedDict):
    version: str
    peer_id: str
    username: str
    network: str
    listen: str | None
    peers: int
    rooms: list[str]
    uptime_s: float
    dialling: list["Dialling"]
    store: "StoreState"
    mdns: "MdnsState"


class MdnsState(TypedDict):
    """Discovery on the local network. `state`: `off`, `working` or `failed`; `reason` says why it is not
    working; `found` counts the nodes of this network that are announced there now, linked or not."""

    state: str
    reason: str | None
    found: int


class StoreState(TypedDict):
    """`damaged` counts records skipped since the start; `quarantined` are folders with files moved aside.

    `used_bytes` leaves out free pages of the file, which never shrinks. `restored`: from a backup, and not
    caught up yet.
    """

    used_bytes: int
    damaged: int
    quarantined: list[str]
    restored: bool


class Backup(TypedDict):
    path: str
    bytes: int


class Dialling(TypedDict):
    """An address this node tries to reach and has no link to; `reason` is why the last try failed."""

    address: str
    reason: str | None
    next_try_s: float | None
    failures: int


class Stats(TypedDict):
    """Since the daemon started. Messages are those of the history; presence is not counted.

    `copies_per_message`: copies of others' messages that arrived, over those that were new; null before the
    first. `messages_forwarded`: copies handed on. `messages_degraded`: copies of which a slow peer was sent
    the id instead. `messages_dropped`: what a full queue did not take. `prunes`: times a neighbour was asked
    to stop pushing an author; `grafts`: messages asked for after an announcement; `missing_then_fetched`:
    those that came only so; `broken_promises`: those announced that did not come when asked for. `repairs`:
    times the history of a room was compared with a peer's; `repaired`: messages that came so;
    `repairs_failed`: of the comparisons, those whose answers did not come or did not fit. `refused`: what was
    not taken, by reason.
    """

    messages_sent: int
    messages_received: int
    messages_duplicate: int
    messages_forwarded: int
    messages_dropped: int
    messages_degraded: int
    copies_per_message: float | None
    grafts: int
    prunes: int
    missing_then_fetched: int
    broken_promises: int
    repairs: int
    repairs_failed: int
    repaired: int
    rooms: dict[str, "RoomLinks"]
    refused: dict[str, int]
    bytes_in: int
    bytes_out: int


class RoomLinks(TypedDict):
    """`eager_links`: neighbours to whom an author's messages are pushed; `lazy_links`: those to whom they are
    only announced, both for the average author. `spare_links`: other linked members."""

    eager_links: float
    lazy_links: float
    spare_links: int


class IdentityInfo(TypedDict):
    peer_id: str
    public_key: str
    username: str


class Peer(TypedDict):
    peer_id: str
    username: str
    address: str
    direction: str
    rtt_ms: float | None
    connected_s: float
    state: str
    user_agent: str
    rooms: list[str]


class Room(TypedDict):
    """`joined` is false for one this node has left, and then has no peers or members."""

    room: str
    joined: bool
    room_id: str
    peers: int
    members: list["Member"]


class Member(TypedDict):
    peer_id: str
    username: str
    last_seen_s: float


class Present(TypedDict):
    """`state`: `here`; `left`, by their own word; `lost`, gone without one: crashed, or cut off.

    `last_seen_s`: how long ago something came from them. `you`: this node itself.
    """

    peer_id: str
    username: str
    state: str
    last_seen_s: float
    you: bool


class NameChange(TypedDict):
    """`changed` is false when it was the name already."""

    username: str
    changed: bool


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

    `payload` is what the author signed, with `signature`, both in base64; only where asked for. `state` only
    of our own, when they are new, not delivered, or were lately: as in Sent.
    """

    seq: int
    id: str
    room: str
    author: str
    username: str
    text: str
    time_ms: int
    time: str
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

    `incomplete` when the search stopped early and may have missed some, or `unindexed` messages could not be
    searched yet.
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


class RoomChange(TypedDict):
    room: str
    changed: bool


class Connecting(TypedDict):
    address: str
    state: str


class Done(TypedDict):
    ok: bool


class Event(TypedDict):
    """`seq` rises with each stored message; other events carry the last message's.

    Topic `state` tells that a message of our own has come further: {id, room, state, confirmed, reason}.
    Topic `presence`: somebody `joined`, was `here` before us, `left`, was `lost` or `renamed` (from `was`):
    {room, peer_id, username, state}. Topic `identity`: this node is `renamed`: {state, username}.
    """

    seq: int
    topic: str
    data: dict[str, Any]


class Subscribed(TypedDict):
    """What is so now; every change after it comes as an event."""

    seq: int
    identity: IdentityInfo
    rooms: list[Room]
    peers: list[Peer]


class ErrorData(TypedDict):
    kind: str
    hint: str
    retryable: NotRequired[bool]


@dataclass(frozen=True, slots=True)
class Method:
    summary: str
    params: type[Any]
    result: Any


METHODS: dict[str, Method] = {
    "node.status": Method("how this node is doing", NoParams, Status),
    "node.stats": Method("counters since it started", NoParams, Stats),
    "node.stop": Method("stop the daemon", NoParams, Done),
    "node.rename": Method("take another name, until it is started again", RenameParams, NameChange),
    "node.backup": Method("write everything it is into one encrypted file", BackupParams, Backup),
    "node.caught_up": Method("let a restored node send without waiting for a peer", NoParams, Done),
    "identity.show": Method("who this node is", NoParams, IdentityInfo),
    "peer.list": Method("the peers it is linked with", NoParams, list[Peer]),
    "peer.connect": Method("dial an address, and keep dialling it", ConnectParams, Connecting),
    "room.list": Method("the rooms it is in", RoomListParams, list[Room]),
    "room.join": Method("come into a room", RoomParams, RoomChange),
    "room.members": Method("who is in a room, and who went lately", MembersParams, list[Present]),
    "room.leave": Method("leave a room; its history stays", RoomParams, RoomChange),
    "message.send": Method("say something; answered once it is safely stored", SendParams, Sent),
    "message.history": Method("a page of a room's messages, oldest first", HistoryParams, list[Message]),
    "message.search": Method("messages that hold some words, newest first", SearchParams, SearchPage),
    "message.import": Method("store messages that were exported", ImportParams, Imported),
    "message.status": Method("how far a message of this node has come", MessageParams, MessageStatus),
    "message.pin": Method("keep a message whatever its age, on this node alone", MessageParams, PinChange),
    "message.unpin": Method("keep it no longer than others", MessageParams, PinChange),
    "message.pins": Method("a page of a room's pinned messages, oldest first", PinsParams, list[Message]),
    "events.subscribe": Method("a snapshot, then every event (WebSocket only)", SubscribeParams, Subscribed),
}


def parse_params(kind: type[Any], params: list[Any] | dict[str, Any]) -> Any:
    """Positional or named JSON values as an instance of a parameter class.

    Raises:
        InvalidParams: one is missing, unknown, of the wrong type or out of its range.
    """
    fields = dataclasses.fields(kind)
    if isinstance(params, list):
        if len(params) > len(fields):
            raise InvalidParams(f"{len(params)} parameters, at most {len(fields)} are taken", _usage(kind))
        params = {item.name: value for item, value in zip(fields, params, strict=False)}
    known = {item.name for item in fields}
    for name in params:
        if name not in known:
            raise InvalidParams(f"unknown parameter {name[:40]!r}", _usage(kind))
    types_of = typing.get_type_hints(kind)
    values = {}
    for item in fields:
        if item.name in params:
            _check(item, types_of[item.name], params[item.name])
            values[item.name] = params[item.name]
        elif item.default is dataclasses.MISSING:
            raise InvalidParams(f"parameter {item.name!r} is missing", _usage(kind))
    return kind(**values)


def _check(item: "dataclasses.Field[Any]", wanted: Any, value: Any) -> None:
    allowed = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    if type(value) not in [typing.get_origin(kind) or kind for kind in allowed]:
        names = " or ".join("null" if kind is types.NoneType else kind.__name__ for kind in allowed)
        raise InvalidParams(f"parameter {item.name!r} must be {names}, not {type(value).__name__}")
    least, most = item.metadata.get("least"), item.metadata.get("most")
    if type(value) is int and least is not None and most is not None and not least <= value <= most:
        raise InvalidParams(f"parameter {item.name!r} must be {least} to {most}, not {value}")
    if type(value) is list and len(value) > (most_items := item.metadata["most_items"]):
        raise InvalidParams(f"parameter {item.name!r} has {len(value)} items, over {most_items}")
    if type(value) is str and len(value) > MAX_PARAM_CHARS:
        raise InvalidParams(f"parameter {item.name!r} is over {MAX_PARAM_CHARS} characters")


def _usage(kind: type[Any]) -> str:
    names = [item.name for item in dataclasses.fields(kind)]
    return f"parameters: {', '.join(names)}" if names else "it takes no parameters"


def error_code(error: ChatError) -> int:
    return ERROR_CODES.get(type(error), INTERNAL_ERROR)


def error_data(error: LocalError) -> ErrorData:
    return {"kind": error.kind, "hint": error.hint, "retryable": error.retryable}
