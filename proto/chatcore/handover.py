"""Our own messages that nobody has yet, on their way to neighbours.

A neighbour won is pushed the last of them at once; the others find their way by comparing histories, which
begins then too. What is not compared, being older than what both keep, follows from the log in batches.
"""

from collections.abc import Collection

from chatcore.clock import Now
from chatcore.envelopes import Envelope
from chatcore.events import HandOverDue, Output, SetTimer, StateChanged
from chatcore.gossip import Gossip
from chatcore.ids import LinkId, RoomId
from chatcore.outbox import Outbox
from chatcore.room import Room

FIRST_WAIT_S = 5.0
"""After a neighbour was won: by then what histories have in common has been compared."""

BATCH_WAIT_S = 1.0


class HandOver:
    def __init__(self, rooms: dict[RoomId, Room], gossip: Gossip, outbox: Outbox) -> None:
        self._rooms = rooms
        self._gossip = gossip
        self._outbox = outbox
        self._timed = False
        self._at = 0
        """The number up to which the log was gone through in this round."""

        self._went = False
        """Whether this round has handed over anything."""

    def handle_came(self, room: Room, came: Collection[LinkId], now: Now) -> list[Output]:
        """Neighbours were won."""
        outputs = self._push(room, self._outbox.to_offer(room.id), came, now)
        if self._outbox.unsent and not self._timed:
            outputs.append(self._again(now, FIRST_WAIT_S))
        return outputs

    def handle_due(self, now: Now) -> list[Output]:
        """The next batch, until a whole round finds no neighbour for any."""
        self._timed = False
        waiting, reached = self._outbox.next_unsent(self._at)
        outputs: list[Output] = []
        for room in self._rooms.values():
            outputs += self._push(room, [item for item in waiting if item.room == room.id], room.active, now)
        went = self._went or bool(outputs)
        self._went = went and reached is not None
        self._at = reached or 0
        return [*outputs, self._again(now, BATCH_WAIT_S)] if went or reached is not None else outputs

    def _push(self, room: Room, waiting: list[Envelope], links: Collection[LinkId], now: Now) -> list[Output]:
        if not waiting or not links:
            return []
        raised = self._outbox.handle_handed([envelope.id for envelope in waiting])
        offered = self._gossip.offer(waiting, links, now)
        return [*offered, *[StateChanged(room.name, own) for own in raised]]

    def _again(self, now: Now, wait_s: float) -> SetTimer:
        self._timed = True
        return SetTimer(HandOverDue(), now.mono + wait_s)
