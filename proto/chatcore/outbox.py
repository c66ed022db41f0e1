"""Our own messages on their way to others: which wait for somebody to have them, and how far each has come.

What peers confirm is told only once it is on disk, so that no state falls with a crash. That a message was
handed to a link is told at once: after a crash it is handed over again.
"""

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice

from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, PeerId, RoomId
from chatcore.index import OwnLog
from chatcore.own import OwnMessage, State
from chatcore.recent import ShortId, short_id
from chatcore.shared import Shared, Walks

MAX_OFFERED = 256
MAX_OFFERED_BYTES = 128 * 1024
"""Pushed to a new neighbour, and at a time later: a link takes that many without a queue to speak of."""

MAX_WAITING = 4096
MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Kept in memory to be handed over. A full outbox lets the oldest go: it is in the log all the same, history
repair brings it to others, and their receipts, or comparisons of histories, say so."""

MAX_UNSENT = 65_536
"""Messages that nobody was handed yet. They are kept whatever their age, so there is an end to them. At some
words each they take 30 MB of the store."""

MAX_FOLLOWED = 1024
"""Delivered messages whose further confirmations are counted; those of older ones are not."""


class Outbox:
    def __init__(self, log: OwnLog) -> None:
        self._log = log
        self._told: OrderedDict[ShortId, OwnMessage] = OrderedDict()
        self._envelopes: OrderedDict[ShortId, Envelope] = OrderedDict()
        self._followed: OrderedDict[ShortId, None] = OrderedDict()
        self._bytes = 0
        self._walks = Walks(log)
        self._last = log.last()
        """The number of the newest that is on disk for sure."""

        self._ahead: dict[ShortId, OwnMessage] = {}
        """What is known and not yet on disk."""

        self.urgent = False
        """Whether somebody waits to be told of it."""

        waiting = log.waiting(MAX_WAITING)
        self._some_let_go = len(waiting) < log.unconfirmed()
        """Some that wait may be in the log alone."""

        for own, envelope in waiting:
            self._wait_for(own, envelope)

    # What is known

    @property
    def waits(self) -> bool:
        """Whether there is any, on disk, that nobody has confirmed."""
        return self._log.unconfirmed() > 0

    @property
    def unsent(self) -> int:
        """On disk, and handed to nobody yet."""
        return self._log.unsent()

    def find(self, message_id: MessageId) -> OwnMessage | None:
        return self.followed(message_id) or self._log.find(message_id)

    def followed(self, message_id: MessageId) -> OwnMessage | None:
        """The same without the disk: of what is not delivered, and of what was lately."""
        told = self._told.get(short_id(message_id))
        return told if told is not None and told.id == message_id else None

    def find_by_client(self, room: RoomId, client_id: str) -> OwnMessage | None:
        found = self._log.by_client(room, client_id)
        return None if found is None else self._told.get(short_id(found.id), found)

    def to_offer(self, room: RoomId) -> list[Envelope]:
        """The last of those nobody has confirmed, oldest first: what a new neighbour is pushed."""
        waiting = (envelope for envelope in reversed(self._envelopes.values()) if envelope.room == room)
        return _first_of(waiting)[::-1]

    def next_unconfirmed(self, number: int) -> tuple[list[Envelope], int | None]:
        """Of those numbered above `number` of which no member has said anything, the next; and the number
        that was looked up to, None when that is all."""
        found, reached = self._log.unconfirmed_after(number, MAX_OFFERED)
        taken = _first_of(envelope for _, _, envelope in found)
        looked = found[: len(taken)]
        waiting = [envelope for _, own, envelope in looked if _is_open(self._latest(short_id(own.id)) or own)]
        return waiting, reached if len(looked) == len(found) else looked[-1][0]

    def is_open(self, message_id: MessageId) -> bool:
        """Whether no member has said of it that it has it, or will not have it."""
        latest = self._latest(short_id(message_id)) or self._log.find(message_id)
        return latest is not None and _is_open(latest)

    def _latest(self, short: ShortId) -> OwnMessage | None:
        return self._ahead.get(short) or self._told.get(short)

    # What becomes of them

    def add(self, own: OwnMessage, envelope: Envelope, number: int) -> None:
        """It is on our disk, under this number."""
        self._last = max(self._last, number)
        self._wait_for(own, envelope)

    def _wait_for(self, own: OwnMessage, envelope: Envelope) -> None:
        short = short_id(own.id)
        self._told[short] = own
        self._envelopes[short] = envelope
        self._bytes += len(envelope.payload)
        while len(self._envelopes) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            oldest = next(iter(self._envelopes))
            self._no_longer_waits(oldest)
            self._some_let_go = True
            if oldest not in self._ahead:
                del self._told[oldest]

    def _no_longer_waits(self, short: ShortId) -> None:
        envelope = self._envelopes.pop(short, None)
        if envelope is not None:
            self._bytes -= len(envelope.payload)

    def handle_handed(self, ids: Iterable[MessageId]) -> list[OwnMessage]:
        """They went to some member; those for which that is new. What is not ours is left out."""
        raised = []
        for short in map(short_id, ids):
            told = self._told.get(short) or self._let_go(short)
            if told is not None and told.handed() is not told:
                self._told[short] = told.handed()
                self._ahead[short] = (self._ahead.get(short) or told).handed()
                raised.append(self._told[short])
        return raised

    def handle_confirmed(self, ids: Iterable[bytes], peer: PeerId, rooms: frozenset[RoomId]) -> None:
        """A member of these rooms has them on disk. What is not ours, or too old, is left out."""
        for short in map(ShortId, ids):
            known = self._latest(short) or self._let_go(short)
            if known is not None and known.room in rooms:
                self._confirm(short, known, peer)

    def _confirm(self, short: ShortId, known: OwnMessage, peer: PeerId) -> None:
        confirmed = known.confirmed_too(peer)
        if confirmed is not known:
            self._ahead[short] = confirmed
            self.urgent = True
            self._no_longer_waits(short)

    def handle_shared(self, shared: Iterable[Shared]) -> None:
        """A member has stored these ranges as they are here. What of them waits it has, without a receipt."""
        if self.waits:
            self._walks.add(shared, self._last)

    def _let_go(self, short: ShortId) -> OwnMessage | None:
        """One that history repair has brought to somebody: it waits no longer."""
        found = self._log.by_short(short) if self._some_let_go else None
        return found if found is not None and found.state < State.DELIVERED else None

    def handle_refused(self, short: ShortId, reason: str, rooms: frozenset[RoomId]) -> bool:
        """A member of these rooms does not take it. Whether it is one of ours."""
        known = self._latest(short)
        if known is None or known.room not in rooms:
            return False
        refused = known.refused(reason)
        if refused is not known:
            self._ahead[short] = refused
            self.urgent = True
        return True

    # To the disk and back

    @property
    def changed(self) -> bool:
        return bool(self._ahead or self._walks)

    def take_changes(self) -> tuple[OwnMessage, ...]:
        """To be written; may be none. Until that is done they count as the latest, and are told to nobody."""
        for own, peer in self._walks.step():
            short = short_id(own.id)
            self._confirm(short, self._latest(short) or own, peer)
        self.urgent = False
        return tuple(self._ahead.values())

    def handle_stop(self) -> None:
        """What is known already is all that is still written."""
        self._walks.clear()

    def handle_written(self, written: Iterable[OwnMessage]) -> list[OwnMessage]:
        """They are on disk; those to be told."""
        raised = []
        for own in written:
            short = short_id(own.id)
            if self._ahead.get(short) is own:
                del self._ahead[short]
            before = self._told.get(short)
            self._told[short] = own
            if before is None or (own.state, own.confirmed) > (before.state, before.confirmed):
                raised.append(own)
            if own.state is State.DELIVERED:
                self._follow(short)
            elif short not in self._envelopes and short not in self._ahead:
                del self._told[short]  # let go of meanwhile
        return raised

    def _follow(self, short: ShortId) -> None:
        self._followed[short] = None
        if len(self._followed) > MAX_FOLLOWED:
            oldest, _ = self._followed.popitem(last=False)
            if oldest not in self._ahead:
                self._told.pop(oldest, None)


def _is_open(own: OwnMessage) -> bool:
    return own.state in (State.QUEUED, State.SENT)


def _first_of(envelopes: Iterable[Envelope]) -> list[Envelope]:
    """As many as are pushed at once: one at least, if there is any."""
    taken: list[Envelope] = []
    size = 0
    for envelope in islice(envelopes, MAX_OFFERED):
        size += len(envelope.payload)
        if taken and size > MAX_OFFERED_BYTES:
            break
        taken.append(envelope)
    return taken
