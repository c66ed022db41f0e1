"""What the local RPC says of the node itself: shapes only."""

from dataclasses import dataclass, field
from typing import NotRequired, TypedDict


@dataclass(frozen=True, slots=True)
class NoParams:
    """A method without parameters."""


@dataclass(frozen=True, slots=True)
class BackupParams:
    """`path` is absolute, and of the daemon's own machine; `force` replaces what is there."""

    path: str
    passphrase: str = field(repr=False)
    force: bool = False


class Status(TypedDict):
    """`version` is the daemon's own, `api_version` that of this interface (SemVer). `dialling`: addresses
    that were given and are not linked. `heard_of` counts others that it may dial: learned from peers, found
    nearby, or met before."""

    version: str
    api_version: str
    peer_id: str
    username: str
    network: str
    listen: str | None
    peers: int
    rooms: list[str]
    uptime_s: float
    dialling: list["Dialling"]
    heard_of: NotRequired[int]  # not by daemons of before it was counted
    store: "StoreState"
    mdns: "MdnsState"
    history: NotRequired[list["RoomHistory"]]  # not by daemons of before it was known


class RoomHistory(TypedDict):
    """`state`: `whole`, all that linked members have is here; `fetching`, it is compared or on its way, or
    most members' clocks are over 10 minutes ahead of this node's, which takes nothing from beyond;
    `alone`, nobody in the room is linked. `outstanding`: messages known to be missing so far; while
    comparing goes on it may rise."""

    room: str
    state: str
    outstanding: int


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


class Check(TypedDict):
    """Sentences for people, but for `name` and `state`: `ok`, `unknown` (nothing proves it), `warn` or
    `broken`. `cause` and `fix` where something is to be done. A name may come again."""

    name: str
    state: str
    finding: str
    cause: str | None
    fix: str | None


class Diagnosis(TypedDict):
    """`state` is the worst of the checks'."""

    state: str
    checks: list[Check]


class Backup(TypedDict):
    path: str
    bytes: int


class Dialling(TypedDict):
    """An address this node tries to reach and has no link to; `reason` is why the last try failed, or, with
    no `next_try_s`, why there is none: the peer there is blocked or discouraged, or was disconnected from."""

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
    those that came only so; `broken_promises`: those announced and asked for that were not sent, though the
    peer had the question and answered what was asked after it. `repairs`: times the history of a room was
    compared with a peer's; `repaired`: messages that came so; `repairs_failed`: of the comparisons, those
    whose answers did not come or did not fit. `refused`: what was not taken, by reason.
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


class Done(TypedDict):
    ok: bool


@dataclass(frozen=True, slots=True)
class RenameParams:
    username: str


class NameChange(TypedDict):
    """`changed` is false when it was the name already."""

    username: str
    changed: bool
