"""What became of our own messages, read from the disk; see chatcore.index for what is asked for."""

from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, RoomId
from chatcore.own import OwnMessage
from chatd.store import records
from chatd.store.damage import DamageLog
from chatd.store.lmdbtypes import Txn
from chatd.store.log import Log
from chatd.store.own import is_waiting
from chatd.store.reading import onwards
from chatd.store.records import RecordDamaged
from chatd.store.tables import Tables


class States:
    """Of the last `MAX_OWN`, and of all that wait."""

    def __init__(self, tables: Tables, damage: DamageLog, log: Log) -> None:
        self._tables = tables
        self._damage = damage
        self._log = log

    def find(self, message_id: MessageId) -> OwnMessage | None:
        with self._tables.reading() as txn:
            number = txn.get(message_id, db=self._tables.ids)
            return None if number is None else self._at(txn, number)

    def by_client(self, room: RoomId, client_id: str) -> OwnMessage | None:
        with self._tables.reading() as txn:
            try:
                return self._tables.own.by_client(txn, room, client_id)
            except RecordDamaged as error:
                self._damage.add(room, error.why)
                return None

    def by_short(self, short: bytes) -> OwnMessage | None:
        with self._tables.reading() as txn, txn.cursor(self._tables.ids) as cursor:
            found = cursor.set_range(short) and cursor.key().startswith(short)
            return self._at(txn, cursor.value()) if found else None

    def starting_with(self, prefix: str) -> list[OwnMessage]:
        """By how an id is written. At most two, which is one too many to tell which is meant."""
        found: list[OwnMessage] = []
        start = bytes.fromhex(prefix + "0" * (len(prefix) % 2))
        with self._tables.reading() as txn, txn.cursor(self._tables.ids) as cursor:
            for key, number in onwards(cursor, start):
                if len(found) == 2 or not key.hex().startswith(prefix):
                    break
                own = self._at(txn, number)
                if own is not None:
                    found.append(own)
        return found

    def waiting(self, most: int) -> list[tuple[OwnMessage, Envelope]]:
        with self._tables.reading() as txn:
            numbers = [records.pack_u64(number) for number in self._tables.own.newest_waiting(most)]
            found = [self._waiting_at(txn, number) for number in numbers]
        return [waiting for waiting in found if waiting is not None]

    def waiting_after(self, number: int, upto: int) -> tuple[list[tuple[OwnMessage, bytes]], int | None]:
        with self._tables.reading() as txn:
            numbers, reached = self._tables.own.waiting_after(txn, number, upto)
            found = [waiting for at in numbers if (waiting := self._waiting_at(txn, at)) is not None]
        keys = [records.pack_u64(envelope.stamp) + envelope.id for _, envelope in found]
        return [(own, key) for (own, _), key in zip(found, keys, strict=True)], reached

    def unsent(self) -> int:
        return self._tables.own.unsent

    def unconfirmed(self) -> int:
        return self._tables.own.waiting

    def unconfirmed_after(
        self, number: int, most: int
    ) -> tuple[list[tuple[int, OwnMessage, Envelope]], int | None]:
        with self._tables.reading() as txn:
            numbers = self._tables.own.waiting_from(number, most)
            found = [(at, self._waiting_at(txn, records.pack_u64(at))) for at in numbers]
        reached = numbers[-1] if len(numbers) == most else None
        return [(at, *waiting) for at, waiting in found if waiting is not None], reached

    def last(self) -> int:
        with self._tables.reading() as txn:
            return self._tables.own.last(txn)

    def _at(self, txn: Txn, number: bytes) -> OwnMessage | None:
        try:
            return self._tables.own.get(txn, number)
        except RecordDamaged as error:
            self._damage.add(number, error.why)
            return None

    def _waiting_at(self, txn: Txn, number: bytes) -> tuple[OwnMessage, Envelope] | None:
        try:
            own = is_waiting(txn.get(number, db=self._tables.own.table, default=b""))
        except RecordDamaged as error:
            self._damage.add(number, error.why)
            return None
        stored = None if own is None else self._log.at(txn, number)
        return None if own is None or stored is None else (own, stored.envelope)
