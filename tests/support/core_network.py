"""A few nodes and nothing between them but their messages, encoded and decoded as on the wire.

Signatures and commits are done at once. Links deliver in order; between links the oldest message goes first.
"""

import itertools
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from chatcore import PROTOCOL_MINOR
from chatcore.answering import look_up
from chatcore.clock import Now
from chatcore.codec import decode_batch, encode_message, pack_batches
from chatcore.config import GossipConfig, LinkConfig, NodeConfig
from chatcore.envelopes import Chat
from chatcore.errors import ClosedByPeer, SelfDialed, Unreachable
from chatcore.events import (
    CaughtUp,
    CloseLink,
    Committed,
    Connect,
    Dial,
    DialFailed,
    Input,
    JoinRoom,
    LeaveRoom,
    LinkDown,
    LinkUp,
    LookedUp,
    LookUp,
    MemberChanged,
    MessageAdded,
    News,
    Notice,
    Output,
    PeerChanged,
    Persist,
    Received,
    Rejected,
    Renamed,
    Replied,
    RequestId,
    RoomChanged,
    SaveAddresses,
    Send,
    SendText,
    SetTimer,
    Started,
    StateChanged,
    Stop,
    StoredMessage,
    TimerFired,
    TimerKey,
    Verified,
    Verify,
)
from chatcore.identity import Identity
from chatcore.ids import LinkId
from chatcore.messages import Hello, LinkMessage, Publish
from chatcore.node import Node
from tests.support.core import START
from tests.support.sortedindex import SortedIndex


@dataclass(eq=False, repr=False)
class Member:
    """One node, its store, and what its people were told."""

    name: str
    host: str
    node: Node
    index: SortedIndex = field(default_factory=SortedIndex)
    stored: list[StoredMessage] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    answers: list[Replied | Rejected] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    timers: dict[TimerKey, float] = field(default_factory=dict)
    links: dict[LinkId, "Wire"] = field(default_factory=dict)
    publishes_received: int = 0
    listens: bool = True

    @property
    def address(self) -> str:
        return f"{self.host}:8080"

    @property
    def texts(self) -> list[str]:
        """What its people were shown, in order."""
        return [
            news.stored.envelope.body.text
            for news in self.news
            if isinstance(news, MessageAdded) and isinstance(news.stored.envelope.body, Chat)
        ]

    @property
    def peers(self) -> set[str]:
        return {link.username for link in self.node.links}

    def members(self, room: str = "lobby") -> set[str]:
        return {
            member.username
            for here in self.node.rooms.values()
            if here.name == room
            for member in here.members
        }


@dataclass(eq=False, repr=False)
class Wire:
    """One end of a link. Bytes put in come out at the other end."""

    link: LinkId
    owner: Member
    dialled: str | None
    other: "Wire" = field(init=False)
    closed: bool = False


class Network:
    def __init__(
        self, *names: str, gossip: GossipConfig | None = None, link: LinkConfig | None = None, seed: int = 1
    ) -> None:
        self.now = START
        self.members: dict[str, Member] = {}
        self._seed = seed
        self._gossip = gossip or GossipConfig()
        self._link = link or LinkConfig()
        self._last_link = 0
        self._last_request = 0
        self._inputs: deque[tuple[Member, Input]] = deque()
        self._on_the_way: deque[tuple[Wire, bytes | None]] = deque()
        for name in names:
            self.add(name)

    def add(self, name: str, *, restored: bool = False) -> Member:
        number = len(self.members) + 1
        index = SortedIndex()
        node = Node(
            Identity(number.to_bytes(32, "little")),
            NodeConfig(username=name, listen_port=8080, gossip=self._gossip, link=self._link),
            index=index,
            rng=random.Random(f"{self._seed} {name}"),
            now=self.now,
            restored=restored,
        )
        member = Member(name, f"192.0.2.{number}", node, index)
        self.members[name] = member
        self.post(member, Started())
        self.run()
        return member

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    # What a test does

    def say(self, name: str, text: str, room: str = "lobby") -> None:
        self.post(self[name], SendText(self._request(), room, text))

    def join(self, name: str, room: str) -> None:
        self.post(self[name], JoinRoom(self._request(), room))

    def leave(self, name: str, room: str) -> None:
        self.post(self[name], LeaveRoom(self._request(), room))

    def connect(self, name: str, to: str) -> None:
        self.post(self[name], Connect(self._request(), self[to].address))

    def line(self, names: Iterable[str]) -> None:
        """Each linked with the next, and so it stays: nobody says where it could be dialled."""
        for one, other in itertools.pairwise(names):
            self._link_up(self[one], self[other], dialled=None)
        self.run()

    def cut(self, one: str, other: str) -> None:
        """The link between two is lost, for both at once."""
        for wire in list(self[one].links.values()):
            if wire.other.owner is self[other]:
                self._close(wire)

    def wait(self, seconds: float) -> None:
        """Let the time pass, and every timer fire when it is due."""
        end = self.now.mono + seconds
        while True:
            self.run()
            due = [
                (at, name, key) for name, member in self.members.items() for key, at in member.timers.items()
            ]
            at, name, key = min(due, key=lambda item: item[:2], default=(end, "", None))
            if key is None or at > end:
                break
            self._pass(max(0.0, at - self.now.mono))
            del self[name].timers[key]
            self.post(self[name], TimerFired(key))
        self._pass(end - self.now.mono)

    def _pass(self, seconds: float) -> None:
        self.now = Now(self.now.mono + seconds, self.now.wall_ms + round(seconds * 1000))

    def post(self, member: Member, event: Input) -> None:
        if isinstance(event, Stop):
            member.listens = False
        self._inputs.append((member, event))

    def run(self, most: int = 100_000) -> None:
        """Until nobody has anything more to say. Fails when they never stop."""
        for _ in range(most):
            if self._inputs:
                member, event = self._inputs.popleft()
                for output in member.node.handle(event, self.now):
                    self._perform(member, output)
            elif self._on_the_way:
                self._deliver(*self._on_the_way.popleft())
            else:
                return
        raise AssertionError("the network does not come to rest")

    # Outputs

    def _perform(self, member: Member, output: Output) -> None:
        match output:
            case Send(links, message):  # no queue is ever full here
                for link in links:
                    self._send(member, link, message)
            case CloseLink(link):
                self._close(member.links[link])
            case Dial():
                self._dial(member, output)
            case SetTimer(key, at):
                member.timers[key] = at
            case Verify(job, _, envelopes):
                self.post(member, Verified(job, tuple(item.is_signed() for item in envelopes)))
            case LookUp(job, room, question):
                reply, alike = look_up(member.index, room, question)
                self.post(member, LookedUp(job, reply, tuple(alike)))
            case Persist(job, messages):
                new = [item for item in messages if member.index.add(item)]
                stored = [StoredMessage(len(member.stored) + 1 + at, item) for at, item in enumerate(new)]
                member.stored += stored
                self.post(member, Committed(job, tuple(stored)))
            case (
                MessageAdded() | StateChanged() | PeerChanged() | MemberChanged() | RoomChanged() | Renamed()
            ):
                member.news.append(output)
            case Replied() | Rejected():
                member.answers.append(output)
            case CaughtUp() | SaveAddresses():
                pass  # the node says so itself; no member starts again with what it knew of addresses
            case Notice():
                member.notices.append(output)
            case _:
                assert_never(output)

    def _send(self, member: Member, link: LinkId, message: LinkMessage) -> None:
        wire = member.links[link]
        assert not wire.closed, f"{member.name} sends on a link it closed"
        (batch,) = pack_batches([encode_message(message)])
        self._on_the_way.append((wire.other, batch))

    def _deliver(self, wire: Wire, batch: bytes | None) -> None:
        if batch is None:
            self._lose(wire)
        elif not wire.closed:
            messages = decode_batch(batch)
            wire.owner.publishes_received += sum(isinstance(message, Publish) for message in messages)
            self.post(wire.owner, Received(wire.link, messages))

    def _dial(self, member: Member, dial: Dial) -> None:
        address = dial.address
        there = next((other for other in self.members.values() if other.address == address), None)
        if there is member:
            self.post(member, DialFailed(address, SelfDialed(), dial.expected))
        elif there is None or not there.listens:
            self.post(member, DialFailed(address, Unreachable("nobody answers"), dial.expected))
        else:
            self._link_up(member, there, dialled=address)

    def _link_up(self, dialler: Member, listener: Member, *, dialled: str | None) -> None:
        wires = (self._wire(dialler, dialled), self._wire(listener, None))
        wires[0].other, wires[1].other = wires[1], wires[0]
        port = 0 if dialled is None else 8080
        hellos = [self._hello(wire.owner, port) for wire in wires]
        for place, wire in enumerate(wires):
            mine, theirs = hellos[place], hellos[1 - place]
            address = f"{wire.other.owner.host}:40000"
            local = wire.owner.host if port else ""
            peer_id = wire.other.owner.node.identity.peer_id
            binding = wires[0].link.to_bytes(32, "big")
            self.post(
                wire.owner,
                LinkUp(wire.link, peer_id, theirs, address, wire.dialled, mine.rooms, binding, local),
            )

    def _wire(self, owner: Member, dialled: str | None) -> Wire:
        self._last_link += 1
        wire = Wire(LinkId(self._last_link), owner, dialled)
        owner.links[wire.link] = wire
        return wire

    def _hello(self, member: Member, port: int) -> Hello:
        config = member.node.config
        return Hello(PROTOCOL_MINOR, (), config.network, "test", port, member.name, member.node.room_ids)

    def _close(self, wire: Wire) -> None:
        if not wire.closed:
            self._on_the_way.append((wire.other, None))
            self._lose(wire)

    def _lose(self, wire: Wire) -> None:
        if not wire.closed:
            wire.closed = True
            self.post(wire.owner, LinkDown(wire.link, ClosedByPeer()))

    def _request(self) -> RequestId:
        self._last_request += 1
        return RequestId(self._last_request)
