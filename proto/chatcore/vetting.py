"""Which records of peers are taken from whom: signed, of the right age, from somebody who may tell of them.

Every record that comes in passes here, once for each time it comes. Dials nothing and hands nothing on.
"""

from collections.abc import Iterable

from chatcore.addressbook import AddressBook
from chatcore.clock import Now
from chatcore.counters import Counters
from chatcore.errors import ForgedRecord, Malformed
from chatcore.ids import LinkId, PeerId
from chatcore.limits import TokenBucket
from chatcore.links import Link, Links
from chatcore.records import PeerRecord
from chatcore.shunned import Shunned

UNASKED_PER_S = 0.1
UNASKED_BURST = 64
"""Addresses taken from one link that nobody asked it for, as in Bitcoin (MAX_ADDR_RATE_PER_SECOND); those
beyond are not looked at. A neighbour's shuffles name 8 in 80 s."""

INTRODUCTIONS_PER_S = 0.1
INTRODUCTIONS_BURST = 4
"""An honest peer says anew where it is when it has learned so, and every six hours."""


class Vetting:
    def __init__(
        self, own: PeerId, links: Links, book: AddressBook, counters: Counters, *, shunned: Shunned
    ) -> None:
        self._own = own
        self._links = links
        self._book = book
        self._counters = counters
        self._shunned = shunned
        self._unasked: dict[LinkId, TokenBucket] = {}
        self._introductions: dict[LinkId, TokenBucket] = {}

    def vet(
        self, link: Link, records: Iterable[PeerRecord], now: Now, *, asked: bool
    ) -> tuple[PeerRecord, ...]:
        """Those to be taken; they stand in the address book. Raises ForgedRecord: honest peers check before
        they hand on."""
        taken = tuple([record for record in records if self._may_tell(link, record, now, asked=asked)])
        for record in taken:
            self._book.learn(record, link.group, self._links.peer_ids)
        return taken

    def _may_tell(self, link: Link, record: PeerRecord, now: Now, *, asked: bool) -> bool:
        if record.peer_id == self._own:
            return False
        if self._shunned.refusal(record.peer_id, now.mono) is not None:
            return False  # neither for us to dial, nor to be handed on by us
        if not record.is_current(now):
            return self._refuse(link, "stale_record")
        if record.scope < link.scope:
            return self._refuse(link, "lan_address")
        if self._book.knows(record):
            return True
        if not asked and not self._bucket(link.link, now.mono).take(now.mono):
            return self._refuse(link, "address_rate")
        if not record.is_signed():
            raise ForgedRecord
        return True

    def _refuse(self, link: Link, why: str) -> bool:
        self._counters.blame(link.link, why)
        return False

    def _bucket(self, link: LinkId, mono: float) -> TokenBucket:
        return self._unasked.setdefault(link, TokenBucket(UNASKED_PER_S, UNASKED_BURST, mono))

    def introduced(
        self, link: Link, records: Iterable[PeerRecord], now: Now
    ) -> tuple[PeerRecord, ...] | None:
        """What a peer says of itself; None when it says so too often. Raises ForgedRecord, Malformed."""
        allowed = self._introductions.setdefault(
            link.link, TokenBucket(INTRODUCTIONS_PER_S, INTRODUCTIONS_BURST, now.mono)
        )
        if not allowed.take(now.mono):
            self._refuse(link, "introduction_rate")
            return None
        records = tuple(records)
        if any(record.peer_id != link.peer_id for record in records):
            raise Malformed("an introduction of somebody else")
        return tuple(sorted(self.vet(link, records, now, asked=True), key=lambda record: record.scope))

    def handle_link_gone(self, link: LinkId) -> None:
        self._unasked.pop(link, None)
        self._introductions.pop(link, None)
