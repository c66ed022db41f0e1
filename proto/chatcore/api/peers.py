"""What the local RPC says of peers: shapes only."""

from dataclasses import dataclass
from typing import TypedDict


@dataclass(frozen=True, slots=True)
class ConnectParams:
    address: str


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


class Connecting(TypedDict):
    address: str
    state: str
