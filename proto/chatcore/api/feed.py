"""What the local RPC says unasked: a WebSocket's greeting, and events to whoever subscribes. Shapes only."""

from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from chatcore.api.messages import Message
from chatcore.api.node import IdentityInfo
from chatcore.api.peers import Peer
from chatcore.api.rooms import Room
from chatcore.errors import LocalError

MAX_SEQ = 2**63 - 1
MAX_TOPICS = 16
"""In one subscription; there are fewer, and naming one twice is no fault."""

HELLO_NOTIFICATION = "hello"
EVENTS_NOTIFICATION = "events"

MESSAGE, MENTION = "message", "mention"


class NeedsWebSocket(LocalError):
    """Asked over HTTP for what only a WebSocket can carry."""

    kind = "needs_websocket"

    def __init__(self) -> None:
        super().__init__("events need a connection that stays open", "subscribe over the WebSocket at /ws")


class Hello(TypedDict):
    """The first thing a WebSocket says. `api_version` is SemVer: a client made for 1.x does not go on with
    2.0; `version` is the daemon's own."""

    version: str
    api_version: str
    peer_id: str
    network: str
    username: str


class StateEvent(TypedDict):
    """A message of this node's own has come further; as in `message.status`."""

    id: str
    room: str
    state: str
    confirmed: int
    reason: str | None


class PresenceEvent(TypedDict):
    """`state`: `joined`, was `here` before us, `left`, was `lost`, or `renamed` from the name `was`."""

    room: str
    peer_id: str
    username: str
    alias: NotRequired[str]
    state: str
    was: NotRequired[str]


class PeerEvent(TypedDict):
    """A link came `up`, or went `down` for `reason`. `direction`: `out` when this node dialled."""

    peer_id: str
    username: str
    alias: NotRequired[str]
    address: str
    direction: str
    state: str
    reason: str


class RoomEvent(TypedDict):
    """This node `joined` a room or `left` it."""

    room: str
    state: str


class IdentityEvent(TypedDict):
    """This node is `renamed`."""

    state: str
    username: str


class GapEvent(TypedDict):
    """The client read too slowly. Messages between the two numbers follow; other events are lost, and a
    snapshot (subscribe again) shows what is so now."""

    since: int
    upto: int


@dataclass(frozen=True, slots=True)
class Topic:
    """`data` is the shape of its events' data."""

    summary: str
    data: type[Any]


TOPICS: dict[str, Topic] = {
    MESSAGE: Topic("each message that is stored, of our own as well", Message),
    MENTION: Topic("of the messages, only those of others that name this node", Message),
    "state": Topic("a message of our own has come further", StateEvent),
    "presence": Topic("somebody came into a room, left it, was lost or renamed", PresenceEvent),
    "peer": Topic("a link came up or went down", PeerEvent),
    "room": Topic("this node came into a room or left it", RoomEvent),
    "identity": Topic("this node has another name", IdentityEvent),
}
"""What may be subscribed to. Messages come under the topic `message` whichever of the two asked for them."""

GAP = "gap"
"""Told whatever was subscribed to."""


@dataclass(frozen=True, slots=True)
class SubscribeParams:
    """`since`: the last `seq` the client has seen; messages that came after it are told again, in that order.
    `topics`: what to tell of; everything where it is left out. A second call on a WebSocket replaces the
    first."""

    since: int | None = field(default=None, metadata={"least": 0, "most": MAX_SEQ})
    topics: list[str] | None = field(
        default=None, metadata={"most_items": MAX_TOPICS, "least_items": 1, "among": tuple(TOPICS)}
    )


class Event(TypedDict):
    """`seq` rises with each stored message, across restarts too; other events carry the last message's.

    It is the order in which messages came here: a node that was away gets the newest first, then what was
    said before. `time_ms` tells when each was said.
    """

    seq: int
    topic: str
    data: dict[str, Any]


class Events(TypedDict):
    """Parameters of the notification: some events, in their order."""

    events: list[Event]


class Subscribed(TypedDict):
    """What is so now; every change after it comes as an event."""

    seq: int
    identity: IdentityInfo
    rooms: list[Room]
    peers: list[Peer]
