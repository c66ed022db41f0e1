"""Keeping links: dialling, welcoming, pinging, dropping, and asking peers for more peers.

Joins the address book and the table of links; neither knows the other. Knows nothing of messages in rooms.
"""

from collections.abc import Collection, Iterable

from chatcore.addressbook import Address, AddressBook
from chatcore.clock import Now
from chatcore.config import NodeConfig
from chatcore.counters import Counters
from chatcore.errors import ClosedByPeer, LocalError, RemoteError, SelfDialed, WrongPeer
from chatcore.events import (
    CloseLink,
    Connect,
    ConnectReply,
    Dial,
    DialDue,
    DialFailed,
    LinkDown,
    LinkUp,
    Notice,
    Output,
    PeerChanged,
    PingDue,
    Priority,
    Rejected,
    Replied,
    Send,
    SetTimer,
    StrangerRefused,
)
from chatcore.ids import LinkId, PeerId
from chatcore.links import Link, Links
from chatcore.messages import (
    MAX_PEER_RECORDS,
    Goodbye,
    LinkMessage,
    PeerRecord,
    PeerRequest,
    PeerResponse,
    Ping,
    Pong,
)
from chatcore.names import normal_address
from chatcore.rng import Rng

DIAL_PAUSE_S = 0.25

MAX_SPARES = 4
SPARE_AFTER_S = 30.0

FEW_LINKS = 3
"""With fewer, addresses from peer exchange are dialled for themselves; otherwise rooms say whom they want."""
STOPPING = "the node is stopping"


class LinkSilent(RemoteError):
    kind = "silent"
    fault = False

    def __init__(self, silent_s: float) -> None:
        super().__init__(f"nothing heard for {silent_s:.0f} s")


class LinkReplaced(RemoteError):
    kind = "replaced"
    fault = False

    def __init__(self) -> None:
        super().__init__("another link to the same peer took its place")


class LinkSpare(RemoteError):
    kind = "spare"
    fault = False

    def __init__(self) -> None:
        super().__init__("no room needs this link")


class NodeFull(RemoteError):
    kind = "full"

    def __init__(self, most: int) -> None:
        super().__init__(f"all {most} places for peers are taken")


class Peers:
    def __init__(self, config: NodeConfig, own: PeerId, links: Links, counters: Counters, rng: Rng) -> None:
        self._config = config
        self._own = own
        self._links = links
        self._counters = counters
        self._rng = rng
        self._book = AddressBook(config.link, rng)
        self._stopping = False

    def handle_started(self, now: Now) -> list[Output]:
        for address in self._config.bootstrap:
            self._book.keep(normal_address(address))
        return [self._next_ping(now), *self.handle_dial_due(now)]

    def handle_connect(self, event: Connect, now: Now) -> list[Output]:
        try:
            address = normal_address(event.address)
            self._book.keep(address)
        except LocalError as error:
            return [Rejected(event.request, error)]
        linked = self._book.peer_at(address) in self._links.peer_ids
        return [Replied(event.request, ConnectReply(address, linked)), *self.handle_dial_due(now)]

    def handle_link_up(self, event: LinkUp, now: Now) -> list[Output]:
        """The link is in the table afterwards, unless it was one too many."""
        if event.dialled is not None:
            self._book.handle_linked(event.dialled, event.peer_id)
        if self._stopping:
            return self._turn_away(event, ClosedByPeer(STOPPING), now)
        outputs: list[Output] = []
        old = self._links.to(event.peer_id)
        if old is not None:
            if not self._links.should_replace(old, event, now.mono):
                self._links.fade(self._links.make(event, now.mono))
                return self._turn_away(event, LinkReplaced(), now)
            outputs += self.drop(old, LinkReplaced(), now)
            self._links.fade(old)
        elif self._links.full:
            return self._turn_away(event, NodeFull(self._config.link.max_peers), now)
        link = self._links.add(event, now.mono)
        outputs += [
            _changed(link, up=True, reason=""),
            Send((link.link,), self._links.ping(link, now.mono), Priority.CONTROL),
        ]
        if link.outbound:
            link.asked_peers = True
            outputs.append(Send((link.link,), PeerRequest(MAX_PEER_RECORDS), Priority.CONTROL))
        return outputs

    def _turn_away(self, event: LinkUp, error: RemoteError, now: Now) -> list[Output]:
        """With other addresses to try, where the other side came to get into the network."""
        if event.dialled is not None:
            self._book.handle_failed(event.dialled, now.mono, str(error))
        elif isinstance(error, NodeFull):
            others = PeerResponse(self._sample(None, MAX_PEER_RECORDS))
            return [
                Send((event.link,), others, Priority.CONTROL),
                _farewell(event.link, error),
                CloseLink(event.link, error),
            ]
        return [_farewell(event.link, error), CloseLink(event.link, error)]

    def handle_link_down(self, event: LinkDown, now: Now) -> list[Output]:
        self._links.forget(event.link)
        link = self._links.remove(event.link)
        if link is None:
            return self.handle_dial_due(now)  # we let go of it ourselves
        self._refused(event.error)
        return [*self._lost(link, event.error, now), *self.handle_dial_due(now)]

    def drop(self, link: Link, error: RemoteError, now: Now, *, farewell: bool = True) -> list[Output]:
        """Let go of a link, with a word to the other side."""
        if self._links.remove(link.link) is None:
            return []
        self._refused(error)
        outputs: list[Output] = []
        if farewell:
            outputs.append(_farewell(link.link, error))
        return [*outputs, CloseLink(link.link, error), *self._lost(link, error, now)]

    def _lost(self, link: Link, error: RemoteError, now: Now) -> list[Output]:
        if link.dialled is not None:
            self._book.handle_lost(link.dialled, now.mono, now.mono - link.since, str(error))
        return [_changed(link, up=False, reason=str(error))]

    def seek(self, records: Iterable[PeerRecord], now: Now) -> list[Output]:
        """Members of a room that it wants to be linked with: dial those that may be dialled now."""
        if self._stopping:
            return []
        outputs: list[Output] = []
        for record in records:
            if not self._links.full and self._links.to(record.peer_id) is None:
                self._book.learn(record.address, record.peer_id)
                if self._book.take(record.address, now.mono):
                    outputs.append(Dial(record.address, record.peer_id))
        return outputs

    def retire_spares(self, active: Collection[LinkId], now: Now) -> list[Output]:
        """Close links we dialled that no room uses, but for a few that are warm when a neighbour is lost.

        What the operator asked for by address stays.
        """
        spares = [
            link
            for link in self._links
            if link.link not in active
            and link.dialled is not None
            and not self._book.is_kept(link.dialled)
            and now.mono - link.since > SPARE_AFTER_S
        ]
        retired = spares[: max(0, len(spares) - MAX_SPARES)]  # the table is in order of age
        return [output for link in retired for output in self.drop(link, LinkSpare(), now)]

    def record_at(self, address: str) -> PeerRecord | None:
        """Who is, or was, behind an address."""
        peer_id = self._book.peer_at(address)
        return None if peer_id is None else PeerRecord(peer_id, address)

    def handle_dial_failed(self, event: DialFailed, now: Now) -> list[Output]:
        if isinstance(event.error, SelfDialed):
            self._book.handle_self(event.address)
        elif isinstance(event.error, WrongPeer):
            self._book.forget(event.address)
        else:
            self._book.handle_failed(event.address, now.mono, str(event.error))
        self._refused(event.error)
        notice = Notice("dial_failed", event.address, event.error)
        return [notice, *self.handle_dial_due(now)]

    def handle_stranger_refused(self, event: StrangerRefused) -> list[Output]:
        self._counters.refused[event.error.kind] += 1
        return [Notice("stranger_refused", event.address, event.error)]

    def _refused(self, error: RemoteError) -> None:
        if error.fault:
            self._counters.refused[error.kind] += 1

    def handle_dial_due(self, now: Now) -> list[Output]:
        """Dial what is due, and come back when more will be."""
        if self._stopping or self._links.full:
            return []
        linked = self._links.peer_ids
        room = FEW_LINKS - len(self._links)
        outputs: list[Output] = [
            Dial(entry.address, entry.expected) for entry in self._book.due(now.mono, linked, room)
        ]
        next_due = self._book.next_due(linked, learned_too=room > 0)
        if next_due is not None:
            # What is due already waits for a dial under way, and must not keep us spinning until it ends.
            outputs.append(SetTimer(DialDue(), max(next_due, now.mono + DIAL_PAUSE_S)))
        return outputs

    def handle_ping_due(self, now: Now) -> list[Output]:
        outputs: list[Output] = [self._next_ping(now)]
        for link in self._links.silent(now.mono):
            outputs += self.drop(link, LinkSilent(now.mono - link.heard), now)
        for link in self._links:
            outputs.append(Send((link.link,), self._links.ping(link, now.mono), Priority.CONTROL))
        return [*outputs, *self.handle_dial_due(now)]

    def _next_ping(self, now: Now) -> SetTimer:
        return SetTimer(PingDue(), now.mono + self._config.link.ping_every_s)

    def on_message(self, link: Link, message: LinkMessage, now: Now) -> list[Output]:
        """Everything two neighbours say to each other that is not for a room."""
        match message:
            case Ping(nonce):
                return [Send((link.link,), Pong(nonce), Priority.CONTROL)]
            case Pong():
                self._links.on_pong(link, message, now.mono)
            case PeerRequest(most):
                return self._on_peer_request(link, most, now)
            case PeerResponse():
                return self._on_peer_response(link, message, now)
            case _:
                pass  # a type of a newer minor version, or a second hello: nothing for us
        return []

    def _on_peer_request(self, link: Link, most: int, now: Now) -> list[Output]:
        if not self._links.may_ask_peers(link, now.mono):
            self._counters.refused["peer_request_rate"] += 1
            return []
        response = PeerResponse(self._sample(link, min(most, MAX_PEER_RECORDS)))
        return [Send((link.link,), response, Priority.CONTROL)]

    def _sample(self, to: Link | None, most: int) -> tuple[PeerRecord, ...]:
        records = [other.record() for other in self._links if other is not to]
        found = [record for record in records if record is not None]
        return tuple(self._rng.sample(found, min(most, len(found))))

    def _on_peer_response(self, link: Link, message: PeerResponse, now: Now) -> list[Output]:
        if not link.asked_peers:
            self._counters.refused["unasked_peers"] += 1
            return []
        link.asked_peers = False
        for record in message.peers:
            if record.peer_id != self._own:
                self._book.learn(record.address, record.peer_id)
        return self.handle_dial_due(now)

    def handle_stop(self, now: Now) -> list[Output]:
        self._stopping = True
        goodbye = ClosedByPeer(STOPPING)
        return [output for link in list(self._links) for output in self.drop(link, goodbye, now)]

    def unreached(self) -> list[Address]:
        """Addresses this node was told to reach and has no link to."""
        return self._book.unreached(self._links.peer_ids)


def _farewell(link: LinkId, error: RemoteError) -> Send:
    # Behind everything queued: the other side lets go of the link as soon as it reads this.
    return Send((link,), Goodbye(str(error)), Priority.BULK)


def _changed(link: Link, *, up: bool, reason: str) -> PeerChanged:
    return PeerChanged(link.peer_id, link.username, link.address, link.outbound, up, reason)
