"""Dialling: which address is tried now, and what becomes of it.

Joins the address book and the table of links; neither knows the other. Knows nothing of what links are for.
"""

from collections.abc import Iterable

from chatcore.addressbook import Address, AddressBook
from chatcore.clock import Now
from chatcore.config import NodeConfig
from chatcore.counters import Counters
from chatcore.errors import LocalError, RemoteError, SelfDialed, WrongPeer
from chatcore.events import (
    Connect,
    ConnectReply,
    Dial,
    DialDue,
    DialFailed,
    Notice,
    Output,
    Rejected,
    Replied,
    SetTimer,
)
from chatcore.ids import PeerId
from chatcore.links import Link, Links
from chatcore.names import normal_address
from chatcore.records import PeerRecord
from chatcore.rng import Rng

DIAL_PAUSE_S = 0.25

FEW_LINKS = 3
"""With fewer, addresses from peer exchange are dialled for themselves; otherwise rooms say whom they want."""


class Dialler:
    def __init__(self, config: NodeConfig, own: PeerId, links: Links, counters: Counters, rng: Rng) -> None:
        self._config = config
        self._own = own
        self._links = links
        self._counters = counters
        self._book = AddressBook(config.link, rng)
        self._sought_at: float | None = None
        """When the first address may be dialled that a room seeks and that failed lately."""

        self._stopping = False

    def handle_started(self, now: Now) -> list[Output]:
        for address in self._config.bootstrap:
            self._book.keep(normal_address(address))
        return self.handle_dial_due(now)

    def handle_stop(self) -> None:
        self._stopping = True

    def handle_connect(self, event: Connect, now: Now) -> list[Output]:
        try:
            address = normal_address(event.address)
            self._book.keep(address)
        except LocalError as error:
            return [Rejected(event.request, error)]
        linked = self._book.peer_at(address) in self._links.peer_ids
        return [Replied(event.request, ConnectReply(address, linked)), *self.handle_dial_due(now)]

    def handle_dial_due(self, now: Now) -> list[Output]:
        """Dial what is due, and come back when more will be."""
        if self._stopping or self._links.full:
            return []
        linked = self._links.peer_ids
        room = FEW_LINKS - len(self._links)
        outputs: list[Output] = [
            Dial(entry.address, entry.expected) for entry in self._book.due(now.mono, linked, room)
        ]
        if self._sought_at is not None and self._sought_at <= now.mono:
            self._sought_at = None  # whoever still seeks will say so
        return outputs + self._come_back(now)

    def _come_back(self, now: Now) -> list[Output]:
        due = self._book.next_due(self._links.peer_ids, learned_too=len(self._links) < FEW_LINKS)
        times = [at for at in (due, self._sought_at) if at is not None]
        # What is due already waits for a dial under way, and must not keep us spinning until it ends.
        return [SetTimer(DialDue(), max(min(times), now.mono + DIAL_PAUSE_S))] if times else []

    # What became of it

    def handle_dial_failed(self, event: DialFailed, now: Now) -> list[Output]:
        if isinstance(event.error, SelfDialed):
            self._book.handle_self(event.address)
        elif isinstance(event.error, WrongPeer):
            self._book.forget(event.address)
        else:
            self._book.handle_failed(event.address, now.mono, str(event.error))
        self._counters.refuse(event.error)
        notice = Notice("dial_failed", event.address, event.error)
        return [notice, *self.handle_dial_due(now)]

    def handle_linked(self, address: str, peer_id: PeerId) -> None:
        self._book.handle_linked(address, peer_id)

    def handle_turned_away(self, address: str, error: RemoteError, now: Now) -> None:
        """Somebody answered, but it is no link."""
        self._book.handle_failed(address, now.mono, str(error))

    def handle_lost(self, link: Link, error: RemoteError, now: Now, *, wordless: bool) -> None:
        """Whoever dialled, that peer is not dialled again before a pause: it may be on its way out."""
        record = link.record
        if link.dialled is None and record is not None:
            self._book.learn(record.address, record.peer_id, self._links.peer_ids)
        address = link.dialled or (record and record.address)
        # Who called only says where it listens: that must not spoil somebody else's address.
        if address and (link.dialled is not None or self._book.peer_at(address) == link.peer_id):
            lived_s = now.mono - link.since
            self._book.handle_lost(address, now.mono, lived_s, str(error), wordless=wordless)

    # Where to dial

    def learn(self, records: Iterable[PeerRecord]) -> None:
        for record in records:
            if record.peer_id != self._own:
                self._book.learn(record.address, record.peer_id, self._links.peer_ids)

    def seek(self, records: Iterable[PeerRecord], now: Now) -> list[Output]:
        """Members of a room that it wants to be linked with: dial those that may be, come back for others."""
        if self._stopping or self._links.full:
            return []
        outputs: list[Output] = []
        waits: list[float] = []
        for record in records:
            if self._links.to(record.peer_id) is None:
                self._book.learn(record.address, record.peer_id, self._links.peer_ids)
                if self._book.take(record.address, now.mono):
                    outputs.append(Dial(record.address, record.peer_id))
                elif (at := self._book.next_try(record.address)) is not None:
                    waits.append(at)
        if not waits:
            return outputs
        self._sought_at = min(waits)
        return outputs + self._come_back(now)

    def is_kept(self, address: str) -> bool:
        """Whether the operator asked for it."""
        return self._book.is_kept(address)

    def peer_at(self, address: str) -> PeerId | None:
        """Who is, or was, behind an address."""
        return self._book.peer_at(address)

    def unreached(self) -> list[Address]:
        """Addresses this node was told to reach and has no link to."""
        return self._book.unreached(self._links.peer_ids)
