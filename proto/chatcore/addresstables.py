"""The tables of the address book: addresses that were heard of, those where somebody has answered, and those
looked for; who gets a place in a full bucket, and what of it all outlives a restart.

Knows nothing of when an address is dialled.
"""

from collections.abc import Callable, Collection, Iterable

from chatcore.addressentry import POOR_AFTER, Address
from chatcore.addresses import scope_at
from chatcore.buckets import Buckets, Places
from chatcore.ids import PeerId
from chatcore.records import KnownAddress, PeerRecord
from chatcore.rng import Rng

MAX_TESTS = 16
"""Newcomers that wait for a place in a full bucket of tried ones, until who has been there longest without
answering is seen to be gone. Those beyond stay new, and may try again."""

MAX_LOST = 16
"""Beyond it the first is no longer looked for."""

MAX_UNSAVED = 8192
"""While nothing can be written: more than the tables hold. What is forgotten beyond it stays on the disk,
and is known again after the next start."""


class AddressTables:
    def __init__(self, rng: Rng, secret: bytes) -> None:
        self._rng = rng
        self._places = Places(secret)
        self._new = Buckets(rng)
        self._tried = Buckets(rng)
        self._new_of: dict[PeerId, str] = {}
        """One new address a peer: whoever signs many has the last one dialled."""

        self._tests: dict[str, str] = {}
        """The tried address that is to show that it is alive: the one that would take its place."""

        self._unsaved: set[str] = set()
        self.entries: dict[str, Address] = {}
        """All that are known, in a table or not."""

        self.lost: dict[str, Address] = {}
        """Looked for."""

    def pick(self, fits: Callable[[Address], bool]) -> Address | None:
        """One of those that fit, tried and new ones alike often, as in Bitcoin."""
        tables = [self._tried, self._new] if self._rng.random() < 0.5 else [self._new, self._tried]

        def suits(address: str) -> bool:
            return fits(self.entries[address])

        address = tables[0].pick(suits) or tables[1].pick(suits)
        return None if address is None else self.entries[address]

    # Heard of

    def learn(self, entry: Address, record: PeerRecord, linked: Collection[PeerId]) -> None:
        """Where a peer says that it lives: in the place of what it said before, if that is older."""
        old = self.entries.get(self._new_of.get(record.peer_id, ""))
        if old is not None and old.record is not None and old.record.time >= record.time:
            return
        if self._put_new(entry, linked):
            old = self.entries.get(self._new_of.get(record.peer_id, ""))
            if old is not None and not old.kept and not old.dialling:
                self.delete(old)
            self._new_of[record.peer_id] = record.address

    def renew(self, entry: Address, record: PeerRecord) -> None:
        """It has said the same again since."""
        if entry.record is None or entry.record.time < record.time:
            entry.record = record
            self._unsaved.add(entry.address)

    def _put_new(self, entry: Address, linked: Collection[PeerId]) -> bool:
        """In a full bucket one that failed often makes way first, then one that never answered; when there is
        none the newcomer is not taken. A failed dial alone deletes nothing."""
        bucket = self._places.new(entry.address, entry.source)
        crowd = [self.entries[address] for address in self._new.crowd(bucket)]
        if crowd:
            poor = [item for item in crowd if item.poor and item.peer_id not in linked]
            failed = [item for item in poor if item.failures >= POOR_AFTER]
            if not poor:
                return False
            self.delete(self._rng.sample(failed or poor, 1)[0])
        self._new.put(entry.address, bucket)
        self.entries[entry.address] = entry
        self._unsaved.add(entry.address)
        return True

    # Tried

    def promote(self, entry: Address, linked: Collection[PeerId]) -> None:
        """It answered: it is tried, or will be when the oldest of a full bucket turns out to be gone."""
        self._tests.pop(entry.address, None)
        if entry.address in self._tried or scope_at(entry.address) is None:
            return
        crowd = self._tried.crowd(self._places.tried(entry.address))
        if crowd:
            doubtful = [address for address in crowd if self.entries[address].peer_id not in linked]
            if doubtful and len(self._tests) < MAX_TESTS:
                oldest = min(doubtful, key=lambda address: self.entries[address].answered_at)
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
        self._disown(entry)

    def _disown(self, entry: Address) -> None:
        if entry.peer_id is not None and self._new_of.get(entry.peer_id) == entry.address:
            del self._new_of[entry.peer_id]

    def to_test(self, linked: Collection[PeerId]) -> list[Address]:
        """Those in whose place another waits, until a dial shows whether anybody is there."""
        for address in list(self._tests):
            if self.entries[address].peer_id in linked:
                del self._tests[address]
        return [self.entries[address] for address in self._tests]

    def settle_test(self, gone: Address, linked: Collection[PeerId]) -> None:
        """Nobody answered: who waits for the place gets it, unless it is gone itself by now."""
        if gone.address not in self._tests:
            return
        newcomer = self.entries.get(self._tests.pop(gone.address))
        if newcomer is None or newcomer.address in self._tried:
            return
        if newcomer.poor and newcomer.peer_id not in linked:
            return
        self._tried.remove(gone.address)
        self._unsaved.add(gone.address)
        self._move_to_tried(newcomer)  # first: among new ones it could be who makes way
        if not self._put_new(gone, linked) and not gone.kept:
            self.delete(gone)

    def settle_peer(self, entry: Address, peer_id: PeerId) -> None:
        """Who answered lives there; what somebody else has signed of it does not hold."""
        if entry.peer_id not in (None, peer_id):
            self._disown(entry)
            entry.record = None
        entry.peer_id = peer_id

    # Looked for

    def look_for(self, entry: Address, *, called: bool) -> None:
        """`called`: who was there had called us, and only says that it lives there. That is looked for where
        somebody has answered before, and makes way for anchors and those we had dialled, never they for
        it."""
        if entry.lost:
            entry.called = entry.called and called
            return
        if called and not entry.answered:
            return
        if len(self.lost) >= MAX_LOST:
            claims = [item for item in self.lost.values() if item.called]
            if called and not claims:
                return
            self.find(next(iter(claims or self.lost.values())))
        entry.lost, entry.called = True, called
        self.lost[entry.address] = entry

    def find(self, entry: Address) -> None:
        """No longer looked for."""
        entry.lost = False
        self.lost.pop(entry.address, None)

    # No more

    def delete(self, entry: Address) -> None:
        if entry.address in self._new or entry.address in self._tried:
            self._unsaved.add(entry.address)
        self._leave_new(entry)
        self._tried.remove(entry.address)
        self._tests.pop(entry.address, None)
        self.entries.pop(entry.address, None)
        self.lost.pop(entry.address, None)

    # What outlives a restart

    def load(self, known: Iterable[KnownAddress]) -> None:
        """What an earlier run knew; its anchors are looked for at once."""
        for item in known:
            if item.address in self.entries or scope_at(item.address) is None:
                continue
            entry = Address(
                item.address, kept=False, peer_id=item.peer_id, source=item.source, record=item.record
            )
            entry.anchor = item.anchor
            if item.tried and not self._tried.crowd(self._places.tried(item.address)):
                entry.answered = True
                self.entries[item.address] = entry
                self._tried.put(item.address, self._places.tried(item.address))
            elif self._put_new(entry, ()):
                self._new_of[item.peer_id] = item.address
            else:
                continue
            if item.anchor:
                self.look_for(entry, called=False)
        self._unsaved.clear()

    def set_anchors(self, addresses: Collection[str]) -> None:
        for address, entry in self.entries.items():
            if entry.anchor != (address in addresses):
                entry.anchor = address in addresses
                self._unsaved.add(address)

    def unsaved(self) -> tuple[tuple[KnownAddress, ...], tuple[str, ...]]:
        """What has changed since this was last asked: addresses as they are now, and those forgotten."""
        known: list[KnownAddress] = []
        gone: list[str] = []
        for address in sorted(self._unsaved):
            entry = self.entries.get(address)
            if entry is None or entry.peer_id is None or not (address in self._tried or address in self._new):
                gone.append(address)
            else:
                tried = address in self._tried
                known.append(
                    KnownAddress(address, entry.peer_id, entry.record, entry.source, tried, entry.anchor)
                )
        self._unsaved.clear()
        return tuple(known), tuple(gone)

    def handle_not_saved(self, addresses: Iterable[str]) -> None:
        """What was told of them as unsaved still is."""
        room = max(0, MAX_UNSAVED - len(self._unsaved))
        self._unsaved.update(list(addresses)[:room])
