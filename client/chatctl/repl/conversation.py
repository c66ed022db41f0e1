"""What the chat knows: who we are, which rooms we are in and talk in, what everybody is called."""

from typing import TYPE_CHECKING

from chatcore.names import LOBBY
from chatctl.nicks import Nicks
from chatctl.repl.deliveries import Deliveries

if TYPE_CHECKING:
    from chatcore.api import IdentityInfo, Subscribed


class Conversation:
    def __init__(self, snapshot: "Subscribed") -> None:
        self.nicks = Nicks()
        self.deliveries = Deliveries()
        self.me: IdentityInfo = snapshot["identity"]
        self.rooms: set[str] = set()
        self.peers = 0
        self.take(snapshot)
        self.room = self._first_room()

    def take(self, snapshot: "Subscribed") -> None:
        """How things are now, at the start and after the daemon was away."""
        self.me = snapshot["identity"]
        self.deliveries.forget()
        self.peers = len(snapshot["peers"])
        self.rooms = {room["room"] for room in snapshot["rooms"]}
        members = [member for room in snapshot["rooms"] for member in room["members"]]
        for person in (self.me, *snapshot["peers"], *members):
            self.nicks.observe(person["peer_id"], person["username"])

    def enter(self, room: str) -> None:
        self.rooms.add(room)
        self.room = room

    def leave(self, room: str) -> bool:
        """Whether that moved us to another room: the lobby, or the first there is."""
        self.rooms.discard(room)
        if room != self.room or not self.rooms:
            return False
        self.room = self._first_room()
        return True

    def _first_room(self) -> str:
        return LOBBY if LOBBY in self.rooms else min(self.rooms, default=LOBBY)
