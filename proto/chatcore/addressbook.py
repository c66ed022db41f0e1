"""Which addresses this node dials, and when next.

*Kept* addresses (bootstrap, `connect`) are dialled for ever; *lost* ones, that went without a word, and
anchors for a while; *learned* ones, in buckets, only while links are few. Knows nothing of what is behind an
address but the peer that is said to be there, or answered.
"""

from collections.abc import Collection, Iterable, Mapping

from chatcore.addressentry import Address
from chatcore.addresstables import AddressTables
from chatcore.config import LinkConfig
from chatcore.errors import OwnAddress, TooManyAddresses
from chatcore.ids import PeerId
from chatcore.records import KnownAddress, PeerRecord
from chatcore.rng import Rng

MAX_KEPT = 64

LOST_FAILURES = 10
"""With the pauses doubling to 5 minutes, a peer that vanished is dialled for about half an hour."""

ANCHORS = 2
"""Last links of our own choice, dialled first after a restart (Heilman et al. 2015, section 7)."""

_MAX_DOUBLINGS = 16


class AddressBook:
    def __init__(self, config: LinkConfig, rng: Rng, secret: bytes) -> None:
        self._config = config
        self._rng = rng
        self._tables = AddressTables(rng, secret)
        self._book = self._tables.entries
        self._kept: dict[str, Address] = {}
        self._own: set[str] = set()
        self._withdrawn: set[str] = set()
        """Found on the local network once, and still linked or looked for."""

    # Told by the operator

    def keep(self, address: str) -> None:
        """Dial it now and whenever it is lost. Raises TooManyAddresses, OwnAddress."""
        if address in self._own:
            raise OwnAddress(address)
        known = self._book.get(address)
        if known is None or not known.kept:
            if len(self._kept) >= MAX_KEPT:
                raise TooManyAddresses(MAX_KEPT)
            known = self._book.setdefault(address, Address(address, kept=True))
            known.kept = True
            self._kept[address] = known
        known.next_try = 0.0

    def unkeep(self, address: str) -> bool:
        """No longer dial it for ever, or at all. False when it was not kept."""
        entry = self._kept.pop(address, None)
        if entry is None:
            return False
        self._tables.delete(entry)
        return True

    def is_kept(self, address: str) -> bool:
        return address in self._kept

    def is_own(self, address: str) -> bool:
        """Whether it turned out to be this node's."""
        return address in self._own

    @property
    def asked_for(self) -> int:
        """How many addresses are kept."""
        return len(self._kept)

    @property
    def heard_of(self) -> int:
        """How many others are known: learned from peers, found nearby, or met."""
        return len(self._book) - len(self._kept)

    def kept_of(self, peer_id: PeerId) -> list[str]:
        """Kept addresses where this peer last answered."""
        return [entry.address for entry in self._kept.values() if entry.peer_id == peer_id]

    def expect(self, address: str, peer_id: PeerId) -> None:
        """Who lived at a kept address when we last heard of it."""
        entry = self._kept.get(address)
        if entry is not None:
            self._tables.settle_peer(entry, peer_id)

    # Found on the local network

    def note(self, address: str) -> None:
        """Somebody is said to be there, nobody knows who: in no table, and dialled by `take` alone."""
        self._withdrawn.discard(address)
        if address not in self._book and address not in self._own:
            self._book[address] = Address(address, kept=False, noted=True)

    def withdraw(self, addresses: Iterable[str], linked: Collection[PeerId] = ()) -> None:
        """They are no longer said, and forgotten but for those in a table, which have a bound of their own.
        What is linked or looked for is forgotten with the first call after that."""
        self._withdrawn.update(addresses)
        for address in list(self._withdrawn):
            entry = self._book.get(address)
            if entry is None or not entry.noted or entry.kept:
                self._withdrawn.discard(address)
            elif not entry.lost and entry.peer_id not in linked:
                self._withdrawn.discard(address)
                self._tables.delete(entry)

    # Heard of

    def learn(self, record: PeerRecord, source: bytes, linked: Collection[PeerId] = ()) -> None:
        """Note where a peer says it is, as somebody of the group `source` told us.

        Of two peers that claim one address the first stays there until a dial has shown who is right.
        """
        known = self._book.get(record.address)
        if known is not None and not (known.noted and known.peer_id is None and not known.kept):
            if known.peer_id == record.peer_id:
                self._tables.renew(known, record)
            return
        if record.address in self._own:
            return
        entry = Address(record.address, kept=False, peer_id=record.peer_id, source=source, record=record)
        if known is not None:  # what became of dials there, still holds
            entry.dialling, entry.failures, entry.next_try = known.dialling, known.failures, known.next_try
            entry.reason, entry.kind = known.reason, known.kind
        self._tables.learn(entry, record, linked)

    def knows(self, record: PeerRecord) -> bool:
        known = self._book.get(record.address)
        return known is not None and known.record is not None and known.record.signed == record.signed

    # What to dial

    def due(self, mono: float, linked: Collection[PeerId], wanted: int) -> list[Address]:
        """What to dial now, marked as being dialled: kept and lost addresses, and learned up to `wanted`."""
        chosen = [entry for entry in self._idle(self._lasting, linked) if entry.next_try <= mono]
        for entry in chosen:
            entry.dialling = True
        if wanted > 0:
            # Those dialled anyway take no place: behind a firewall they would hold up all others.
            under_way = sum(entry.dialling and not entry.standing for entry in self._book.values())
            for _ in range(wanted - under_way):
                learned = self.pick(mono, linked)
                if learned is None:
                    break
                learned.dialling = True
                chosen.append(learned)
        return chosen

    def pick(self, mono: float, linked: Collection[PeerId]) -> Address | None:
        """A random learned address that may be dialled."""

        def fits(entry: Address) -> bool:
            idle = not entry.dialling and not entry.standing
            return idle and entry.next_try <= mono and entry.peer_id not in linked

        return self._tables.pick(fits)

    def feel(self, mono: float, linked: Collection[PeerId]) -> Address | None:
        """An address to look whether anybody is there, marked as being dialled: first where another waits."""
        waiting = self._tables.to_test(linked)
        chosen = next((item for item in waiting if not item.dialling and item.next_try <= mono), None)
        chosen = chosen or self.pick(mono, linked)
        if chosen is not None:
            chosen.dialling = True
        return chosen

    def take(self, address: str, mono: float) -> bool:
        """Mark one address as being dialled. False when it is not to be dialled now."""
        entry = self._book.get(address)
        if entry is None or entry.dialling or entry.next_try > mono:
            return False
        entry.dialling = True
        return True

    def next_try(self, address: str) -> float | None:
        """When it may be dialled. None while it is being dialled, and for an address not in the book."""
        entry = self._book.get(address)
        return None if entry is None or entry.dialling else entry.next_try

    def next_due(self, linked: Collection[PeerId], *, learned_too: bool) -> float | None:
        """When `due` will next have something to say, on the monotonic clock."""
        idle = self._idle(self._book if learned_too else self._lasting, linked)
        return min([item.next_try for item in idle if item.kept or item.lost or not item.noted], default=None)

    @property
    def _lasting(self) -> dict[str, Address]:
        """Dialled however many links there are."""
        return self._kept | self._tables.lost

    def _idle(self, book: Mapping[str, Address], linked: Collection[PeerId]) -> list[Address]:
        return [entry for entry in book.values() if not entry.dialling and entry.peer_id not in linked]

    def handle_woken(self, mono: float) -> None:
        """The machine slept, and may be in another network now: what failed before it says nothing."""
        for entry in self._lasting.values():
            entry.failures = 0
            entry.next_try = min(entry.next_try, mono)

    # What became of it

    def handle_linked(
        self, address: str, peer_id: PeerId, mono: float = 0.0, linked: Collection[PeerId] = ()
    ) -> None:
        entry = self._book.get(address)
        if entry is not None:
            entry.dialling = False
            self._tables.settle_peer(entry, peer_id)
            entry.reason = entry.kind = None
            entry.answered = True
            entry.answered_at = mono
            self._tables.find(entry)
            self._tables.promote(entry, linked)

    def handle_failed(
        self,
        address: str,
        mono: float,
        reason: str,
        linked: Collection[PeerId] = (),
        *,
        kind: str | None = None,
    ) -> None:
        """A dial did not lead to a link."""
        entry = self._book.get(address)
        if entry is not None:
            self._put_off(entry, mono, reason, kind)
            self._tables.settle_test(entry, linked)

    def handle_lost(
        self,
        address: str,
        mono: float,
        lived_s: float,
        reason: str,
        *,
        wordless: bool = False,
        called: bool = False,
    ) -> None:
        """A link is no more. `wordless`: nobody wanted it to end, so far as we know; `called`: they had
        dialled us."""
        entry = self._book.get(address)
        if entry is None:
            return
        if lived_s >= self._config.good_after_s:
            entry.failures = 0
        if wordless:
            self._tables.look_for(entry, called=called)
        self._put_off(entry, mono, reason)  # somebody was there: a test of it is still to come

    def _put_off(self, entry: Address, mono: float, reason: str, kind: str | None = None) -> None:
        entry.dialling = False
        entry.reason, entry.kind = reason, kind
        entry.failures += 1
        entry.next_try = mono + self._backoff(entry.failures)
        if entry.failures >= LOST_FAILURES:
            self._tables.find(entry)

    def _backoff(self, failures: int) -> float:
        doubled: float = self._config.backoff_first_s * 2 ** min(failures - 1, _MAX_DOUBLINGS)
        jitter = 1 + self._config.backoff_jitter * (2 * self._rng.random() - 1)
        return min(doubled, self._config.backoff_most_s) * jitter

    def handle_wrong_peer(
        self,
        address: str,
        expected: PeerId | None,
        mono: float,
        reason: str,
        linked: Collection[PeerId] = (),
        *,
        kind: str | None = None,
    ) -> None:
        """Somebody else than the expected peer answered there.

        Anybody can sign that it lives where another does. That spoils nothing: not what the operator asked
        for, nor an address that is another peer's, or where its peer has answered before. What only its own
        claim speaks for is forgotten.
        """
        entry = self._book.get(address)
        if entry is None:
            return
        if entry.peer_id != expected:
            entry.dialling = False
            entry.next_try = mono + self._backoff(1)  # not dialled for each new liar
        elif entry.kept or entry.answered:
            self.handle_failed(address, mono, reason, linked, kind=kind)
        else:
            self._tables.delete(entry)

    def handle_self(self, address: str) -> None:
        """An IP address turned out to be our own: never dial it again."""
        entry = self._book.get(address)
        if entry is not None:
            self._tables.delete(entry)
        self._kept.pop(address, None)
        if len(self._own) < MAX_KEPT:
            self._own.add(address)

    # What others may know

    def peer_at(self, address: str) -> PeerId | None:
        """Who last answered there, or is said to be there."""
        entry = self._book.get(address)
        return None if entry is None else entry.peer_id

    def unreached(self, linked: Collection[PeerId]) -> list[Address]:
        """Kept addresses without a link, for whoever asks why."""
        return [entry for entry in self._kept.values() if entry.peer_id not in linked]

    def proven(self) -> list[PeerRecord]:
        """Records of peers that have answered, to be handed on: what was only heard of might be made up."""
        found = [entry.record for entry in self._book.values() if entry.answered]
        return [record for record in found if record is not None]

    # What outlives a restart

    def load(self, known: Iterable[KnownAddress]) -> None:
        """What an earlier run knew."""
        self._tables.load(known)

    def set_anchors(self, addresses: Collection[str]) -> None:
        self._tables.set_anchors(addresses)

    def unsaved(self) -> tuple[tuple[KnownAddress, ...], tuple[str, ...]]:
        """What has changed since this was last asked: addresses as they are now, and those forgotten."""
        return self._tables.unsaved()

    def handle_not_saved(self, addresses: Iterable[str]) -> None:
        """What was told of them as unsaved still is."""
        self._tables.handle_not_saved(addresses)
