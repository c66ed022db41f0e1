"""What the local RPC says to whoever subscribes: shapes only."""

from dataclasses import dataclass, field
from typing import Any, TypedDict

from chatcore.api.node import IdentityInfo
from chatcore.api.peers import Peer
from chatcore.api.rooms import Room
from chatcore.errors import LocalError

MAX_SEQ = 2**63 - 1
EVENTS_NOTIFICATION = "events"


class NeedsWebSocket(LocalError):
    kind = "needs_websocket"

    def __init__(self) -> None:
        super().__init__("events need a connection that stays open", "subscribe over the WebSocket at /ws")


@dataclass(frozen=True, slots=True)
class SubscribeParams:
    """`since` is the last `seq` the client has seen: what came after it is sent again, oldest first."""

    since: int | None = field(default=None, metadata={"least": 0, "most": MAX_SEQ})


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
