"""One machine of the simulated network: what runs on it, its store, its ends of links, its address."""

import random
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from chatcore import PROTOCOL_MINOR
from chatcore.clock import Now
from chatcore.envelopes import Envelope
from chatcore.events import Input, Output, Send, StoredMessage, TimerKey
from chatcore.identity import Identity
from chatcore.ids import LinkId, MessageId
from chatcore.messages import Hello, LinkMessage
from chatcore.node import Node
from tests.support.sortedindex import SortedIndex

PORT = 8080
"""Where every host listens."""

CALLER_PORT = 40_000
"""Where every call seems to come from."""

GROUPS = 250
"""Hosts that follow each other live in different /16 networks, so that rules about address groups have
something to bite on; in 20.0.0.0/8, which is nobody's LAN."""


class Machine(Protocol):
    """Whatever runs on a host: a Node, or a scripted attacker."""

    def handle(self, event: Input, now: Now) -> list[Output]: ...


class Store(SortedIndex):
    """What a host has kept; the messages themselves are the same everywhere, and there once."""

    __slots__ = ("_last",)

    def __init__(self, envelopes: dict[MessageId, Envelope]) -> None:
        super().__init__(envelopes)
        self._last = 0

    def keep(self, envelopes: Iterable[Envelope]) -> tuple[StoredMessage, ...]:
        """Those that are new, numbered."""
        stored = []
        for envelope in envelopes:
            if self.add(envelope):
                self._last += 1
                stored.append(StoredMessage(self._last, envelope))
        return tuple(stored)


class Host:
    """`index` is its place in `World.hosts`; times are simulated seconds."""

    __slots__ = (
        "address",
        "backlog",
        "ends",
        "hello",
        "index",
        "last_link",
        "machine",
        "node",
        "paused_until",
        "peer_id",
        "public_key",
        "side",
        "silent",
        "store",
        "timers",
        "twist",
        "up",
    )

    machine: Machine
    hello: Callable[[], Hello]

    def __init__(self, index: int, identity: Identity, envelopes: dict[MessageId, Envelope]) -> None:
        self.index = index
        self.peer_id = identity.peer_id
        self.public_key = identity.public_key
        self.node: Node | None = None
        self.address = address_of(index)
        self.store = Store(envelopes)
        self.ends: dict[LinkId, End] = {}
        self.timers: dict[TimerKey, int] = {}
        self.last_link = 0
        self.up = False
        self.silent = False
        """Gone without a word: nobody even refuses a call."""

        self.side = 0
        """Which part of a split network it is in."""

        self.paused_until = 0.0
        self.backlog: list[Any] = []
        """What arrived while it was paused, in order."""

        self.twist: Callable[[Send], LinkMessage | None] | None = None
        """What a host that misbehaves says instead, None for nothing at all."""

    def install(self, machine: Machine, hello: Callable[[], Hello]) -> None:
        """What runs here, and what it says of itself on every new link."""
        self.machine = machine
        self.hello = hello
        self.node = machine if isinstance(machine, Node) else None

    def __repr__(self) -> str:
        return f"Host({self.index})"


class End:
    """A host's end of a link. `delay_s` is one way and the same both ways."""

    __slots__ = ("blocked", "delay_s", "dialled", "held", "hole", "host", "last", "link", "other", "up")

    other: "End"

    def __init__(self, host: Host, dialled: str | None, delay_s: float) -> None:
        host.last_link += 1
        self.link = LinkId(host.last_link)
        self.host = host
        self.dialled = dialled
        self.delay_s = delay_s
        self.last = 0.0
        """When the latest thing sent to this end arrives: nothing overtakes on a link."""

        self.up = False
        """The host knows of the link, and has neither closed it nor lost it."""

        self.blocked = False
        """Nothing gets through to this end: `held` until the path is back, or lost in a `hole`."""

        self.hole = False
        self.held: list[tuple[int, Any, Any]] = []


def address_of(index: int) -> str:
    return f"20.{index % GROUPS}.{index // GROUPS % 256}.{index // GROUPS // 256 + 1}:{PORT}"


def index_of(address: str) -> int | None:
    """The host at an address; None when no host could be there."""
    host, _, port = address.partition(":")
    parts = host.split(".")
    if len(parts) != 4 or parts[0] != "20" or port != str(PORT):
        return None
    group, low, high = int(parts[1]), int(parts[2]), int(parts[3]) - 1
    if group >= GROUPS or high < 0:
        return None
    return (high * 256 + low) * GROUPS + group


def caller_address(host: Host) -> str:
    """What the one who is called sees."""
    return f"{host.address.partition(':')[0]}:{CALLER_PORT}"


def hello_of(node: Node) -> Hello:
    """What the daemon would say for this node."""
    config = node.config
    return Hello(
        minor=PROTOCOL_MINOR,
        capabilities=(),
        network=config.network,
        user_agent=config.user_agent,
        listen_port=config.listen_port,
        username=node.username,
        rooms=node.room_ids,
    )


def rng_for(seed: int, purpose: str) -> random.Random:
    """One source of chance per purpose, so that a draw more here changes nothing there."""
    return random.Random(f"{seed} {purpose}")
