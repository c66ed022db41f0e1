"""What the local RPC says of peers: shapes only."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict


@dataclass(frozen=True, slots=True)
class ConnectParams:
    address: str


@dataclass(frozen=True, slots=True)
class PeerListParams:
    """`all`: those as well whose links were lost lately, each with the reason."""

    all: bool = False


@dataclass(frozen=True, slots=True)
class PeerParams:
    """`peer`: its id, at least the first 10 characters of it, the owner's name for it, or `nick~k3f9`."""

    peer: str


@dataclass(frozen=True, slots=True)
class DisconnectParams:
    """`peer`: as peer.block takes it, or an address."""

    peer: str


@dataclass(frozen=True, slots=True)
class AliasParams:
    """`alias`: null or empty takes the name away."""

    peer: str
    alias: str | None = None


class Peer(TypedDict):
    """`alias` is the owner's own name for it, where there is one. `score`: useful deliveries less what it did
    wrong, fading; below -100 it is discouraged.

    `state` is `linked`, or `lost`: then `reason` says why, and `lost_s` how long ago.
    """

    peer_id: str
    username: str
    alias: NotRequired[str]
    address: str
    direction: str
    rtt_ms: float | None
    connected_s: float
    state: str
    score: float
    user_agent: str
    rooms: list[str]
    reason: NotRequired[str]
    lost_s: NotRequired[float]


class Connecting(TypedDict):
    address: str
    state: str


class Disconnected(TypedDict):
    """`linked`: whether there was a link. `addresses` were dialled whenever lost, and are no more."""

    linked: bool
    addresses: list[str]


class Acquaintance(TypedDict):
    """Somebody the owner named or blocked; `username` is what it called itself then."""

    peer_id: str
    username: str
    alias: str | None
    blocked: bool


class AcquaintanceChange(Acquaintance):
    """`changed` is false when it was so before."""

    changed: bool


class DiscouragedPeer(TypedDict):
    """Whom this node does not link with until `left_s` have passed, because of its score."""

    peer_id: str
    username: str
    address: str | None
    reason: str
    left_s: float
