"""What the local RPC says of rooms: shapes only."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict


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
