"""Which addresses this node dials, and when next.

*Kept* addresses (bootstrap, `connect`) are dialled for ever; *learned* ones, from peer exchange, only while
links are few; *lost* ones, that went without a word, for a while, as a split network may heal. Knows nothing
of what is behind an address but the peer that last answered there.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chatcore.config import LinkConfig
from chatcore.errors import OwnAddress, TooManyAddresses
from chatcore.ids import PeerId
from chatcore.rng import Rng

MAX_KEPT = 64
MAX_LEARNED = 1024
"""A full book takes a new address in the place of a random one that never answered, or that has failed
`POOR_AFTER` times in a row; when there is none the new one is not taken: new ones are cheap to make up."""

POOR_AFTER = 3

MAX_LOST = 16
LOST_FAILURES = 10
"""With the pauses doubling to 5 minutes, a peer that vanished is dialled for about half an hour."""

_MAX_DOUBLINGS = 16


@dataclass(slots=True)
class Address:
    address: str
    kept: bool
    peer_id: PeerId | None = None
    dialling: bool = False
    failures: int = 0
    next_try: float = 0.0
    reason: str | None = None
    kind: str | None = None
    """Of the error behind the reason, where a dial ended with one."""

    answered: bool = False
    lost: bool = False

    @property
    def poor(self) -> bool:
        """Worth no more than an address nobody has tried."""
        return not self.kept and not self.dialling and (not self.answered or self.failures >= POOR_AFTER)

    @property
    def expected(self) -> PeerId | None:
        """Who must answer there: a kept address may get a new owner, a learned one is one peer's."""
        return None if self.kept else self.peer_id


class AddressBook:
    def __init__(self, config: LinkConfig, rng: Rng) -> None:
        self._config = config
        self._rng = rng
        self._book: dict[str, Address] = {}
        self._kept: dict[str, Address] = {}
        self._lost: dict[str, Address] = {}
        self._own: set[str] = set()

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

    def learn(self, address: str, peer_id: PeerId | None, linked: Collection[PeerId] = ()) -> None:
        """Note where a peer is said to be, or somebody. No peer that is linked loses its place to it."""
        if address in self._book or address in self._own:
            return
        if len(self._book) - len(self._kept) >= MAX_LEARNED:
            poor = [entry for entry in self._book.values() if entry.poor and entry.peer_id not in linked]
            if not poor:
                return
            self._delete(self._rng.sample(poor, 1)[0])
        self._book[address] = Address(address, kept=False, peer_id=peer_id)

    def due(self, mono: float, linked: Collection[PeerId], wanted: int) -> list[Address]:
        """What to dial now, marked as being dialled: kept and lost addresses, and learned up to `wanted`."""
        chosen = [entry for entry in self._idle(self._kept | self._lost, linked) if entry.next_try <= mono]
        if wanted > 0:
            idle = self._idle(self._book, linked)
            learned = [
                entry for entry in idle if not entry.kept and not entry.lost and entry.next_try <= mono
            ]
            under_way = sum(entry.dialling for entry in self._book.values())
            room = max(0, wanted - len(chosen) - under_way)
            chosen += self._rng.sample(learned, min(room, len(learned)))
        for entry in chosen:
            entry.dialling = True
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
        return min([entry.next_try for entry in self._idle(book, linked)], default=None)

    def _idle(self, book: Mapping[str, Address], linked: Collection[PeerId]) -> list[Address]:
        return [entry for entry in book.values() if not entry.dialling and entry.peer_id not in linked]

    def handle_linked(self, address: str, peer_id: PeerId) -> None:
        entry = self._book.get(address)
        if entry is not None:
            entry.dialling = False
            entry.peer_id = peer_id
            entry.reason = entry.kind = None
            entry.answered = True
            self._find(entry)

    def handle_failed(self, address: str, mono: float, reason: str, kind: str | None = None) -> None:
        """A dial did not lead to a link, or the link it led to is lost before it had proved good."""
        entry = self._book.get(address)
        if entry is None:
            return
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
        if entry is not None and lived_s >= self._config.good_after_s:
            entry.failures = 0
        if entry is not None and wordless:
            entry.lost = True
            self._lost[address] = entry
            if len(self._lost) > MAX_LOST:
                self._find(next(iter(self._lost.values())))
        self.handle_failed(address, mono, reason)

    def _find(self, entry: Address) -> None:
        """No longer looked for."""
        entry.lost = False
        self._lost.pop(entry.address, None)

    def forget(self, address: str) -> None:
        """A learned address turned out to be somebody else's; a kept one is kept."""
        entry = self._book.get(address)
        if entry is not None and not entry.kept:
            self._delete(entry)

    def _delete(self, entry: Address) -> None:
        del self._book[entry.address]
        self._lost.pop(entry.address, None)

    def handle_self(self, address: str) -> None:
        """The address turned out to be our own: never dial it again."""
        self._book.pop(address, None)
        self._kept.pop(address, None)
        self._lost.pop(address, None)
        if len(self._own) < MAX_KEPT:
            self._own.add(address)

    def _backoff(self, failures: int) -> float:
        doubled: float = self._config.backoff_first_s * 2 ** min(failures - 1, _MAX_DOUBLINGS)
        jitter = 1 + self._config.backoff_jitter * (2 * self._rng.random() - 1)
        return min(doubled, self._config.backoff_most_s) * jitter

    def peer_at(self, address: str) -> PeerId | None:
        """Who last answered there."""
        entry = self._book.get(address)
        return None if entry is None else entry.peer_id

    def unreached(self, linked: Collection[PeerId]) -> list[Address]:
        """Kept addresses without a link, for whoever asks why."""
        return [entry for entry in self._kept.values() if entry.peer_id not in linked]
