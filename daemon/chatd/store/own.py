"""What became of our own messages: a record for each of the last, found by number, id or client id.

Not made from the log: what peers confirmed stands nowhere else.
"""

import hashlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from chatcore.errors import Malformed
from chatcore.ids import DIGEST_BYTES, MessageId, PeerId, RoomId
from chatcore.own import OwnMessage, State
from chatcore.wire import pack, unpack_array
from chatd.store import records
from chatd.store.lmdbtypes import Environment, Table, Txn
from chatd.store.reading import onwards
from chatd.store.records import RecordDamaged

MAX_OWN = 16_384
"""Messages whose state is kept, besides those that were handed to nobody yet: the node limits those.
When there are more the oldest's is forgotten, its client id too; the message itself stays in the log, and
history repair brings it to whoever lacks it."""

MAX_NAMED = 16
"""Confirming members named in a record, of all that are counted."""

STEP_WAITING = 256
STEP_LOOKED_AT = 4096
"""Of those that wait, read at a time, and of all: some 5 ms."""

_CLIENT_KEY_BYTES = 16
_FIELDS = 7

Changes = dict[int, State | None]
"""By the number in the log; None when it is forgotten."""


class OwnTable:
    """`own`: the number in the log to the record. `clients`: a hash of room and client id to the number."""

    table: Table
    clients: Table

    def __init__(self) -> None:
        # Numbers in the order in which they came to that state. Changed only after a commit.
        self._unsent: OrderedDict[int, None] = OrderedDict()
        self._handed: OrderedDict[int, None] = OrderedDict()
        self._delivered: OrderedDict[int, None] = OrderedDict()

    def open(self, env: Environment, txn: Txn) -> None:
        """Made where it is missing: a store written before there were states has none of any message."""
        self.table = env.open_db(b"own", txn=txn, create=True)
        self.clients = env.open_db(b"clients", txn=txn, create=True)
        with txn.cursor(self.table) as cursor:
            self.settle({records.unpack_u64(number): _state_of(value) for number, value in cursor})

    @property
    def unsent(self) -> int:
        """How many were handed to nobody; counted while the writer goes on."""
        return len(self._unsent)

    @property
    def waiting(self) -> int:
        """How many nobody has confirmed."""
        return len(self._unsent) + len(self._handed)

    def waits(self, number: int) -> bool:
        """Nobody has confirmed it; what is too old otherwise stays for its sake."""
        return number in self._unsent or number in self._handed

    def newest_waiting(self, most: int) -> list[int]:
        """Those handed to nobody first, and as many others as fit; in the order of the log."""
        unsent = sorted(self._unsent)[-most:]
        left = most - len(unsent)
        return sorted([*unsent, *(sorted(self._handed)[-left:] if left else ())])

    def waiting_from(self, number: int, most: int) -> list[int]:
        """The first `most` above `number` that nobody has confirmed."""
        waiting = sorted([*self._unsent, *self._handed])
        start = bisect_right(waiting, number)
        return waiting[start : start + most]

    def put(self, txn: Txn, ids: Table, own: Iterable[OwnMessage]) -> Changes:
        """What to `settle` once this is committed.

        `ids` leads to each message's number; one that is no longer in the log has no state either.
        """
        changes: Changes = {}
        for item in own:
            number = txn.get(item.id, db=ids)
            if number is None:
                continue
            txn.put(number, _encode(item), db=self.table)
            changes[records.unpack_u64(number)] = item.state
            if item.client_id:
                txn.put(_client_key(item.room, item.client_id), number, db=self.clients)
        if changes:
            self._forget_oldest(txn, changes)
        return changes

    def settle(self, changes: Changes) -> None:
        for number, state in changes.items():
            for numbers in (self._unsent, self._handed, self._delivered):
                numbers.pop(number, None)
            if state is not None:
                self._numbers_of(state)[number] = None

    def _numbers_of(self, state: State) -> OrderedDict[int, None]:
        if state == State.QUEUED:
            return self._unsent
        return self._delivered if state == State.DELIVERED else self._handed

    def _forget_oldest(self, txn: Txn, changes: Changes) -> None:
        """Never one that was handed to nobody: the sender is told that it waits, and it would be removed."""
        unsent = len(self._unsent) - sum(number in self._unsent for number in changes)
        unsent += sum(state == State.QUEUED for state in changes.values())
        over = txn.stat(self.table)["entries"] - unsent - MAX_OWN
        for number in islice(self._oldest(dict(changes)), max(0, over)):
            key = records.pack_u64(number)
            value = txn.get(key, db=self.table, default=b"")
            txn.delete(key, db=self.table)
            self._forget_client(txn, key, value)
            changes[number] = None

    def _oldest(self, changes: Changes) -> Iterator[int]:
        """Those that were delivered first, then those that somebody was handed."""
        for numbers in (self._delivered, self._handed):
            yield from (number for number in numbers if number not in changes)
            for number, state in changes.items():
                if state is not None and state != State.QUEUED and self._numbers_of(state) is numbers:
                    yield number

    def _forget_client(self, txn: Txn, number: bytes, value: bytes) -> None:
        try:
            oldest = _decode(value)
        except RecordDamaged:
            return
        key = _client_key(oldest.room, oldest.client_id)
        if oldest.client_id and txn.get(key, db=self.clients) == number:
            txn.delete(key, db=self.clients)

    def restore(
        self, txn: Txn, saved: Iterable[tuple[bytes, bytes]], ids: Table, log: Table, most: bytes
    ) -> None:
        """Records from a damaged store, under the numbers their messages have now.

        That of a message that is lost keeps its number, up to `most`, unless another message has it.
        """
        for key, value in saved:
            try:
                number = txn.get(_decode(value).id, db=ids)
            except RecordDamaged:
                continue
            if number is not None or (key <= most and txn.get(key, db=log) is None):
                txn.put(number or key, value, db=self.table)

    def lose(self, txn: Txn, numbers: Iterable[bytes]) -> Changes:
        """These messages are damaged. One that nobody was handed can never be; said again, it is to be sent.

        What to `settle` once this is committed.
        """
        changes: Changes = {}
        for number in numbers:
            value = txn.get(number, db=self.table)
            if value is not None and _state_of(value) == State.QUEUED:
                txn.delete(number, db=self.table)
                self._forget_client(txn, number, value)
                changes[records.unpack_u64(number)] = None
        return changes

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

    def last(self, txn: Txn) -> int:
        """The greatest number; 0 when there is none."""
        with txn.cursor(self.table) as cursor:
            return records.unpack_u64(cursor.key()) if cursor.last() else 0

    def waiting_after(self, txn: Txn, number: int, upto: int) -> tuple[list[bytes], int | None]:
        """Numbers of some that wait, and how far was looked; None when that is as far as `upto`."""
        found: list[bytes] = []
        with txn.cursor(self.table) as cursor:
            for looked, (key, _) in enumerate(onwards(cursor, records.pack_u64(number + 1)), 1):
                at = records.unpack_u64(key)
                if at > upto:
                    break
                if self.waits(at):
                    found.append(key)
                if len(found) == STEP_WAITING or looked == STEP_LOOKED_AT:
                    return found, at
        return found, None

    def newest_first(self, txn: Txn) -> Iterator[tuple[bytes, bytes]]:
        """Numbers and undecoded records."""
        with txn.cursor(self.table) as cursor:
            if cursor.last():
                yield from cursor.iterprev()


def _state_of(value: bytes) -> State:
    """What cannot be read may wait, and is forgotten before what certainly does."""
    try:
        return _decode(value).state
    except RecordDamaged:
        return State.SENT


def rank_of(value: bytes) -> tuple[int, int]:
    """Greater when the message had come further. Raises RecordDamaged."""
    own = _decode(value)
    return int(own.state), own.confirmed


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
