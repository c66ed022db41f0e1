"""One spreading tree per room and author: the links that asked us to stop pushing that author's messages."""

from collections import OrderedDict

from chatcore.ids import LinkId, RoomId

MAX_TREES = 4096
"""The author silent for longest is forgotten, and floods again when it speaks."""

_NONE: frozenset[LinkId] = frozenset()


class Trees:
    def __init__(self) -> None:
        self._pruned: OrderedDict[tuple[RoomId, bytes], set[LinkId]] = OrderedDict()

    def lazy(self, room: RoomId, author: bytes) -> set[LinkId] | frozenset[LinkId]:
        key = (room, author)
        pruned = self._pruned.get(key)
        if pruned is None:
            return _NONE
        self._pruned.move_to_end(key)
        return pruned

    def prune(self, room: RoomId, author: bytes, link: LinkId) -> None:
        key = (room, author)
        self._pruned.setdefault(key, set()).add(link)
        if len(self._pruned) > MAX_TREES:
            self._pruned.popitem(last=False)

    def graft(self, room: RoomId, author: bytes, link: LinkId) -> None:
        pruned = self._pruned.get((room, author))
        if pruned is not None:
            pruned.discard(link)

    def forget(self, link: LinkId, room: RoomId | None = None) -> None:
        """What a link asked in a room, or anywhere."""
        for (of, _), pruned in self._pruned.items():
            if room is None or of == room:
                pruned.discard(link)

    def __len__(self) -> int:
        return len(self._pruned)

    def lazy_links(self, room: RoomId) -> float:
        """Pruned links of the room for an author: the mean over those whom any link asked to stop."""
        counts = [len(pruned) for (of, _), pruned in self._pruned.items() if of == room]
        return sum(counts) / len(counts) if counts else 0.0
