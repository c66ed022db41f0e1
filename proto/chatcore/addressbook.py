"""Which addresses this node dials, and when next.

*Kept* addresses (bootstrap, `connect`) are dialled for ever; *lost* ones, that went without a word, and
anchors for a while; *learned* ones, in buckets, only while links are few. Knows nothing of what is behind an
address but the peer that is said to be there, or answered.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from chatcore.addresses import scope_at
from chatcore.buckets import Buckets, Places
from chatcore.config import LinkConfig
from chatcore.errors import OwnAddress, TooManyAddresses
from chatcore.ids import PeerId
from chatcore.records import KnownAddress, PeerRecord
from chatcore.rng import Rng

MAX_KEPT = 64

POOR_AFTER = 3
"""In a full bucket of new addresses one that failed so often in a row makes way first, then one that never
answered; when there is none the newcomer is not taken. A failed dial alone deletes nothing."""

MAX_TESTS = 16
"""Newcomers that wait for a place in a full bucket of tried ones, until who has been there longest without
answering is seen to be gone. Those beyond stay new, and may try again."""

MAX_LOST = 16
LOST_FAILURES = 10
"""With the pauses doubling to 5 minutes, a peer that vanished is dialled for about half an hour."""

ANCHORS = 2
"""Last links of our own choice, dialled first after a restart (Heilman et al. 2015, section 7)."""

_MAX_DOUBLINGS = 16


@dataclass(slots=True)
class Address:
    address: str
    kept: bool
    peer_id: PeerId | None = None
    source: bytes = b""
    """The group of who told us."""

    record: PeerRecord | None = None
    dialling: bool = False
    failures: int = 0
    next_try: float = 0.0
    reason: str | None = None
    kind: str | None = None
    """Of the error behind the reason, where a dial ended with one."""

    noted: bool = False
    """Found on the local network, and in no table yet."""

    answered: bool = False
    answered_at: float = 0.0
    lost: bool = False
    anchor: bool = False

    @property
    def poor(self) -> bool:
        """Worth no more than an address nobody has tried."""
        return not self.kept and not self.dialling and (not self.answered or self.failures >= POOR_AFTER)

    @property
    def expected(self) -> PeerId | None:
        """Who must answer there: a kept address may get a new owner, a learned one is one peer's."""
        return None if self.kept else self.peer_id


class AddressBook:
    def __init__(self, config: LinkConfig, rng: Rng, secret: bytes) -> None:
        self._config = config
        self._rng = rng
        self._places = Places(secret)
        self._new = Buckets(rng)
        self._tried = Buckets(rng)
        self._book: dict[str, Address] = {}
        self._new_of: dict[PeerId, str] = {}
        """One new address a peer: whoever signs many has the last one dialled."""

        self._kept: dict[str, Address] = {}
        self._lost: dict[str, Address] = {}
        self._tests: dict[str, str] = {}
        """The tried address that is to show that it is alive: the one that would take its place."""

        self._own: set[str] = set()
        self._unsaved: set[str] = set()

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
        self._delete(entry)
        return True

    def kept_of(self, peer_id: PeerId) -> list[str]:
        """Kept addresses where this peer last answered."""
        return [entry.address for entry in self._kept.values() if entry.peer_id == peer_id]

    def expect(self, address: str, peer_id: PeerId) -> None:
        """Who lived at a kept address when we last heard of it."""
        entry = self._kept.get(address)
        if entry is not None:
            self._settle_peer(entry, peer_id)

    # Found on the local network

    def note(self, address: str) -> None:
        """Somebody is said to be there, nobody knows who: in no table, and dialled by `take` alone."""
        if address not in self._book and address not in self._own:
            self._book[address] = Address(address, kept=False, noted=True)

    def withdraw(self, address: str) -> None:
        """It is no longer said. Where somebody has answered, or says that it lives, the address stays."""
        entry = self._book.get(address)
        if entry is not None and entry.noted and not entry.kept and entry.peer_id is None:
            self._delete(entry)

    # The tables

    def learn(self, record: PeerRecord, source: bytes, linked: Collection[PeerId] = ()) -> None:
        """Note where a peer says it is, as somebody of the group `source` told us.

        Of two peers that claim one address the first stays there until a dial has shown who is right.
        """
        known = self._book.get(record.address)
        if known is not None and not (known.noted and known.peer_id is None and not known.kept):
            if known.peer_id == record.peer_id and (known.record is None or known.record.time < record.time):
                known.record = record
                self._unsaved.add(record.address)
            return
        if record.address in self._own or not self._outdates(record):
            return
        entry = Address(record.address, kept=False, peer_id=record.peer_id, source=source, record=record)
        if known is not None:  # what became of dials there, still holds
            entry.dialling, entry.failures, entry.next_try = known.dialling, known.failures, known.next_try
            entry.reason, entry.kind = known.reason, known.kind
        if self._put_new(entry, linked):
            self._forget_older(record)
            self._new_of[record.peer_id] = record.address

    def knows(self, record: PeerRecord) -> bool:
        known = self._book.get(record.address)
        return known is not None and known.record is not None and known.record.signed == record.signed

    def _outdates(self, record: PeerRecord) -> bool:
        old = self._book.get(self._new_of.get(record.peer_id, ""))
        return old is None or old.record is None or old.record.time < record.time

    def _forget_older(self, record: PeerRecord) -> None:
        old = self._book.get(self._new_of.get(record.peer_id, ""))
        if old is not None and not old.kept and not old.dialling:
            self._delete(old)

    def _put_new(self, entry: Address, linked: Collection[PeerId]) -> bool:
        bucket = self._places.new(entry.address, entry.source)
        crowd = [self._book[address] for address in self._new.crowd(bucket)]
        if crowd:
            poor = [item for item in crowd if item.poor and item.peer_id not in linked]
            failed = [item for item in poor if item.failures >= POOR_AFTER]
            if not poor:
                return False
            self._delete(self._rng.sample(failed or poor, 1)[0])
        self._new.put(entry.address, bucket)
        self._book[entry.address] = entry
        self._unsaved.add(entry.address)
        return True

    def _promote(self, entry: Address, linked: Collection[PeerId]) -> None:
        """It answered: it is tried, or will be when the oldest of a full bucket turns out to be gone."""
        self._tests.pop(entry.address, None)
        if entry.address in self._tried or scope_at(entry.address) is None:
            return
        crowd = self._tried.crowd(self._places.tried(entry.address))
        if crowd:
            doubtful = [address for address in crowd if self._book[address].peer_id not in linked]
            if doubtful and len(self._tests) < MAX_TESTS:
                oldest = min(doubtful, key=lambda address: self._book[address].answered_at)
                self._tests.setdefault(oldest, entry.address)
            return
        self._move_to_tried(entry)

    def _move_to_tried(self, entry: Address) -> None:
        self._leave_new(entry)
        self._tried.put(entry.address, self._places.tried(entry.address))
        entry.noted = False
        self._unsaved.add(entry.address)

    def _leave_new(self, entry: Address) -> None:
        self._new.remove(entry.address)
        if entry.peer_id is not None and self._new_of.get(entry.peer_id) == entry.address:
            del self._new_of[entry.peer_id]

    def _settle_test(self, gone: Address, linked: Collection[PeerId]) -> None:
        newcomer = self._book.get(self._tests.pop(gone.address))
        if newcomer is None or newcomer.address in self._tried:
            return
        self._tried.remove(gone.address)
        self._unsaved.add(gone.address)
        if not self._put_new(gone, linked) and not gone.kept:
            self._delete(gone)
        if not self._tried.crowd(self._places.tried(newcomer.address)):
            self._move_to_tried(newcomer)

    # What to dial

    def due(self, mono: float, linked: Collection[PeerId], wanted: int) -> list[Address]:
        """What to dial now, marked as being dialled: kept and lost addresses, and learned up to `wanted`."""
        chosen = [entry for entry in self._idle(self._kept | self._lost, linked) if entry.next_try <= mono]
        for entry in chosen:
            entry.dialling = True
        if wanted > 0:
            under_way = sum(entry.dialling for entry in self._book.values())
            for _ in range(wanted - under_way):
                learned = self.pick(mono, linked)
                if learned is None:
                    break
                learned.dialling = True
                chosen.append(learned)
        return chosen

    def pick(self, mono: float, linked: Collection[PeerId]) -> Address | None:
        """A random learned address that may be dialled, tried and new ones alike often, as in Bitcoin."""

        def fits(address: str) -> bool:
            entry = self._book[address]
            idle = not entry.dialling and not entry.kept and not entry.lost
            return idle and entry.next_try <= mono and entry.peer_id not in linked

        tables = [self._tried, self._new] if self._rng.random() < 0.5 else [self._new, self._tried]
        address = tables[0].pick(fits) or tables[1].pick(fits)
        return None if address is None else self._book[address]

    def feel(self, mono: float, linked: Collection[PeerId]) -> Address | None:
        """An address to look whether anybody is there, marked as being dialled: first where another waits."""
        for address in list(self._tests):
            entry = self._book[address]
            if entry.peer_id in linked:
                del self._tests[address]
        waiting = [self._book[address] for address in self._tests]
        chosen = next((item for item in waiting if not item.dialling and item.next_try <= mono), None)
        chosen = chosen or self.pick(mono, linked)
        if chosen is not None:
            chosen.dialling = True
        return chosen

    def is_kept(self, address: str) -> bool:
        entry = self._book.get(address)
        return entry is not None and entry.kept

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
        book = self._book if learned_too else self._kept | self._lost
        idle = self._idle(book, linked)
        return min([item.next_try for item in idle if item.kept or item.lost or not item.noted], default=None)

    def _idle(self, book: Mapping[str, Address], linked: Collection[PeerId]) -> list[Address]:
        return [entry for entry in book.values() if not entry.dialling and entry.peer_id not in linked]

    def handle_woken(self, mono: float) -> None:
        """The machine slept, and may be in another network now: what failed before it says nothing."""
        for entry in (self._kept | self._lost).values():
            entry.failures = 0
            entry.next_try = min(entry.next_try, mono)

    # What became of it

    def handle_linked(
        self, address: str, peer_id: PeerId, mono: float = 0.0, linked: Collection[PeerId] = ()
    ) -> None:
        entry = self._book.get(address)
        if entry is not None:
            entry.dialling = False
            self._settle_peer(entry, peer_id)
            entry.reason = entry.kind = None
            entry.answered = True
            entry.answered_at = mono
            self._find(entry)
            self._promote(entry, linked)

    def _settle_peer(self, entry: Address, peer_id: PeerId) -> None:
        """Who answered lives there; what somebody else has signed of it does not hold."""
        if entry.peer_id not in (None, peer_id):
            if self._new_of.get(entry.peer_id) == entry.address:
                del self._new_of[entry.peer_id]
            entry.record = None
        entry.peer_id = peer_id

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
        if entry is None:
            return
        self._put_off(entry, mono, reason, kind)
        if address in self._tests:
            self._settle_test(entry, linked)

    def _put_off(self, entry: Address, mono: float, reason: str, kind: str | None = None) -> None:
        entry.dialling = False
        entry.reason, entry.kind = reason, kind
        entry.failures += 1
        entry.next_try = mono + self._backoff(entry.failures)
        if entry.failures >= LOST_FAILURES:
            self._find(entry)

    def handle_lost(
        self, address: str, mono: float, lived_s: float, reason: str, *, wordless: bool = False
    ) -> None:
        """A link is no more. `wordless`: nobody wanted it to end, so far as we know."""
        entry = self._book.get(address)
        if entry is None:
            return
        if lived_s >= self._config.good_after_s:
            entry.failures = 0
        if wordless:
            self._look_for(entry)
        self._put_off(entry, mono, reason)  # somebody was there: a test of it is still to come

    def _look_for(self, entry: Address) -> None:
        entry.lost = True
        self._lost[entry.address] = entry
        if len(self._lost) > MAX_LOST:
            self._find(next(iter(self._lost.values())))

    def _find(self, entry: Address) -> None:
        """No longer looked for."""
        entry.lost = False
        self._lost.pop(entry.address, None)

    def disprove(self, address: str, expected: PeerId | None) -> bool:
        """Somebody else than the expected peer answered there. Whether the address is therefore forgotten.

        Anybody can sign that it lives where another does: that spoils no kept address, and none that is
        another peer's or where somebody has answered before.
        """
        entry = self._book.get(address)
        if entry is None or entry.kept or entry.answered or entry.peer_id != expected:
            return False
        self._delete(entry)
        return True

    def _delete(self, entry: Address) -> None:
        if entry.address in self._new or entry.address in self._tried:
            self._unsaved.add(entry.address)
        self._leave_new(entry)
        self._tried.remove(entry.address)
        self._tests.pop(entry.address, None)
        self._book.pop(entry.address, None)
        self._lost.pop(entry.address, None)

    def handle_self(self, address: str) -> None:
        """The address turned out to be our own: never dial it again."""
        entry = self._book.get(address)
        if entry is not None:
            self._delete(entry)
        self._kept.pop(address, None)
        if len(self._own) < MAX_KEPT:
            self._own.add(address)

    def _backoff(self, failures: int) -> float:
        doubled: float = self._config.backoff_first_s * 2 ** min(failures - 1, _MAX_DOUBLINGS)
        jitter = 1 + self._config.backoff_jitter * (2 * self._rng.random() - 1)
        return min(doubled, self._config.backoff_most_s) * jitter

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
        """What an earlier run knew; its anchors are looked for at once."""
        for item in known:
            if item.address in self._book or scope_at(item.address) is None:
                continue
            entry = Address(
                item.address, kept=False, peer_id=item.peer_id, source=item.source, record=item.record
            )
            entry.anchor = item.anchor
            if item.tried and not self._tried.crowd(self._places.tried(item.address)):
                entry.answered = True
                self._book[item.address] = entry
                self._tried.put(item.address, self._places.tried(item.address))
            elif self._put_new(entry, ()):
                self._new_of[item.peer_id] = item.address
            else:
                continue
            if item.anchor:
                self._look_for(entry)
        self._unsaved.clear()

    def set_anchors(self, addresses: Collection[str]) -> None:
        for address, entry in self._book.items():
            if entry.anchor != (address in addresses):
                entry.anchor = address in addresses
                self._unsaved.add(address)

    def unsaved(self) -> tuple[tuple[KnownAddress, ...], tuple[str, ...]]:
        """What has changed since this was last asked: addresses as they are now, and those forgotten."""
        known: list[KnownAddress] = []
        gone: list[str] = []
        for address in sorted(self._unsaved):
            entry = self._book.get(address)
            if entry is None or entry.peer_id is None or not (address in self._tried or address in self._new):
                gone.append(address)
            else:
                tried = address in self._tried
                known.append(
                    KnownAddress(address, entry.peer_id, entry.record, entry.source, tried, entry.anchor)
                )
        self._unsaved.clear()
        return tuple(known), tuple(gone)
