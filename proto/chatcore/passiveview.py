"""Members of one room beyond our neighbours, as in HyParView (Leitao et al. 2007): whom to ask when one goes.

Bounded, in all and for each group that names them, so that a flood pushes out itself. Dials nothing.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from chatcore.ids import PeerId
from chatcore.records import Named, PeerRecord
from chatcore.rng import Rng

MAX_PASSIVE = 128
"""Known members beyond our neighbours."""

MAX_OF_ONE_TELLER = 16
"""Of them, those that one group has named. A newcomer beyond takes a random place of the same teller; in a
full view, of the teller with most. A flood pushes out itself, and little of it is handed on."""


class PassiveView:
    def __init__(self, own: PeerId, rng: Rng) -> None:
        self._own = own
        self._rng = rng
        self._known: dict[PeerId, Named] = {}
        self._named: Counter[bytes] = Counter()
        """How many each group has a place for, kept beside so that no newcomer costs a count."""

    def __iter__(self) -> Iterator[PeerId]:
        return iter(self._known)

    @property
    def named(self) -> Collection[Named]:
        return self._known.values()

    @property
    def records(self) -> Collection[PeerRecord]:
        return [known.record for known in self._known.values()]

    def learn(self, records: Collection[PeerRecord], source: bytes) -> None:
        """`source`: the group of who names them."""
        for record in records:
            old = self._known.get(record.peer_id)
            if old is not None:
                if old.record.time < record.time:
                    self._known[record.peer_id] = old._replace(record=record)
            elif record.peer_id != self._own:
                self._make_room(source)
                self._known[record.peer_id] = Named(record, source)
                self._named[source] += 1

    def forget(self, peer_id: PeerId) -> None:
        known = self._known.pop(peer_id, None)
        if known is not None:
            self._named[known.source] -= 1
            if not self._named[known.source]:
                del self._named[known.source]

    def forget_signed_before(self, time: float) -> None:
        """Who lives there still has said so since, and somebody will pass it on."""
        for peer_id in [of for of, known in self._known.items() if known.record.time < time]:
            self.forget(peer_id)

    def _make_room(self, source: bytes) -> None:
        if self._named[source] >= MAX_OF_ONE_TELLER:
            crowd = [peer_id for peer_id, known in self._known.items() if known.source == source]
        elif len(self._known) >= MAX_PASSIVE:
            most = max(self._named.values())
            crowd = [peer_id for peer_id, known in self._known.items() if self._named[known.source] == most]
        else:
            return
        self.forget(self._rng.sample(crowd, 1)[0])
