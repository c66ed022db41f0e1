"""Our own messages that nobody has confirmed, on their way to neighbours.

A neighbour won is pushed the last of them at once; the others find their way by comparing histories, which
begins then too. What is not compared, being older than what both keep, follows from the log in batches, and
again until somebody confirms it.
"""

from collections.abc import Collection, Iterable

from chatcore.clock import Now
from chatcore.envelopes import Envelope
from chatcore.events import HandOverDue, Output, SetTimer, StateChanged
from chatcore.gossip import Gossip
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.outbox import Outbox
from chatcore.rng import Rng
from chatcore.room import Room

QUIET_S = 5.0
"""After a neighbour was won, or fetched something of ours. What comparing histories brings across comes
first: a link that is busy with it is not to carry the same once more."""

LONGEST_QUIET_S = 60.0
"""Then a batch goes all the same: nobody holds it up for long by fetching little by little."""

LOOK_S = 0.1
"""Between looks whether a batch was confirmed, when the next one may go."""

PATIENCE_S = 10.0
"""What a batch gets to be confirmed, on a slow link for example."""

ROUND_S = 30.0
"""Before the log is gone through again for what was pushed and never confirmed."""

COPIES = 2
"""Neighbours that each batch is pushed to: they spread it like anything new."""


class HandOver:
    def __init__(self, rooms: dict[RoomId, Room], gossip: Gossip, outbox: Outbox, rng: Rng) -> None:
        self._rooms = rooms
        self._gossip = gossip
        self._outbox = outbox
        self._rng = rng
        self._timed = False
        self._quiet_from = 0.0
        self._quiet_most = 0.0
        self._at = 0
        """The number up to which the log was gone through in this round."""

        self._left = False
        """Whether this round has met anything that waits and has neighbours to go to."""

        self._came = False
        """Whether neighbours were won in this round, whom what was met before has not been pushed to."""

        self._batch: list[MessageId] = []
        self._batch_until = 0.0
        """Pushed last and not confirmed yet, and when that is no longer waited for."""

    def handle_came(self, room: Room, came: Collection[LinkId], now: Now) -> list[Output]:
        """Neighbours were won."""
        outputs = self._push(room, self._outbox.to_offer(room.id), came, now)
        self._came = True
        if self._outbox.waits and not self._timed:
            self._quiet_from, self._quiet_most = now.mono + QUIET_S, now.mono + LONGEST_QUIET_S
            outputs.append(self._again(self._quiet_from))
        return outputs

    def handle_served(self, ids: Iterable[MessageId], now: Now) -> list[Output]:
        """Members have fetched messages, of ours among others."""
        raised = self._outbox.handle_handed(ids)
        if raised:
            self._quiet_from = now.mono + QUIET_S
        return [StateChanged(self._rooms[own.room].name, own) for own in raised if own.room in self._rooms]

    def handle_due(self, now: Now) -> list[Output]:
        """The next batch, until a whole round finds nothing that waits and has neighbours to go to."""
        self._timed = False
        quiet_from = min(self._quiet_from, self._quiet_most)
        if now.mono < quiet_from:
            return [self._again(quiet_from)]
        self._batch = [item for item in self._batch if self._outbox.is_open(item)]
        if self._batch and now.mono < self._batch_until:
            return [self._again(now.mono + LOOK_S)]
        return self._next_batch(now)

    def _next_batch(self, now: Now) -> list[Output]:
        if not self._at:
            self._left = self._came = False
        waiting, reached = self._outbox.next_unconfirmed(self._at)
        outputs: list[Output] = []
        self._batch, self._batch_until = [], now.mono + PATIENCE_S
        for room in self._rooms.values():
            batch = [item for item in waiting if item.room == room.id] if room.active else []
            links = self._rng.sample(sorted(room.active), min(COPIES, len(room.active))) if batch else []
            pushed = self._push(room, batch, links, now)
            if pushed:
                self._batch += [item.id for item in batch]
            outputs += pushed
            self._left = self._left or bool(batch)
        self._quiet_most = now.mono + LONGEST_QUIET_S
        self._at = reached or 0
        if self._at or self._came:
            return [*outputs, self._again(now.mono + LOOK_S)]
        return [*outputs, self._again(now.mono + ROUND_S)] if self._left else outputs

    def _push(self, room: Room, waiting: list[Envelope], links: Collection[LinkId], now: Now) -> list[Output]:
        """Nothing when those links were given all of it lately."""
        if not waiting or not links:
            return []
        raised = self._outbox.handle_handed([envelope.id for envelope in waiting])
        offered = self._gossip.offer(waiting, links, now)
        return [*offered, *[StateChanged(room.name, own) for own in raised]]

    def _again(self, at: float) -> SetTimer:
        self._timed = True
        return SetTimer(HandOverDue(), at)
