"""The local RPC as one table: method -> parameters, result and error codes.

The daemon's handlers, its validation and the clients all read it. Knows shapes; refuses to know JSON-RPC's
envelope, HTTP or who is asking. Clients ignore result fields they do not know.
"""

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from chatcore import errors
from chatcore.api.feed import (
    EVENTS_NOTIFICATION,
    MAX_SEQ,
    Event,
    NeedsWebSocket,
    Subscribed,
    SubscribeParams,
)
from chatcore.api.messages import (
    DEFAULT_HISTORY,
    MAX_CONFIRMED_BY,
    MAX_HISTORY,
    MAX_IMPORT,
    MAX_TIME_MS,
    MIN_ID_CHARS,
    BadMoment,
    BadQuery,
    HistoryParams,
    Imported,
    ImportParams,
    Message,
    MessageParams,
    MessageStatus,
    MuchNotShown,
    NoSuchMessage,
    PinChange,
    PinsParams,
    RefusedImport,
    SearchPage,
    SearchParams,
    SendParams,
    Sent,
)
from chatcore.api.node import (
    Backup,
    BackupParams,
    Check,
    Diagnosis,
    Dialling,
    Done,
    IdentityInfo,
    MdnsState,
    NameChange,
    NoParams,
    RenameParams,
    RoomLinks,
    Stats,
    Status,
    StoreState,
)
from chatcore.api.parsing import (
    MAX_PARAM_CHARS,
    InvalidParams,
    parse_params,
)
from chatcore.api.peers import (
    Acquaintance,
    AcquaintanceChange,
    AliasParams,
    Connecting,
    ConnectParams,
    Disconnected,
    DisconnectParams,
    DiscouragedPeer,
    Peer,
    PeerListParams,
    PeerParams,
)
from chatcore.api.rooms import (
    Member,
    MembersParams,
    Present,
    Room,
    RoomChange,
    RoomListParams,
    RoomParams,
)
from chatcore.errors import ChatError, LocalError

__all__ = [
    "DEFAULT_HISTORY",
    "ERROR_CODES",
    "EVENTS_NOTIFICATION",
    "INTERNAL_ERROR",
    "MAX_BATCH_REQUESTS",
    "MAX_CONFIRMED_BY",
    "MAX_HISTORY",
    "MAX_IMPORT",
    "MAX_PARAM_CHARS",
    "MAX_REQUEST_BYTES",
    "MAX_SEQ",
    "MAX_TIME_MS",
    "METHODS",
    "MIN_ID_CHARS",
    "Acquaintance",
    "AcquaintanceChange",
    "AliasParams",
    "Backup",
    "BackupParams",
    "BadMoment",
    "BadQuery",
    "Check",
    "ConnectParams",
    "Connecting",
    "Diagnosis",
    "Dialling",
    "DisconnectParams",
    "Disconnected",
    "DiscouragedPeer",
    "Done",
    "ErrorData",
    "Event",
    "HistoryParams",
    "IdentityInfo",
    "ImportParams",
    "Imported",
    "InvalidParams",
    "MdnsState",
    "Member",
    "MembersParams",
    "Message",
    "MessageParams",
    "MessageStatus",
    "Method",
    "MuchNotShown",
    "NameChange",
    "NeedsWebSocket",
    "NoParams",
    "NoSuchMessage",
    "Peer",
    "PeerListParams",
    "PeerParams",
    "PinChange",
    "PinsParams",
    "Present",
    "RefusedImport",
    "RenameParams",
    "Room",
    "RoomChange",
    "RoomLinks",
    "RoomListParams",
    "RoomParams",
    "SearchPage",
    "SearchParams",
    "SendParams",
    "Sent",
    "Stats",
    "Status",
    "StoreState",
    "SubscribeParams",
    "Subscribed",
    "TooManyRequests",
    "error_code",
    "error_data",
    "parse_params",
]

MAX_REQUEST_BYTES = 1024 * 1024
MAX_BATCH_REQUESTS = 100


class TooManyRequests(LocalError):
    kind = "batch_too_long"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"a batch of {size} requests, the limit is {MAX_BATCH_REQUESTS}", "split it into several batches"
        )


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
    MuchNotShown: 1023,
    errors.NotCaughtUp: 1030,
    errors.BackupFailed: 1031,
    errors.BadClientId: 1013,
    errors.UnknownMessage: 1014,
    errors.TooManyPins: 1015,
    errors.OutboxFull: 1016,
    errors.RenamedTooOften: 1017,
    errors.UnknownPeer: 1050,
    errors.AmbiguousPeer: 1051,
    errors.OwnPeer: 1052,
    errors.AliasTaken: 1053,
    errors.TooManyAliases: 1054,
    errors.TooManyBlocked: 1055,
    errors.NotLinked: 1056,
    errors.PeerRefused: 1057,
}
"""Stable: scripts may rely on them. `data` always carries `{kind, hint, retryable}`."""

INTERNAL_ERROR = -32603


class ErrorData(TypedDict):
    kind: str
    hint: str
    retryable: NotRequired[bool]
    found: NotRequired[int]
    upto: NotRequired[str]
    """Of MuchNotShown: how many would have been on the page, and the message to go on from."""


@dataclass(frozen=True, slots=True)
class Method:
    summary: str
    params: type[Any]
    result: Any


METHODS: dict[str, Method] = {
    "node.status": Method("how this node is doing", NoParams, Status),
    "node.stats": Method("counters since it started", NoParams, Stats),
    "node.doctor": Method("what is wrong, why, and what to do; takes some seconds", NoParams, Diagnosis),
    "node.stop": Method("stop the daemon", NoParams, Done),
    "node.rename": Method("take another name, until it is started again", RenameParams, NameChange),
    "node.backup": Method("write everything it is into one encrypted file", BackupParams, Backup),
    "node.caught_up": Method("let a restored node send without waiting for a peer", NoParams, Done),
    "identity.show": Method("who this node is", NoParams, IdentityInfo),
    "peer.list": Method("the peers it is linked with", PeerListParams, list[Peer]),
    "peer.connect": Method("dial an address, and keep dialling it", ConnectParams, Connecting),
    "peer.disconnect": Method("end a link, and dial no more", DisconnectParams, Disconnected),
    "peer.block": Method("hide what they say, and do not link with them", PeerParams, AcquaintanceChange),
    "peer.unblock": Method(
        "show it again, and forgive what they were discouraged for", PeerParams, AcquaintanceChange
    ),
    "peer.blocked": Method("who is blocked", NoParams, list[Acquaintance]),
    "peer.discouraged": Method("whom their score keeps away", NoParams, list[DiscouragedPeer]),
    "peer.alias": Method("give somebody a name of one's own", AliasParams, AcquaintanceChange),
    "peer.aliases": Method("the names given", NoParams, list[Acquaintance]),
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


def error_code(error: ChatError) -> int:
    return ERROR_CODES.get(type(error), INTERNAL_ERROR)


def error_data(error: LocalError) -> ErrorData:
    data: ErrorData = {"kind": error.kind, "hint": error.hint, "retryable": error.retryable}
    return {**data, "found": error.found, "upto": error.upto} if isinstance(error, MuchNotShown) else data
