"""Dialling: which address is tried now, and what becomes of it.

Joins the address book and the table of links; neither knows the other. Knows nothing of what links are for.
"""

from collections.abc import Collection, Iterable

from chatcore.addressbook import ANCHORS, AddressBook
from chatcore.addressentry import Address
from chatcore.addresses import host_at, host_bytes, scope_at
from chatcore.clock import Now
from chatcore.config import NodeConfig
from chatcore.counters import Counters
from chatcore.errors import LocalError, NotLinked, PeerRefused, RemoteError, SelfDialed, WrongPeer
from chatcore.events import (
    AddressesDue,
    Connect,
    ConnectReply,
    Dial,
    DialDue,
    DialFailed,
    Discovered,
    EndLink,
    EndReply,
    Notice,
    Output,
    Rejected,
    Replied,
    SaveAddresses,
    SetTimer,
)
from chatcore.ids import PeerId
from chatcore.lan import Lan
from chatcore.links import Link, Links
from chatcore.names import normal_address
from chatcore.records import Named, PeerRecord
from chatcore.rng import Rng
from chatcore.shunned import Shunned

DIAL_PAUSE_S = 0.25

FEW_LINKS = 3
"""With fewer, addresses from peer exchange are dialled for themselves; otherwise rooms say whom they want."""

FIRST_SAVE_S = 2.0
"""After the start; each further one comes twice as late, up to the configured pause."""

DIALS_WHEN_ALONE = 8
"""At once, while there is no link at all: after a restart much of what is known may be gone, and a dial takes
10 s where nothing answers."""


class Dialler:
    def __init__(
        self,
        config: NodeConfig,
        links: Links,
        book: AddressBook,
        counters: Counters,
        rng: Rng,
        *,
        shunned: Shunned,
    ) -> None:
        self._config = config
        self._links = links
        self._shunned = shunned
        self._counters = counters
        self._book = book
        self._lan = Lan(rng)
        self._lan_at: float | None = None
        """When the next node of the local network may be dialled."""

        self._sought_at: float | None = None
        """When the first address may be dialled that a room seeks and that failed lately."""

        self._save_wait_s = FIRST_SAVE_S
        self._stopping = False

    def handle_started(self, now: Now) -> list[Output]:
        for address in self._config.bootstrap:
            self._book.keep(normal_address(address))
        for record in self._shunned.discouraged(now.mono):
            # The book then knows who lives there, and so whom not to dial.
            self._book.expect(record.address, record.peer_id)
        return self.handle_dial_due(now)

    def handle_stop(self) -> None:
        self._stopping = True

    def handle_woken(self, now: Now) -> None:
        self._book.handle_woken(now.mono)

    def handle_connect(self, event: Connect, now: Now) -> list[Output]:
        try:
            address = normal_address(event.address)
            self._check_not_refused(address, now)
            self._book.keep(address)
        except LocalError as error:
            return [Rejected(event.request, error)]
        linked = self._book.peer_at(address) in self._links.peer_ids
        return [Replied(event.request, ConnectReply(address, linked)), *self.handle_dial_due(now)]

    def _check_not_refused(self, address: str, now: Now) -> None:
        """Raises PeerRefused. Whoever asks for somebody we parted from has thought better of it."""
        there = [item for item in self._shunned.discouraged(now.mono) if item.address == address]
        peer_id = there[0].peer_id if there else self._book.peer_at(address)
        self._shunned.reunite(address, peer_id)
        refusal = None if peer_id is None else self._shunned.refusal(peer_id, now.mono)
        if peer_id is not None and refusal is not None:
            raise PeerRefused(address, str(refusal), peer_id.short)

    def handle_end_link(self, event: EndLink, link: Link | None) -> list[Output]:
        """Dial the address no more. The link itself, if there is one, is for the node to close."""
        peer_id = event.peer_id if link is None else link.peer_id
        ours = set() if peer_id is None else set(self._book.kept_of(peer_id))
        named = {address for address in (event.address, link and link.dialled) if address}
        dropped = sorted(address for address in ours | named if self._book.unkeep(address))
        if link is None and not dropped:
            return [Rejected(event.request, NotLinked(event.text))]
        return [Replied(event.request, EndReply(link is not None, tuple(dropped)))]

    def _avoided(self, now: Now) -> Collection[PeerId]:
        """Whom not to dial: linked peers, and those we do not link with."""
        linked, shunned = self._links.peer_ids, self._shunned.peer_ids(now.mono)
        return {*linked, *shunned} if shunned else linked

    def handle_dial_due(self, now: Now) -> list[Output]:
        """Dial what is due, and come back when more will be."""
        if self._stopping or self._links.full:
            return []
        avoided = self._avoided(now)
        room = FEW_LINKS - len(self._links) if len(self._links) else DIALS_WHEN_ALONE
        outputs: list[Output] = [
            Dial(entry.address, entry.expected) for entry in self._book.due(now.mono, avoided, room)
        ]
        outputs += self._dial_lan(now)
        if self._sought_at is not None and self._sought_at <= now.mono:
            self._sought_at = None  # whoever still seeks will say so
        return outputs + self._come_back(now)

    def _come_back(self, now: Now) -> list[Output]:
        due = self._book.next_due(self._avoided(now), learned_too=len(self._links) < FEW_LINKS)
        times = [at for at in (due, self._sought_at, self._lan_at) if at is not None]
        # What is due already waits for a dial under way, and must not keep us spinning until it ends.
        return [SetTimer(DialDue(), max(min(times), now.mono + DIAL_PAUSE_S))] if times else []

    # The local network

    def handle_discovered(self, event: Discovered, now: Now) -> list[Output]:
        self._book.withdraw(self._lan.handle_discovered(event.nodes), self._links.peer_ids)
        return self.handle_dial_due(now)

    def _dial_lan(self, now: Now) -> list[Output]:
        """Nodes found on the local network; whoever answers there will do, if it is of our network."""
        self._lan_at = None
        if len(self._lan) == 0:
            return []
        linked = {link.dialled for link in self._links} | {
            record.address for link in self._links for record in link.records
        }
        shunned = self._shunned.peer_ids(now.mono)
        outputs: list[Output] = []
        calls = self._lan.call(now.mono, linked)
        waits = [] if calls.more_at is None else [calls.more_at]
        for address in calls.addresses:
            self._book.note(address)
            if self._book.peer_at(address) in shunned:
                continue
            if self._book.take(address, now.mono):
                outputs.append(Dial(address, None))
            elif (at := self._book.next_try(address)) is not None:
                waits.append(at)
        self._lan_at = min(waits, default=None)
        return outputs

    # What became of it

    def handle_dial_failed(self, event: DialFailed, now: Now) -> list[Output]:
        address, reason, kind = event.address, str(event.error), event.error.kind
        # A name that leads here may lead elsewhere one day, when its owner or a name server is put right.
        if isinstance(event.error, SelfDialed) and host_bytes(host_at(address)) is not None:
            self._book.handle_self(address)
            self._lan.handle_answered(address)
        elif isinstance(event.error, WrongPeer):
            expected = event.expected
            self._book.handle_wrong_peer(address, expected, now.mono, reason, self._links.peer_ids, kind=kind)
        else:
            self._book.handle_failed(address, now.mono, reason, self._links.peer_ids, kind=kind)
            self._lan.handle_failed(address)
        self._counters.refuse(event.error)
        notice = Notice("dial_failed", event.address, event.error)
        return [notice, *self.handle_dial_due(now)]

    def handle_linked(self, address: str, peer_id: PeerId, now: Now) -> None:
        self._book.handle_linked(address, peer_id, now.mono, self._links.peer_ids)
        self._lan.handle_answered(address)

    def handle_turned_away(self, address: str, error: RemoteError, now: Now) -> None:
        """Somebody answered, but it is no link."""
        self._book.handle_failed(address, now.mono, str(error))

    def handle_lost(self, link: Link, error: RemoteError, now: Now, *, wordless: bool) -> None:
        """Whoever dialled, that peer is not dialled again before a pause: it may be on its way out."""
        record = link.record
        if link.dialled is None and record is not None:
            self._book.learn(record, link.group, self._links.peer_ids)
        address = link.dialled or (record and record.address)
        # Who called only says where it listens: that must not spoil somebody else's address.
        called = link.dialled is None
        if address and (not called or self._book.peer_at(address) == link.peer_id):
            lived_s = now.mono - link.since
            self._book.handle_lost(address, now.mono, lived_s, str(error), wordless=wordless, called=called)

    # Where to dial

    def seek(self, members: Iterable[Named], now: Now, *, others: bool) -> list[Output]:
        """Members of rooms that want to be linked with them: dial those that may be, come back for the rest.
        `others`: more rooms may seek than these."""
        if self._stopping or self._links.full:
            return []
        outputs: list[Output] = []
        waits: list[float] = []
        avoided = self._avoided(now)
        for record, source in members:
            if record.peer_id not in avoided:
                if self._book.peer_at(record.address) is None:
                    self._book.learn(record, source, self._links.peer_ids)
                if self._book.take(record.address, now.mono):
                    outputs.append(Dial(record.address, record.peer_id))
                elif (at := self._book.next_try(record.address)) is not None:
                    waits.append(at)
        if not waits:
            return outputs
        if others and self._sought_at is not None:
            waits.append(self._sought_at)
        self._sought_at = min(waits)
        return outputs + self._come_back(now)

    def is_kept(self, address: str) -> bool:
        """Whether the operator asked for it."""
        return self._book.is_kept(address)

    def is_own(self, address: str) -> bool:
        """Whether it turned out to be this node's."""
        return self._book.is_own(address)

    @property
    def asked_for(self) -> int:
        return self._book.asked_for

    @property
    def heard_of(self) -> int:
        return self._book.heard_of

    def peer_at(self, address: str) -> PeerId | None:
        """Who is, or was, behind an address."""
        return self._book.peer_at(address)

    def proven(self) -> list[PeerRecord]:
        """Where peers are that have answered."""
        return self._book.proven()

    # What outlives a restart

    def next_save(self, now: Now) -> SetTimer:
        """Often at first: whom a node meets then may be all that it knows, should everybody crash."""
        wait_s = self._save_wait_s
        self._save_wait_s = min(2 * wait_s, self._config.link.save_every_s)
        return SetTimer(AddressesDue(), now.mono + wait_s)

    def save(self) -> list[Output]:
        """What has changed since the last time, with the links that have held longest for anchors."""
        held = [link for link in self._links if link.outbound]
        places = [self._place(link) for link in held]
        anchors = [address for address in places if address is not None][:ANCHORS]
        if anchors:  # else the last ones stay
            self._book.set_anchors(anchors)
        known, forgotten = self._book.unsaved()
        return [SaveAddresses(known, forgotten)] if known or forgotten else []

    def handle_not_saved(self, addresses: Iterable[str]) -> list[Output]:
        """The next save tries again."""
        self._book.handle_not_saved(addresses)
        return []

    def _place(self, link: Link) -> str | None:
        if link.dialled is not None and scope_at(link.dialled) is not None:
            return link.dialled
        return link.record and link.record.address

    def unreached(self) -> list[Address]:
        """Addresses this node was told to reach and has no link to."""
        return self._book.unreached(self._links.peer_ids)
