"""Tables made from the log: each holds nothing that could not be made again from the messages.

The writer hands every derived table what one transaction stores or removes. Adding a table means writing one
class here or beside, and naming it in `Tables`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from chatd.store import records
from chatd.store.batches import Stored
from chatd.store.lmdbtypes import Environment, Table, Txn


class Lost(NamedTuple):
    """A message whose record is damaged: what its entry in the room's index still says of it."""

    seq: int
    key: bytes
    """As `records.room_key` makes it."""

    payload_bytes: int


class Derived(Protocol):
    def open(self, env: Environment, txn: Txn, *, create: bool) -> None: ...

    def add(self, txn: Txn, stored: Sequence[Stored]) -> None:
        """Called once for each transaction. Every LMDB call gives up the interpreter lock: make few."""
        ...

    def remove(self, txn: Txn, gone: Sequence[Stored]) -> None:
        """They are no longer in the log when the transaction commits."""
        ...

    def forget(self, txn: Txn, lost: Sequence[Lost]) -> None:
        """As `remove`, of messages that can no longer be read."""
        ...


class RoomIndex:
    """`room || stamp || id` to the number in the log: a room in the order everybody sees it."""

    table: Table

    def open(self, env: Environment, txn: Txn, *, create: bool) -> None:
        self.table = env.open_db(b"room", txn=txn, create=create)

    def add(self, txn: Txn, stored: Sequence[Stored]) -> None:
        entries = [(records.room_key(item.envelope), records.pack_u64(item.seq)) for item in stored]
        with txn.cursor(self.table) as cursor:
            cursor.putmulti(sorted(entries))

    def remove(self, txn: Txn, gone: Sequence[Stored]) -> None:
        for item in gone:
            txn.delete(records.room_key(item.envelope), db=self.table)

    def forget(self, txn: Txn, lost: Sequence[Lost]) -> None:
        for item in lost:
            txn.delete(item.key, db=self.table)
