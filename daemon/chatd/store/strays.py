"""What an entry is when the table it was in can no longer be found: told by its shape alone.

Each shape is one that no other table's entries have. Pages since freed hold entries that were changed or
taken away later; of several with one key the one that says more, or keeps more, counts. Anything may as well
be bytes of a stranger's message, so what would close the store or empty a room is not believed.
"""

from collections.abc import Iterable
from typing import Any

from chatcore.clock import MAX_SKEW_MS, wall_ms_of
from chatcore.errors import Malformed
from chatcore.ids import DIGEST_BYTES
from chatcore.names import MAX_ROOM_NAME_CHARS
from chatcore.wire import unpack_array
from chatd.store import records
from chatd.store.own import rank_of
from chatd.store.pages import Node
from chatd.store.pins import MAX_PINS
from chatd.store.records import RecordDamaged
from chatd.store.tables import FLOOR_PREFIX, LAST_SEQ_KEY, LAST_STAMP_KEY, wall_ms

_PIN_BYTES = DIGEST_BYTES + records.U64_BYTES + DIGEST_BYTES

Rank = tuple[int, ...]
Known = dict[str, dict[bytes, bytes]]
"""By table, then by key."""


class Strays:
    def __init__(self) -> None:
        self.found: Known = {}
        self._ranks: dict[tuple[str, bytes], Rank] = {}

    def add(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            known = place(node)
            if known is None:
                continue
            table, rank = known
            entries = self.found.setdefault(table, {})
            before = self._ranks.get((table, node.key))
            full = table == "pins" and len(entries) >= MAX_PINS
            if (before is None and not full) or (before is not None and before < rank):
                self._ranks[table, node.key] = rank
                entries[node.key] = node.value


def place(node: Node) -> tuple[str, Rank] | None:
    """Its table, and how much it says."""
    try:
        body = records.unseal(node.value)
        match len(node.key):
            case records.U64_BYTES:
                return "own", rank_of(node.value)
            case size if size == DIGEST_BYTES:
                return _of_digest(unpack_array(body))
            case size if size == _PIN_BYTES and body == node.key:
                return "pins", ()
        if node.key == LAST_SEQ_KEY:
            return "meta", (records.unpack_u64(body),)
        if node.key == LAST_STAMP_KEY or node.key.startswith(FLOOR_PREFIX):
            stamp = records.unpack_u64(body)
            return ("meta", (stamp,)) if wall_ms_of(stamp) <= wall_ms() + MAX_SKEW_MS else None
    except (RecordDamaged, Malformed):
        pass
    return None


def _of_digest(fields: list[Any]) -> tuple[str, Rank] | None:
    """A room or somebody known, as this version writes them."""
    match fields:
        case [str(name), bool(joined)] if 1 <= len(name) <= MAX_ROOM_NAME_CHARS:
            return "rooms", (joined,)
        case [str(alias), bool(blocked), str()]:
            return "people", (blocked, bool(alias))
        case [str(), str(), str(), int(until_ms)]:
            return "discouraged", (until_ms,)
        case _:
            return None
