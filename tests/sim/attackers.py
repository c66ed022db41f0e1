"""Scripted strangers: a host that runs no node and says on its links whatever a test tells it to."""

import hashlib
from collections.abc import Iterable

from chatcore.clock import COUNTER_BITS, Now
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.errors import ClosedByPeer
from chatcore.events import CloseLink, Dial, Input, LinkDown, LinkUp, Output, Priority, Received, Send
from chatcore.identity import Identity
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.messages import Graft, Hello, LinkMessage, Neighbor, NeighborReply, Ping, Pong, Publish
from chatcore.names import room_id
from tests.sim.hosts import PORT, Host
from tests.sim.network import World

LOBBY = room_id("main", "lobby")


class Attacker:
    """Answers pings, agrees to be anybody's neighbour and hands out its hoard; the rest is up to the test."""

    def __init__(self, world: World, name: str, rooms: Iterable[RoomId] = (LOBBY,)) -> None:
        self.identity = Identity(hashlib.sha256(f"{world.seed} attacker {name}".encode()).digest())
        self.links: dict[PeerId, LinkId] = {}
        """Links that are up now, by who is at the other end."""

        self.heard: list[LinkMessage] = []
        self.hoard: dict[bytes, Publish] = {}
        """What it sends when it is asked for, by short id."""

        self._world = world
        greeting = Hello(0, (), "main", "sim", PORT, name, frozenset(rooms))
        self.host = world.add_machine(self.identity, self, greeting)
        self.host.up = True

    def handle(self, event: Input, now: Now) -> list[Output]:  # noqa: ARG002 - a machine's verb
        match event:
            case LinkUp():
                self.links[event.peer_id] = event.link
            case LinkDown(link):
                self.links = {peer: other for peer, other in self.links.items() if other != link}
            case Received(link, messages):
                self.heard += messages
                return [
                    Send((link,), answer, Priority.CONTROL)
                    for message in messages
                    for answer in self._answers(message)
                ]
            case _:
                pass
        return []

    def _answers(self, message: LinkMessage) -> list[LinkMessage]:
        match message:
            case Ping(nonce):
                return [Pong(nonce)]
            case Neighbor(room):
                return [NeighborReply(room, accepted=True, members=())]
            case Graft(ids):
                return [self.hoard[short] for short in ids if short in self.hoard]
            case _:
                return []

    def write(self, text: str, now: Now) -> Publish:
        """A message of its own."""
        stamp = now.wall_ms << COUNTER_BITS
        return Publish.of(seal(self.identity, LOBBY, stamp, self.host.hello().username, Chat(text)), 16)

    def dial(self, victim: Host) -> None:
        self._world.act(self.host, Dial(victim.address, None))

    def send(self, victim: Host, *messages: LinkMessage) -> None:
        """In one frame, over the link there is. KeyError when there is none."""
        link = self.links[victim.peer_id]
        self._world.act(self.host, *[Send((link,), message, Priority.LIVE) for message in messages])

    def close(self, victim: Host) -> None:
        self._world.act(self.host, CloseLink(self.links[victim.peer_id], ClosedByPeer()))


def forged(world: World, envelope: Envelope) -> Envelope:
    """The same payload, and so the same id, under a signature that every node here finds wrong."""
    broken = envelope._replace(signature=bytes([envelope.signature[0] ^ 1]) + envelope.signature[1:])
    world.forged.add((broken.id, broken.signature))
    return broken
