"""The names of rooms, joined or left, by id: asked of each message that is replayed, so kept in memory."""

from collections.abc import Mapping

from chatcore.ids import RoomId
from chatcore.names import room_id
from chatcore.node import Node
from chatd.store import Store


class RoomNames:
    """Of one network; read from the store again only when the rooms in it have changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._left: dict[RoomId, str] = {}
        self._read: tuple[str, int] | None = None

    def all(self, node: Node) -> dict[RoomId, str]:
        """Rooms the node is in, or has been in."""
        return {**self._stored(node.config.network), **{room.id: room.name for room in node.rooms.values()}}

    def find(self, node: Node, room: RoomId) -> str | None:
        joined = node.rooms.get(room)
        return self._stored(node.config.network).get(room) if joined is None else joined.name

    def _stored(self, network: str) -> Mapping[RoomId, str]:
        now = (
            network,
            self._store.rooms_version,
        )  # before it is read: what comes meanwhile is read next time
        if self._read != now:
            # The home may have served another network, whose rooms of the same names are not ours.
            found = [(entry.room_id, entry.name) for entry in self._store.rooms()]
            self._left = {room: name for room, name in found if room_id(network, name) == room}
            self._read = now
        return self._left
