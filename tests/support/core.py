"""A node in a bottle: a seeded random source, a set for a store, a clock that moves when a test says so.

Signatures and commits are never done behind a test's back: `handle` gives outputs as they come, `settle`
performs what they ask for, for real, and gives what remains.
"""

import random
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from chatcore.addresses import host_at
from chatcore.answering import look_up
from chatcore.clock import COUNTER_BITS, HybridClock, Now
from chatcore.config import GossipConfig, LinkConfig, NodeConfig, PresenceConfig
from chatcore.discouraged import Discouraged
from chatcore.envelopes import SIGNING_CONTEXT, Body, Chat, Envelope, open_envelope, seal
from chatcore.errors import ClosedByPeer, RemoteError
from chatcore.events import (
    CommitFailed,
    Committed,
    Connect,
    Input,
    JobId,
    JoinRoom,
    LeaveRoom,
    LinkDown,
    LinkUp,
    LookedUp,
    LookUp,
    Output,
    Persist,
    Priority,
    Received,
    Rename,
    RequestId,
    RoomRecord,
    Send,
    SendText,
    Started,
    StoredMessage,
    TimerFired,
    TimerKey,
    Verified,
    Verify,
)
from chatcore.identity import Identity
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.links import MAX_OF_ONE_HOME
from chatcore.messages import Hello, Ihave, Introduction, LinkMessage, Neighbor, NeighborReply, Publish
from chatcore.names import join_address, room_id
from chatcore.node import Node
from chatcore.own import OwnMessage, State
from chatcore.people import Person
from chatcore.recent import short_id
from chatcore.records import KnownAddress, PeerRecord, sign_record
from chatcore.wire import pack
from tests.support.sortedindex import SortedIndex, key_of

START = Now(1_000.0, 1_700_000_000_000)
STAMP = START.wall_ms << COUNTER_BITS
FULL_TTL = GossipConfig().ttl

Kind = TypeVar("Kind")


@cache
def identity(number: int) -> Identity:
    return Identity(number.to_bytes(32, "big"))


def _sorted_by_peer_id(identities: Iterable[Identity]) -> list[Identity]:
    return sorted(identities, key=lambda who: who.peer_id)


ANN, BOB, CARL, DORA = _sorted_by_peer_id(identity(number) for number in range(1, 5))
"""In the order of their peer ids, because that settles which of two links stays."""


def lobby(network: str = "main") -> RoomId:
    return room_id(network, "lobby")


LOBBY = lobby()
WINE = room_id("main", "wine")
TEA = room_id("main", "tea")


def written(
    author: Identity, body: Body, *, room: RoomId = LOBBY, stamp: int = STAMP, username: str = "somebody"
) -> Envelope:
    return seal(author, room, stamp, username, body)


def chat(author: Identity, text: str, *, room: RoomId = LOBBY, stamp: int = STAMP) -> Envelope:
    return written(author, Chat(text), room=room, stamp=stamp)


def of_kind(author: Identity, kind: int, *fields: Any, room: RoomId = LOBBY, stamp: int = STAMP) -> Envelope:
    """Signed, and of any kind: also one that this version cannot write itself."""
    payload = pack([kind, room, author.public_key, stamp, "somebody", *fields])
    return open_envelope(payload, author.sign(SIGNING_CONTEXT, payload))


def forged(envelope: Envelope) -> Envelope:
    """The same payload, and so the same id, under a signature that does not hold."""
    broken = bytes([envelope.signature[0] ^ 1]) + envelope.signature[1:]
    return envelope._replace(signature=broken)


def publish(envelope: Envelope, hops: int = FULL_TTL) -> Publish:
    return Publish.of(envelope, hops)


def pushed(links: Iterable[LinkId], message: Publish) -> Send:
    """As a message is pushed: a link with a full queue hears at least that there is one."""
    return Send(tuple(links), message, Priority.LIVE, instead=Ihave((short_id(message.id),)))


def hello(
    username: str = "somebody", *, rooms: Iterable[RoomId] = (LOBBY,), port: int = 0, network: str = "main"
) -> Hello:
    return Hello(0, (), network, "test", port, username, frozenset(rooms))


def of(outputs: Iterable[Output], kind: type[Kind]) -> list[Kind]:
    """The outputs of one type, in order."""
    return [output for output in outputs if isinstance(output, kind)]


def one(outputs: Iterable[Output], kind: type[Kind]) -> Kind:
    (found,) = of(outputs, kind)
    return found


def sent(outputs: Iterable[Output], kind: type[Kind]) -> list[tuple[tuple[LinkId, ...], Kind]]:
    """The messages of one type that were sent, with the links they went to."""
    return [
        (output.links, output.message)
        for output in outputs
        if isinstance(output, Send) and isinstance(output.message, kind)
    ]


def link_to(
    peer: Identity, number: int, *, rooms: Iterable[RoomId] = (LOBBY,), dialled: str | None = None
) -> LinkUp:
    """A link as it comes up, for what is tested without a node."""
    binding = number.to_bytes(32, "big")
    return LinkUp(
        LinkId(number), peer.peer_id, hello(rooms=rooms), "192.0.2.7:40000", dialled, frozenset(), binding
    )


def signed(peer: Identity, address: str, *, age_s: int = 0) -> PeerRecord:
    """Where a peer says that it may be dialled."""
    return sign_record(peer, address, START.wall_ms // 1000 - age_s)


class MemoryOwnLog:
    """What became of our own messages, as a store keeps it across restarts."""

    def __init__(self) -> None:
        self.records: dict[MessageId, OwnMessage] = {}
        self.envelopes: dict[MessageId, Envelope] = {}
        self.numbers: dict[MessageId, int] = {}

    def keep(self, persist: Persist, stored: Iterable[StoredMessage]) -> None:
        self.numbers |= {item.envelope.id: item.seq for item in stored}
        self.envelopes |= {item.id: item for item in persist.messages}
        self.records |= {item.id: item for item in persist.own}

    def find(self, message_id: MessageId) -> OwnMessage | None:
        return self.records.get(message_id)

    def by_client(self, room: RoomId, client_id: str) -> OwnMessage | None:
        found = [own for own in self.records.values() if (own.room, own.client_id) == (room, client_id)]
        return found[0] if found else None

    def waiting(self, most: int) -> list[tuple[OwnMessage, Envelope]]:
        waiting = [own for own in self.records.values() if own.state < State.DELIVERED]
        return [(own, self.envelopes[own.id]) for own in waiting[-most:]]

    def by_short(self, short: bytes) -> OwnMessage | None:
        return next((own for own in self.records.values() if own.id.startswith(short)), None)

    def unsent(self) -> int:
        return sum(own.state is State.QUEUED for own in self.records.values())

    def unconfirmed(self) -> int:
        return sum(own.state < State.DELIVERED for own in self.records.values())

    def unconfirmed_after(
        self, number: int, most: int
    ) -> tuple[list[tuple[int, OwnMessage, Envelope]], int | None]:
        waiting = [own for own in self.records.values() if own.state < State.DELIVERED]
        found = [own for own in waiting if self.numbers[own.id] > number][:most]
        reached = self.numbers[found[-1].id] if len(found) == most else None
        return [(self.numbers[own.id], own, self.envelopes[own.id]) for own in found], reached

    def last(self) -> int:
        return max(self.numbers.values(), default=0)

    def waiting_after(self, number: int, upto: int) -> tuple[list[tuple[OwnMessage, bytes]], int | None]:
        """Two at a time."""
        waiting = [
            own
            for own in self.records.values()
            if own.state < State.DELIVERED and number < self.numbers[own.id] <= upto
        ]
        found = [(own, key_of(self.envelopes[own.id])) for own in waiting[:2]]
        return found, self.numbers[waiting[1].id] if len(waiting) > 2 else None


class Playbook:
    """One node, started unless told otherwise, and whatever a test lets happen to it."""

    def __init__(
        self,
        who: Identity = ANN,
        *,
        gossip: GossipConfig | None = None,
        link: LinkConfig | None = None,
        presence: PresenceConfig | None = None,
        bootstrap: tuple[str, ...] = (),
        rooms: Iterable[RoomRecord] = (),
        clock: HybridClock | None = None,
        network: str = "main",
        seed: int = 1,
        started: bool = True,
        restored: bool = False,
        own: MemoryOwnLog | None = None,
        people: Iterable[Person] = (),
        discouraged: Iterable[Discouraged] = (),
        listen_host: str = "",
        addresses: Iterable[KnownAddress] = (),
    ) -> None:
        self.now = START
        self.own = own or MemoryOwnLog()
        self.index = SortedIndex()
        self.stored: list[StoredMessage] = []
        self.node = Node(
            who,
            NodeConfig(
                network=network,
                username="ann",
                listen_port=8080,
                listen_host=listen_host,
                bootstrap=bootstrap,
                gossip=gossip or GossipConfig(),
                link=link or LinkConfig(),
                presence=presence or PresenceConfig(),
            ),
            index=self.index,
            rng=random.Random(seed),
            now=self.now,
            clock=clock,
            rooms=rooms,
            restored=restored,
            own=self.own,
            people=people,
            discouraged=discouraged,
            addresses=addresses,
        )
        self._last_link = 0
        self._last_request = 0
        if started:
            self.start()

    def start(self) -> list[Output]:
        return self.settle(self.handle(Started()))

    def handle(self, event: Input) -> list[Output]:
        """With what is looked up for peers found at once."""
        rest: list[Output] = []
        for output in self.node.handle(event, self.now):
            if isinstance(output, LookUp):
                reply, alike = look_up(self.index, output.room, output.question)
                rest += self.handle(LookedUp(output.job, reply, tuple(alike)))
            else:
                rest.append(output)
        return rest

    def wait(self, seconds: float) -> None:
        """Awake: something would have come in meanwhile, as pings are due."""
        start, pauses = self.now, int(seconds // LinkConfig().ping_every_s)
        for pause in range(1, pauses + 1):
            passed = seconds * pause / pauses
            self.now = Now(start.mono + passed, start.wall_ms + round(passed * 1000))
            self.node.waking.handle_input(self.now)
        self.now = Now(start.mono + seconds, start.wall_ms + round(seconds * 1000))

    def sleep(self, seconds: float, *, mono_s: float) -> None:
        """The wall clock shows that time has passed, the monotonic one as much of it as it has counted."""
        self.now = Now(self.now.mono + mono_s, self.now.wall_ms + round(seconds * 1000))

    def fire(self, key: TimerKey) -> list[Output]:
        return self.handle(TimerFired(key))

    # Links

    def next_link(self) -> LinkId:
        self._last_link += 1
        return LinkId(self._last_link)

    def link_up(
        self,
        peer: Identity,
        *,
        dialled: str | None = None,
        address: str = "",
        rooms: Iterable[RoomId] = (LOBBY,),
        told: Iterable[RoomId] | None = None,
        port: int = 0,
        binding: int | None = None,
    ) -> list[Output]:
        """What comes of it; the link itself is the newest one, `self.newest`.

        With a port the peer then says that it listens there, at the address it comes from or was dialled at.
        Without an address it comes from 192.0.2.7, as long as there are no more links than one host may have.
        """
        said = self.node.room_ids if told is None else frozenset(told)
        greeting = hello(rooms=rooms, port=port)
        link = self.next_link()
        address = address or f"192.0.2.{7 + link // MAX_OF_ONE_HOME}:40000"
        bound = (link if binding is None else binding).to_bytes(32, "big")
        outputs = self.handle(LinkUp(link, peer.peer_id, greeting, address, dialled, said, bound))
        if port and self.node.links.get(link) is not None:
            where = dialled or join_address(host_at(address), port)
            outputs += self.receive(link, Introduction((signed(peer, where),)))
        return outputs

    @property
    def newest(self) -> LinkId:
        return LinkId(self._last_link)

    def link(
        self,
        peer: Identity,
        *,
        dialled: str | None = None,
        address: str = "",
        rooms: Iterable[RoomId] = (LOBBY,),
        port: int = 0,
    ) -> LinkId:
        self.link_up(peer, dialled=dialled, address=address, rooms=rooms, port=port)
        return self.newest

    def links(self, count: int, *, rooms: Iterable[RoomId] = (LOBBY,)) -> list[LinkId]:
        """Links to that many peers, none of them among ANN to DORA."""
        return [self.link(identity(number), rooms=rooms) for number in range(100, 100 + count)]

    def neighbour(
        self,
        peer: Identity,
        *,
        dialled: str | None = None,
        address: str = "",
        rooms: Iterable[RoomId] = (LOBBY,),
        port: int = 0,
    ) -> LinkId:
        """A link, and an active neighbour in every room that both are in."""
        outputs = self.link_up(peer, dialled=dialled, address=address, rooms=rooms, port=port)
        self.befriend(self.newest, outputs)
        return self.newest

    def befriend(self, link: LinkId, outputs: Iterable[Output]) -> list[Output]:
        """The peer says yes to what it was asked among the outputs, and asks where it was not."""
        found = self.node.links.get(link)
        assert found is not None
        asked = {message.room for links, message in sent(outputs, Neighbor) if link in links}
        result: list[Output] = []
        for shared, room in self.node.rooms.items():
            if shared in asked:
                result += self.receive(link, NeighborReply(shared, accepted=True, members=()))
            elif shared in found.rooms and link not in room.active:
                result += self.receive(link, Neighbor(shared, urgent=False))
            assert (link in room.active) == (shared in found.rooms)
        return result

    def neighbours(self, count: int, *, rooms: Iterable[RoomId] = (LOBBY,)) -> list[LinkId]:
        """Active neighbours, none of them among ANN to DORA."""
        return [self.neighbour(identity(number), rooms=rooms) for number in range(100, 100 + count)]

    def active(self, room: RoomId = LOBBY) -> set[LinkId]:
        return set(self.node.rooms[room].active)

    def link_down(self, link: LinkId, error: RemoteError | None = None) -> list[Output]:
        return self.handle(LinkDown(link, error or ClosedByPeer()))

    def receive(self, link: LinkId, *messages: LinkMessage) -> list[Output]:
        return self.handle(Received(link, messages))

    def hear(self, link: LinkId, *envelopes: Envelope, hops: int = FULL_TTL) -> list[Output]:
        """Receive them, check them, store them."""
        return self.settle(self.receive(link, *[publish(item, hops) for item in envelopes]))

    # Slow work

    def verify(self, outputs: Iterable[Output]) -> list[Output]:
        """What comes of the signature checks among the outputs."""
        return [
            result
            for output in of(outputs, Verify)
            for result in self.handle(
                Verified(output.job, tuple(item.is_signed() for item in output.envelopes))
            )
        ]

    def commit(self, outputs: Iterable[Output]) -> list[Output]:
        """What comes of the commits among the outputs."""
        return [
            result
            for output in of(outputs, Persist)
            for result in self.handle(Committed(output.job, self.store(output)))
        ]

    def store(self, persist: Persist) -> tuple[StoredMessage, ...]:
        new = [item for item in persist.messages if self.index.add(item)]
        stored = [StoredMessage(len(self.stored) + 1 + place, item) for place, item in enumerate(new)]
        self.stored += stored
        self.own.keep(persist, stored)
        return tuple(stored)

    def fail(self, outputs: Iterable[Output], why: str = "disk full") -> list[Output]:
        return [
            result for output in of(outputs, Persist) for result in self.handle(CommitFailed(output.job, why))
        ]

    def settle(self, outputs: Iterable[Output]) -> list[Output]:
        """Check and store until nothing is left to do; everything else, in order."""
        rest: list[Output] = []
        for output in outputs:
            match output:
                case Verify():
                    rest += self.settle(self.verify([output]))
                case Persist():
                    rest += self.settle(self.commit([output]))
                case _:
                    rest.append(output)
        return rest

    # What its own people ask

    def next_request(self) -> RequestId:
        self._last_request += 1
        return RequestId(self._last_request)

    def say(self, text: str, room: str = "lobby", client_id: str | None = None) -> list[Output]:
        return self.handle(SendText(self.next_request(), room, text, client_id))

    def join(self, room: str) -> list[Output]:
        return self.handle(JoinRoom(self.next_request(), room))

    def leave(self, room: str) -> list[Output]:
        return self.handle(LeaveRoom(self.next_request(), room))

    def rename(self, username: str) -> list[Output]:
        return self.handle(Rename(self.next_request(), username))

    def connect(self, address: str) -> list[Output]:
        return self.handle(Connect(self.next_request(), address))

    @property
    def refused(self) -> dict[str, int]:
        return dict(self.node.counters.refused)

    @property
    def texts(self) -> list[str]:
        """What was stored and said by people, in order."""
        return [item.envelope.body.text for item in self.stored if isinstance(item.envelope.body, Chat)]


def job_of(outputs: Iterable[Output]) -> JobId:
    (found,) = [output.job for output in outputs if isinstance(output, Verify | Persist)]
    return found
