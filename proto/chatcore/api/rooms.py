"""What the local RPC says of rooms: shapes only."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from chatcore.names import LOBBY


@dataclass(frozen=True, slots=True)
class RoomParams:
    room: str


@dataclass(frozen=True, slots=True)
class RoomListParams:
    """`left`: those as well that this node is no longer in, and whose history it keeps."""

    left: bool = False


class Room(TypedDict):
    """`joined` is false for one this node has left, and then has no peers or members."""

    room: str
    joined: bool
    room_id: str
    peers: int
    members: list["Member"]


class Member(TypedDict):
    """`alias`: the owner's own name for it, where there is one."""

    peer_id: str
    username: str
    alias: NotRequired[str]
    last_seen_s: float


class RoomChange(TypedDict):
    room: str
    changed: bool


@dataclass(frozen=True, slots=True)
class MembersParams:
    """`former`: those as well who went within the last hour, the last 256 at most."""

    room: str = LOBBY
    former: bool = True


class Present(TypedDict):
    """`state`: `here`; `left`, by their own word; `lost`, gone without one: crashed, or cut off.

    `last_seen_s`: how long ago something came from them. `you`: this node itself. `alias`: the owner's own
    name for it, where there is one. Who is blocked is not among them.
    """

    peer_id: str
    username: str
    state: str
    last_seen_s: float
    you: bool
    alias: NotRequired[str]
