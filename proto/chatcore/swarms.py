"""The rooms this node is in: coming, leaving, whom that is told, and what time asks of each.

Joins rooms and gossip, which spreads what a room has to say.
"""

from collections.abc import Collection, Iterable

from chatcore.clock import HybridClock, Now
from chatcore.config import NodeConfig
from chatcore.counters import Counters
from chatcore.events import (
    Output,
    PresenceDue,
    Priority,
    RoomRecord,
    Send,
    SetTimer,
    ShuffleDue,
)
from chatcore.gossip import Gossip
from chatcore.handover import HandOver
from chatcore.identity import Identity
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.links import Link, Links
from chatcore.messages import MembershipMessage, Rooms, RosterRequest
from chatcore.moves import Moves
from chatcore.nickname import Nickname
from chatcore.records import Named, PeerRecord
from chatcore.rng import Rng
from chatcore.room import Room
from chatcore.vetting import Vetting


class Swarms:
    def __init__(
        self,
        identity: Identity,
        config: NodeConfig,
        *,
        nickname: Nickname,
        rooms: dict[RoomId, Room],
        gossip: Gossip,
        hand_over: HandOver,
        links: Links,
        clock: HybridClock,
        vetting: Vetting,
        counters: Counters,
        rng: Rng,
    ) -> None:
        self._identity = identity
        self._nickname = nickname
        self._config = config
        self._rooms = rooms
        self._gossip = gossip
        self._hand_over = hand_over
        self._links = links
        self._clock = clock
        self._vetting = vetting
        self._counters = counters
        self._rng = rng
        self._moves = Moves()
        self.unsettled: set[RoomId] = set()
        """Rooms in which something may have changed who our neighbours are."""

        self.met: list[tuple[Link, RoomId]] = []
        """Links that came to share a room with us, or to be neighbours there, until somebody takes note."""

        self.parted: list[tuple[LinkId, RoomId]] = []
        """Links that came to share one room less, likewise."""

    @property
    def ids(self) -> frozenset[RoomId]:
        return frozenset(self._rooms)

    @property
    def active(self) -> set[LinkId]:
        """Links to neighbours in any room."""
        return {link for room in self._rooms.values() for link in room.active}

    @property
    def chosen(self) -> set[LinkId]:
        """Of them, those of our own choice."""
        return {link for room in self._rooms.values() for link in room.chosen}

    def unsettle(self) -> None:
        """Something may have changed in any room."""
        self.unsettled.update(self._rooms)

    # Coming and leaving

    def enter(self, record: RoomRecord, now: Now) -> Room:
        room = Room(
            record.name,
            record.room,
            identity=self._identity,
            nickname=self._nickname,
            clock=self._clock,
            config=self._config,
            links=self._links,
            vetting=self._vetting,
            counters=self._counters,
            rng=self._rng,
            mono=now.mono,
        )
        self._rooms[record.room] = room
        return room

    def join(self, record: RoomRecord, now: Now) -> list[Output]:
        room = self.enter(record, now)
        self.unsettle()
        greetings = [
            output for link in self._links for output in self._greet(link, link.rooms & {room.id}, now)
        ]
        return [*self._tell_rooms(), *greetings]

    def leave(self, record: RoomRecord, now: Now) -> list[Output]:
        room = self._rooms.pop(record.room)
        self.parted += [(link, record.room) for link in sorted(room.linked)]
        self.unsettled.add(record.room)
        said = self._say_leave(room, now)
        self._gossip.handle_left(room, now)
        return [*said, *self._tell_rooms()]

    def handle_stop(self, now: Now) -> list[Output]:
        return [output for room in self._rooms.values() for output in self._say_leave(room, now)]

    def _say_leave(self, room: Room, now: Now) -> list[Output]:
        word = room.leave(now)
        return [] if word is None else self._gossip.publish(word, room, now)

    def _tell_rooms(self) -> list[Output]:
        links = tuple(link.link for link in self._links)
        return [Send(links, Rooms(self.ids), Priority.CONTROL)] if links else []

    # Links, and the neighbourhoods made of them

    def handle_link_up(self, link: Link, told: frozenset[RoomId], now: Now) -> list[Output]:
        self.unsettle()
        outputs: list[Output] = []
        if told != self.ids:
            outputs.append(Send((link.link,), Rooms(self.ids), Priority.CONTROL))
        return [*outputs, *self._greet(link, link.rooms, now)]

    def handle_link_gone(self, link: Link) -> None:
        self.unsettle()
        self._moves.handle_link_gone(link.link)
        for room in self._rooms.values():
            room.handle_link_gone(link)

    def handle_dead(self, peer_id: PeerId) -> None:
        """Nobody answers at its address."""
        self.unsettle()
        for room in self._rooms.values():
            room.handle_dead(peer_id)

    def learn(self, room_id: RoomId, members: Collection[PeerRecord], source: bytes) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            self.unsettled.add(room_id)
            room.learn(members, source)

    def on_rooms(self, link: Link, rooms: frozenset[RoomId], now: Now) -> list[Output]:
        if not self._moves.take(link.link, len(rooms ^ link.rooms), now.mono):
            self._counters.blame(link.link, "rooms_rate")
            self._moves.put_off(link.link, rooms)
            return []
        return self._move(link, rooms, now)

    def _move(self, link: Link, rooms: frozenset[RoomId], now: Now) -> list[Output]:
        new, left = rooms - link.rooms, link.rooms - rooms
        self._links.handle_rooms(link, rooms)
        for room in sorted(left & self.ids):
            self._rooms[room].handle_gone(link)
            self.parted.append((link.link, room))
        self.unsettled |= (new | left) & self.ids
        return self._greet(link, new, now)

    def on_membership(self, link: Link, message: MembershipMessage, now: Now) -> list[Output]:
        room = self._rooms.get(message.room)
        if room is None or message.room not in link.rooms:
            self._counters.refused["not_in_room"] += 1
            return []
        outputs, taken = room.on_message(link, message, now)
        if taken:
            self.unsettled.add(room.id)
        return outputs

    def on_roster_request(self, link: Link, message: RosterRequest, now: Now) -> list[Output]:
        room = self._rooms.get(message.room)
        if room is None or message.room not in link.rooms:
            self._counters.refused["not_in_room"] += 1
            return []
        return room.on_roster_request(link, now)

    def _greet(self, link: Link, rooms: frozenset[RoomId], now: Now) -> list[Output]:
        # In the order of ids: a set's own order would not be the same in every process.
        shared = [self._rooms[room] for room in sorted(rooms & self.ids)]
        self.met += [(link, room.id) for room in shared]
        return [output for room in shared for output in room.greet(link.link, now)]

    def take_unsettled(self) -> list[RoomId]:
        """Once, in the same order in every process; some may be left by now."""
        unsettled, self.unsettled = sorted(self.unsettled), set()
        return unsettled

    def mend(self, unsettled: Iterable[RoomId], now: Now) -> tuple[list[Output], list[Named]]:
        """What restores the neighbourhood of each of these rooms, and members to link with."""
        outputs: list[Output] = []
        wanted: list[Named] = []
        for room in [self._rooms[of] for of in unsettled if of in self._rooms]:
            asks, unlinked = room.mend(now)
            outputs += asks
            wanted += unlinked
            change = room.changed()
            if change:
                outputs += self._hand_over.handle_came(room, change.came, now) if change.came else []
                outputs += self._gossip.handle_neighbours(room, change, now)
                came = [link for of in change.came if (link := self._links.get(of)) is not None]
                self.met += [(link, room.id) for link in came]
                outputs += room.ask_roster(change.came)
            word = room.arrive(now)
            if word is not None:
                outputs += self._gossip.publish(word, room, now)
        return outputs, wanted

    # Time

    def handle_woken(self, now: Now) -> None:
        for room in self._rooms.values():
            room.handle_woken(now)

    def handle_presence_due(self, now: Now) -> list[Output]:
        refreshed = [output for room in self._rooms.values() for output in self._refresh(room, now)]
        return [*refreshed, self.next_presence(now)]

    def _refresh(self, room: Room, now: Now) -> list[Output]:
        outputs, word = room.refresh(now)
        return outputs if word is None else [*outputs, *self._gossip.publish(word, room, now)]

    def next_presence(self, now: Now) -> SetTimer:
        """When some room is to hear of us again, or to be looked over for members gone silent."""
        due = [room.refresh_at for room in self._rooms.values() if room.refresh_at is not None]
        return SetTimer(PresenceDue(), min([now.mono + self._config.presence.refresh_s, *due]))

    def handle_renamed(self, now: Now) -> list[Output]:
        """Every room hears of our new name at once."""
        words = [(room, room.announce(now)) for room in self._rooms.values()]
        told = [self._gossip.publish(word, room, now) for room, word in words if word is not None]
        return [output for outputs in told for output in outputs]

    def handle_shuffle_due(self, now: Now) -> list[Output]:
        self.unsettle()
        mixed = [output for room in self._rooms.values() for output in room.handle_shuffle_due(now)]
        moved = [
            output
            for of, rooms in self._moves.due().items()
            if (link := self._links.get(of)) is not None
            for output in self._move(link, rooms, now)
        ]
        return [*mixed, *moved, self.next_shuffle(now)]

    def next_shuffle(self, now: Now) -> SetTimer:
        wait = self._config.gossip.shuffle_every_s * self._rng.uniform(0.8, 1.2)
        return SetTimer(ShuffleDue(), now.mono + wait)
