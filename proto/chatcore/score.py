"""One score per peer: what it brought us, less what it did wrong. All of it fades.

Gossipsub v1.1 is the guide (libp2p specs, pubsub/gossipsub/gossipsub-v1.1.md, "Peer Scoring"): its P2 is
`useful` here, P4 the forged and malformed, P7 the rest. Knows peers by id; drops nobody.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from chatcore.ids import PeerId

BAR = -100.0
"""Below it a peer is let go of, and not linked with for a day."""

HALF_LIFE_S = 540.0
"""To 1% within an hour, which is what Filecoin's Lotus gives gossipsub's counters (ScoreParameterDecay)."""

MAX_USEFUL = 10.0
"""First deliveries count 1 each up to here: they tell peers apart, and buy pardon for nothing much."""

MAX_LATE = 20.0
"""Messages too far ahead or behind count 1 each up to here: either clock may be the wrong one, and ours being
wrong must not make us lose everybody."""

MAX_SCORES = 4096
"""Peers remembered, linked or not; whoever did nothing for longest makes way. 1.6 MB when full."""

BROKEN_PROMISE = "broken_promise"

LATE = frozenset({"future", "stale"})

WEIGHTS = {
    "bad_signature": 60.0,
    "malformed": 60.0,
    "forged_record": 60.0,
    BROKEN_PROMISE: 25.0,
    "bad_history": 10.0,
    "unasked_history": 2.0,
    "silent_history": 2.0,
    "unasked_members": 2.0,
    "unasked_peers": 2.0,
    "unasked_neighbor_reply": 2.0,
    "unasked_shuffle_reply": 2.0,
    "history_rate": 1.0,
    "room_request_rate": 1.0,
    "peer_request_rate": 1.0,
    "neighbor_rate": 1.0,
    "shuffle_rate": 1.0,
    "disconnect_rate": 1.0,
    "rooms_rate": 1.0,
    "introduction_rate": 1.0,
    "address_rate": 0.25,
}
"""By the kinds that `Counters.refused` counts; what is not here is nobody's fault.

A forged or malformed message proves something by itself, since honest nodes check before they hand on. Still
it takes two: a flipped bit in somebody's memory is no crime.
Of broken promises it takes five, each of them proved by an answered ping. Beyond a rate limit it takes a
hundred within minutes: an honest peer does not come near the limits, and a flood has that many in a second.
Addresses beyond theirs weigh less: they count one by one, and come by the dozen. Stale ones, and those of a
LAN that is not ours, weigh nothing: our clock may be the wrong one, and with a NAT between them two ends may
not agree on how near they are.
"""

WORDS = {
    "bad_signature": "forged messages",
    "malformed": "malformed messages",
    "forged_record": "forged addresses",
    BROKEN_PROMISE: "messages announced and not delivered",
    "bad_history": "wrong answers about history",
    "unasked_history": "history nobody asked for",
    "silent_history": "no answers about history",
}
"""For people: why a score fell."""


@dataclass(slots=True)
class _Record:
    at: float
    useful: float = 0.0
    late: float = 0.0
    wrong: dict[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        return self.useful - self.late - sum(self.wrong.values())

    def fade(self, mono: float) -> None:
        share = 0.5 ** ((mono - self.at) / HALF_LIFE_S)
        self.at = mono
        self.useful *= share
        self.late *= share
        self.wrong = {kind: points * share for kind, points in self.wrong.items()}


class Scores:
    def __init__(self) -> None:
        self._records: OrderedDict[PeerId, _Record] = OrderedDict()

    def score(self, peer_id: PeerId, mono: float) -> float:
        """0 for a stranger."""
        record = self._records.get(peer_id)
        if record is None:
            return 0.0
        record.fade(mono)
        return record.score

    def praise(self, peer_id: PeerId, mono: float) -> None:
        """It was the first to bring a message that is kept."""
        record = self._touch(peer_id, mono)
        record.useful = min(MAX_USEFUL, record.useful + 1.0)

    def blame(self, peer_id: PeerId, kind: str, mono: float) -> None:
        """`kind` is one that `Counters.refused` counts; most weigh nothing."""
        if kind in LATE:
            record = self._touch(peer_id, mono)
            record.late = min(MAX_LATE, record.late + 1.0)
        elif (weight := WEIGHTS.get(kind)) is not None:
            record = self._touch(peer_id, mono)
            record.wrong[kind] = record.wrong.get(kind, 0.0) + weight

    def _touch(self, peer_id: PeerId, mono: float) -> _Record:
        record = self._records.get(peer_id)
        if record is None:
            record = self._records[peer_id] = _Record(mono)
            if len(self._records) > MAX_SCORES:
                self._records.popitem(last=False)
        else:
            record.fade(mono)
            self._records.move_to_end(peer_id)
        return record

    def reason(self, peer_id: PeerId) -> str:
        """What weighs most against it, in words."""
        record = self._records.get(peer_id)
        if record is None or not record.wrong:
            return ""
        kind = max(record.wrong, key=lambda kind: record.wrong[kind])
        return WORDS.get(kind, "requests beyond what is allowed")

    def forgive(self, peer_id: PeerId) -> None:
        self._records.pop(peer_id, None)
