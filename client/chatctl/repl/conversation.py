"""What the chat knows: who we are, which rooms we are in and talk in, who is there under which name."""

from typing import TYPE_CHECKING

from chatcore.names import LOBBY
from chatctl.nicks import Nicks
from chatctl.repl.deliveries import Deliveries

if TYPE_CHECKING:
    from chatcore.api import IdentityInfo, Peer, Room, Subscribed

MAX_PEOPLE = 1024
"""In each room, for completion: those heard of last."""


class Conversation:
    def __init__(self, snapshot: "Subscribed") -> None:
        self.nicks = Nicks()
        self.deliveries = Deliveries()
        self.me: IdentityInfo = snapshot["identity"]
        self.rooms: list[str] = []
        """In an order that stays, so that each keeps its number: the lobby, the first ones, later ones."""

        self.to_open = False
        """Whether we were moved to `room` and have not yet seen what is in it."""

        self._linked: set[str] = set()
        self._people: dict[str, dict[str, str]] = {}
        self.room = ""
        self.take(snapshot)
        self.room, self.to_open = self._first_room(), False

    def take(self, snapshot: "Subscribed") -> bool:
        """How things are now, at the start and after the daemon was away. Whether that moved us."""
        self.me = snapshot["identity"]
        self.deliveries.forget()
        self.nicks.observe(self.me["peer_id"], self.me["username"])
        return self.renew(snapshot["rooms"], snapshot["peers"])

    def renew(self, rooms: "list[Room]", peers: "list[Peer]") -> bool:
        """Our rooms and links, as they are now. Whether that moved us to another room: ours is not there."""
        self._linked = {peer["peer_id"] for peer in peers}
        now = sorted((room["room"] for room in rooms), key=lambda room: (room != LOBBY, room))
        kept = [room for room in self.rooms if room in now]
        self.rooms = kept + [room for room in now if room not in kept]
        for person in peers:
            self.nicks.observe(person["peer_id"], person["username"])
        self._people.clear()
        for room in rooms:
            for member in room["members"]:
                self.meet(room["room"], member["peer_id"], member["username"])
        return self._move()

    @property
    def peers(self) -> int:
        """With how many this node is linked."""
        return len(self._linked)

    def link(self, peer_id: str, *, up: bool) -> None:
        """Made or ended. What a snapshot and an event both tell counts once."""
        (self._linked.add if up else self._linked.discard)(peer_id)

    def enter(self, room: str) -> None:
        self.add(room)
        self.room = room

    def add(self, room: str) -> None:
        if room not in self.rooms:
            self.rooms.append(room)

    def leave(self, room: str) -> bool:
        """Whether that moved us to another room: the lobby, or the first there is."""
        if room in self.rooms:
            self.rooms.remove(room)
        self._people.pop(room, None)
        return self._move()

    def _move(self) -> bool:
        """Out of a room we are not in; where there is no other, nothing changes."""
        if self.room in self.rooms or not self.rooms:
            return False
        self.room, self.to_open = self._first_room(), True
        return True

    def meet(self, room: str, peer_id: str, username: str) -> None:
        """They were heard of in this room."""
        self.nicks.observe(peer_id, username)
        people = self._people.setdefault(room, {})
        people.pop(peer_id, None)
        people[peer_id] = username
        if len(people) > MAX_PEOPLE:
            del people[next(iter(people))]

    def part(self, room: str, peer_id: str) -> None:
        self._people.get(room, {}).pop(peer_id, None)

    def people(self, room: str) -> list[tuple[str, str]]:
        """Key and name of the others in a room, who was heard of last first."""
        found = self._people.get(room, {})
        return [(key, name) for key, name in reversed(found.items()) if key != self.me["peer_id"]]

    def _first_room(self) -> str:
        return next(iter(self.rooms), LOBBY)
