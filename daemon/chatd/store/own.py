"""What became of our own messages: a record for each of the last, found by number, id or client id.

Not made from the log: what peers confirmed stands nowhere else.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from chatcore.errors import Malformed
from chatcore.ids import DIGEST_BYTES, MessageId, PeerId, RoomId
from chatcore.own import OwnMessage, State
from chatcore.wire import pack, unpack_array
from chatd.store import records
from chatd.store.lmdbtypes import Environment, Table, Txn
from chatd.store.records import RecordDamaged

MAX_OWN = 16_384
"""Messages whose state is kept. When there are more the oldest's is forgotten, its client id too; the message
itself stays in the log, and history repair brings it to whoever lacks it."""

MAX_NAMED = 16
"""Confirming members named in a record, of all that are counted."""

_CLIENT_KEY_BYTES = 16
_FIELDS = 7


class OwnTable:
    """`own`: the number in the log to the record. `clients`: a hash of room and client id to the number."""

    table: Table
    clients: Table

    def __init__(self) -> None:
        self.waiting: set[int] = set()
        """Numbers of those that nobody has confirmed; what is too old otherwise stays for them."""

    def open(self, env: Environment, txn: Txn) -> None:
        """Made where it is missing: a store written before there were states has none of any message."""
        self.table = env.open_db(b"own", txn=txn, create=True)
        self.clients = env.open_db(b"clients", txn=txn, create=True)
        for number, value in self.newest_first(txn):
            self._note_waiting(number, value)

    def _note_waiting(self, number: bytes, value: bytes) -> None:
        try:
            waits = is_waiting(value) is not None
        except RecordDamaged:
            waits = True
        if waits:
            self.waiting.add(records.unpack_u64(number))
        else:
            self.waiting.discard(records.unpack_u64(number))

    def put(self, txn: Txn, ids: Table, own: Iterable[OwnMessage]) -> None:
        """`ids` leads to each message's number; one that is no longer in the log has no state either."""
        added = False
        for item in own:
            number = txn.get(item.id, db=ids)
            if number is None:
                continue
            value = _encode(item)
            txn.put(number, value, db=self.table)
            self._note_waiting(number, value)
            if item.client_id:
                txn.put(_client_key(item.room, item.client_id), number, db=self.clients)
            added = True
        if added:
            self._forget_oldest(txn)

    def _forget_oldest(self, txn: Txn) -> None:
        for _ in range(txn.stat(self.table)["entries"] - MAX_OWN):
            with txn.cursor(self.table) as cursor:
                cursor.first()
                number, value = cursor.item()
                cursor.delete()
            self.waiting.discard(records.unpack_u64(number))
            self._forget_client(txn, number, value)

    def _forget_client(self, txn: Txn, number: bytes, value: bytes) -> None:
        try:
            oldest = _decode(value)
        except RecordDamaged:
            return
        key = _client_key(oldest.room, oldest.client_id)
        if oldest.client_id and txn.get(key, db=self.clients) == number:
            txn.delete(key, db=self.clients)

    def restore_clients(self, txn: Txn, log: Table) -> None:
        """Make `clients` anew from the records, each of which names its own.

        A message that is lost and was handed to nobody is left out: asked again, it is to be sent.
        """
        for number, value in self.newest_first(txn):
            try:
                own = _decode(value)
            except RecordDamaged:
                continue
            lost = own.state == State.QUEUED and txn.get(number, db=log) is None
            if own.client_id and not lost:
                key = _client_key(own.room, own.client_id)
                txn.put(key, number, db=self.clients, overwrite=False)

    def get(self, txn: Txn, number: bytes) -> OwnMessage | None:
        """Raises RecordDamaged."""
        value = txn.get(number, db=self.table)
        return None if value is None else _decode(value)

    def by_client(self, txn: Txn, room: RoomId, client_id: str) -> OwnMessage | None:
        """Raises RecordDamaged."""
        number = txn.get(_client_key(room, client_id), db=self.clients)
        found = None if number is None else self.get(txn, number)
        return found if found is not None and (found.room, found.client_id) == (room, client_id) else None

    def newest_first(self, txn: Txn) -> Iterator[tuple[bytes, bytes]]:
        """Numbers and undecoded records."""
        with txn.cursor(self.table) as cursor:
            if cursor.last():
                yield from cursor.iterprev()


def is_waiting(value: bytes) -> OwnMessage | None:
    """The record, when nobody has confirmed its message. Raises RecordDamaged."""
    own = _decode(value)
    return own if own.state < State.DELIVERED else None


def _client_key(room: RoomId, client_id: str) -> bytes:
    return hashlib.blake2b(room + client_id.encode(), digest_size=_CLIENT_KEY_BYTES).digest()


def _encode(own: OwnMessage) -> bytes:
    named = b"".join(own.confirmed_by[:MAX_NAMED])
    fields = [own.id, own.room, int(own.state), own.confirmed, named, own.reason, own.client_id]
    return records.seal(pack(fields))


def _decode(value: bytes) -> OwnMessage:
    """Raises RecordDamaged. Fields of a newer version, behind these, are ignored."""
    try:
        return _read(unpack_array(records.unseal(value)))
    except (Malformed, ValueError, TypeError) as error:
        raise RecordDamaged("not the state of a message") from error


def _read(fields: list[Any]) -> OwnMessage:
    message_id, room, state, confirmed, named, reason, client_id = fields[:_FIELDS]
    if type(confirmed) is not int or type(reason) is not str or type(client_id) is not str:
        raise TypeError
    peers = tuple(PeerId(named[at : at + DIGEST_BYTES]) for at in range(0, len(named), DIGEST_BYTES))
    return OwnMessage(MessageId(message_id), RoomId(room), State(state), peers, confirmed, reason, client_id)
