"""The world: one heap ordered by (time, sequence), hosts, and every Output of theirs performed.

The same seed gives the same events in the same order. Knows links, frames and timers; refuses to know what
messages mean, but that it counts the copies of those it tracks.
"""

import gc
import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from struct import Struct
from typing import Any, TypeAlias

from chatcore.answering import look_up
from chatcore.clock import Now
from chatcore.codec import decode_batch, encode_message
from chatcore.config import NodeConfig
from chatcore.envelopes import Envelope
from chatcore.errors import ClosedByPeer, RemoteError
from chatcore.events import (
    CloseLink,
    Committed,
    Dial,
    Input,
    LinkDown,
    LinkUp,
    LookedUp,
    LookUp,
    MemberChanged,
    MessageAdded,
    Notice,
    Output,
    Persist,
    Received,
    Replied,
    RequestId,
    Send,
    SendText,
    SentReply,
    SetTimer,
    Started,
    TimerFired,
    Verified,
    Verify,
)
from chatcore.identity import Identity
from chatcore.ids import LinkId, MessageId
from chatcore.messages import Hello, History, Publish
from chatcore.node import Node
from tests.sim import dials
from tests.sim.frames import FRAME_OVERHEAD_BYTES, Item, frames_of
from tests.sim.hosts import End, Host, Machine, hello_of, index_of, rng_for
from tests.sim.tally import Move, Tally, Trail

WALL_START_MS = 1_700_000_000_000

LEAST_DELAY_S = 0.010
MOST_DELAY_S = 0.050
MEAN_DELAY_S = (LEAST_DELAY_S + MOST_DELAY_S) / 2
"""One way; the unit that reports call OWD."""

FRAME, TIMER, INPUT, CLOSED, CALL = range(5)
"""Kinds of entries on the heap, with what stands behind (time, sequence, kind):

FRAME   the End it arrives at, its messages, its plaintext
TIMER   the Host, the timer's key, the token it was set with
INPUT   the Host, the Input, None
CLOSED  the End that hears of it, the error, None
CALL    a function, None, None
"""

Entry: TypeAlias = tuple[float, int, int, Any, Any, Any]

_traced = Struct("<dBQQ").pack
_pair = Struct("<qQQ").pack


@dataclass(frozen=True, slots=True)
class WorldConfig:
    verify_s: float = 0.0
    """From Verify to Verified."""

    commit_s: float = 0.0
    """From Persist to Committed."""

    through_wire: bool = False
    """Whether what arrives is decoded from the bytes that were sent, or handed over as it is (faster)."""


class World:
    def __init__(self, seed: int, config: WorldConfig | None = None) -> None:
        self.seed = seed
        self.config = config or WorldConfig()
        self.now = 0.0
        self.events = 0
        self.hosts: list[Host] = []
        self.tally = Tally()
        self.envelopes: dict[MessageId, Envelope] = {}
        """Every message that any host keeps."""

        self.forged: set[tuple[bytes, bytes]] = set()
        """Id and signature of every envelope whose signature does not hold."""

        self._heap: list[Entry] = []
        self._sequence = 0
        self._last_request = 0
        self._last_link = 0
        self._trace = hashlib.blake2b(digest_size=16)
        self._next: deque[tuple[Host, Input]] = deque()
        """What follows at once from what a host just did."""

    # Hosts

    def add_node(self, config: NodeConfig) -> Host:
        """A host with a node on it, not yet started."""
        index = len(self.hosts)
        identity = Identity(hashlib.sha256(b"%d node %d" % (self.seed, index)).digest())
        host = Host(index, identity, self.envelopes)
        node = Node(
            identity, config, index=host.store, rng=rng_for(self.seed, f"node {index}"), now=self.clock()
        )
        host.install(node, partial(hello_of, node))
        self.hosts.append(host)
        return host

    def add_machine(self, identity: Identity, machine: Machine, hello: Hello) -> Host:
        """A host that runs a script instead of a node."""
        host = Host(len(self.hosts), identity, self.envelopes)
        host.install(machine, lambda: hello)
        self.hosts.append(host)
        return host

    def start(self, host: Host) -> None:
        host.up = True
        self.post(host, Started())

    def at_address(self, address: str) -> Host | None:
        index = index_of(address)
        return self.hosts[index] if index is not None and index < len(self.hosts) else None

    def delay_s(self, one: Host, other: Host) -> float:
        """One way between two hosts, the same both ways, whoever links with whom and when."""
        low, high = sorted((one.index, other.index))
        digest = hashlib.blake2b(_pair(self.seed, low, high), digest_size=8).digest()
        share = int.from_bytes(digest, "big") / 2**64
        return LEAST_DELAY_S + share * (MOST_DELAY_S - LEAST_DELAY_S)

    def new_binding(self) -> bytes:
        """What both ends of a new link, and nobody else, would have from their handshake."""
        self._last_link += 1
        return hashlib.blake2b(_pair(self.seed, self._last_link, 0), digest_size=32).digest()

    def open_ends(self) -> Iterator[End]:
        """Both ends of every link between hosts that are up and know of it."""
        for host in self.hosts:
            if host.up:
                for end in host.ends.values():
                    if end.up and end.other.up and end.other.host.up:
                        yield end

    # Time

    def clock(self) -> Now:
        return Now(self.now, WALL_START_MS + int(self.now * 1000))

    @property
    def trace(self) -> str:
        """A hash over everything that has arrived anywhere, in order."""
        return self._trace.hexdigest()

    def call_at(self, time: float, call: Callable[[], None]) -> None:
        self._push(time, CALL, call)

    def post(self, host: Host, event: Input, delay_s: float = 0.0) -> None:
        self._push(self.now + delay_s, INPUT, host, event)

    def say(self, host: Host, text: str, room: str = "lobby") -> RequestId:
        """`tally.by_request` has the message's trail once it is stored at its author."""
        self._last_request += 1
        request = RequestId(self._last_request)
        self.post(host, SendText(request, room, text))
        return request

    def _push(self, time: float, kind: int, target: Any, one: Any = None, other: Any = None) -> None:
        self._sequence += 1
        heappush(self._heap, (time, self._sequence, kind, target, one, other))

    def run_for(self, seconds: float) -> None:
        self.run(self.now + seconds)

    def run(self, until: float) -> None:
        """Let everything happen that is due by then."""
        # Frames and envelopes make no cycles; looking for them takes a quarter of the time.
        collecting = gc.isenabled()
        gc.disable()
        try:
            heap = self._heap
            while heap and heap[0][0] <= until:
                entry = heappop(heap)
                self.now = entry[0]
                if entry[2] == FRAME:
                    self._receive(entry)
                else:
                    self._happen(entry)
                self.events += 1
        finally:
            if collecting:
                gc.enable()
        self.now = max(self.now, until)

    def _happen(self, entry: Entry) -> None:
        now, _, kind, target, one, other = entry
        if kind == TIMER:
            if target.timers.get(one) == other and target.up:
                if target.paused_until > now:
                    target.backlog.append(entry)
                    return
                del target.timers[one]
                self._trace.update(_traced(now, kind, target.index, 0))
                self._handle(target, TimerFired(one))
        elif kind == INPUT:
            self._input(entry, target, one)
        elif kind == CLOSED:
            self._hear_of_close(entry, target, one)
        else:
            target()

    def _receive(self, entry: Entry) -> None:
        now, _, _, end, messages, plaintext = entry
        host = end.host
        if not (end.up and host.up):
            return
        if host.paused_until > now:
            host.backlog.append(entry)
            return
        self._trace.update(_traced(now, FRAME, end.other.host.index, host.index) + plaintext)
        for message in messages:
            kind = type(message)
            if kind is Publish:
                self.tally.received(message, host.index, spread=True)
            elif kind is History:
                for item in message.messages:
                    self.tally.received(item, host.index, spread=False)
        if self.config.through_wire:
            messages = decode_batch(plaintext)
        self._handle(host, Received(end.link, messages))

    def _input(self, entry: Entry, host: Host, event: Input) -> None:
        if not host.up:
            return
        if host.paused_until > self.now:
            host.backlog.append(entry)
            return
        self._trace.update(_traced(self.now, INPUT, host.index, 0))
        self._trace.update(type(event).__name__.encode())
        if type(event) is LinkUp:
            host.ends[event.link].up = True
        self._handle(host, event)

    def _hear_of_close(self, entry: Entry, end: End, error: RemoteError) -> None:
        if end.host.paused_until > self.now:
            end.host.backlog.append(entry)
        elif end.up and end.host.up:
            self._trace.update(_traced(self.now, CLOSED, end.other.host.index, end.host.index))
            self._lose(end, error)
            self._drain()

    def resume(self, host: Host) -> None:
        """A paused host handles what has come meanwhile."""
        if host.paused_until <= self.now:
            waiting, host.backlog = host.backlog, []
            for entry in waiting:
                self._push(self.now, *entry[2:])

    # Outputs

    def act(self, host: Host, *outputs: Output) -> None:
        """What a script does out of turn."""
        self._perform(host, list(outputs))
        self._drain()

    def _handle(self, host: Host, event: Input) -> None:
        outputs = host.machine.handle(event, Now(self.now, WALL_START_MS + int(self.now * 1000)))
        if outputs:
            self._perform(host, outputs)
            if self._next:
                self._drain()

    def _drain(self) -> None:
        following = self._next
        while following:
            host, event = following.popleft()
            outputs = host.machine.handle(event, Now(self.now, WALL_START_MS + int(self.now * 1000)))
            if outputs:
                self._perform(host, outputs)

    def _perform(self, host: Host, outputs: list[Output]) -> None:
        """All of it, and then each link's frames: what one turn says on a link leaves together."""
        waiting: dict[End, list[Item]] = {}
        for output in outputs:
            kind = type(output)
            if kind is Send:
                self._queue(host, output, waiting)  # type: ignore[arg-type]  # mypy does not narrow by `is`
            elif kind is not Notice:
                self._perform_one(host, output, waiting)
        for end, items in waiting.items():
            self._write(end, items)

    def _perform_one(self, host: Host, output: Output, waiting: dict[End, list[Item]]) -> None:
        match output:
            case Verify(job, _, envelopes, history):
                if not history:
                    self.tally.checked[host.index] += len(envelopes)
                forged = self.forged
                results = tuple([(item.id, item.signature) not in forged for item in envelopes])
                self._answer(host, Verified(job, results), self.config.verify_s)
            case Persist():
                if self.config.commit_s:
                    self.call_at(self.now + self.config.commit_s, partial(self._commit, host, output))
                else:
                    self._next.append((host, Committed(output.job, host.store.keep(output.messages))))
            case LookUp(job, room, question):
                reply, alike = look_up(host.store, room, question)
                self._next.append((host, LookedUp(job, reply, tuple(alike))))
            case MessageAdded():
                self.tally.shown(output, host.index, self.now)
            case MemberChanged():
                if self.tally.follows_members:
                    self.tally.moves.append(Move(self.now, host.index, output.peer_id, output.movement))
            case SetTimer(key, at):
                self._sequence += 1
                host.timers[key] = self._sequence
                heappush(self._heap, (max(at, self.now), self._sequence, TIMER, host, key, self._sequence))
            case Replied(request, SentReply(envelope)):
                ttl = host.node.config.gossip.ttl if host.node else 0
                self.tally.track(request, Trail(envelope.id, host.index, self.now, len(self.hosts), ttl))
            case CloseLink(link, error):
                self._close(host, link, error, waiting)
            case Dial():
                dials.dial(self, host, output)
            case _:
                pass  # news that nobody here reads

    def _answer(self, host: Host, event: Input, delay_s: float) -> None:
        if delay_s:
            self.post(host, event, delay_s)
        else:
            self._next.append((host, event))

    def _commit(self, host: Host, persist: Persist) -> None:
        # Whatever was not on disk when its host died is gone.
        if host.up:
            self.post(host, Committed(persist.job, host.store.keep(persist.messages)))

    # Links

    def _queue(self, host: Host, output: Send, waiting: dict[End, list[Item]]) -> None:
        message = output.message
        if host.twist is not None:
            twisted = host.twist(output)
            if twisted is None:
                return
            message = twisted
        item = (output.priority, message, encode_message(message))
        ends = host.ends
        copies = 0
        for link in output.links:
            end = ends.get(link)
            if end is not None and end.up:
                copies += 1
                items = waiting.get(end)
                if items is None:
                    waiting[end] = [item]
                else:
                    items.append(item)
        traffic = self.tally.traffic
        traffic.messages[type(message)] += copies
        traffic.message_bytes[type(message)] += copies * len(item[2])

    def _write(self, end: End, items: list[Item]) -> None:
        traffic = self.tally.traffic
        for messages, plaintext in frames_of(items):
            traffic.frames += 1
            traffic.wire_bytes += FRAME_OVERHEAD_BYTES + len(plaintext)
            self.transmit(end.other, FRAME, messages, plaintext)

    def transmit(self, to: End, kind: int, one: Any, other: Any = None) -> None:
        """To the other end of a link, behind everything sent there before."""
        if to.blocked:
            if not to.hole:
                to.held.append((kind, one, other))
            return
        at = self.now + to.delay_s
        if at < to.last:  # noqa: PLR1730 - max() is a call, and this runs once a frame
            at = to.last
        to.last = at
        self._sequence += 1
        heappush(self._heap, (at, self._sequence, kind, to, one, other))

    def _close(self, host: Host, link: LinkId, error: RemoteError, waiting: dict[End, list[Item]]) -> None:
        end = host.ends.get(link)
        if end is None or not end.up:
            return
        last_words = waiting.pop(end, None)
        if last_words is not None:
            self._write(end, last_words)
        self._lose(end, error)

    def _lose(self, end: End, error: RemoteError) -> None:
        """The end is closed: its host hears of it, and in time so does the other side."""
        end.up = False
        del end.host.ends[end.link]
        self._next.append((end.host, LinkDown(end.link, error)))
        self.transmit(end.other, CLOSED, ClosedByPeer())
