"""What is kept about people: whom the owner named or blocked, and whom their score keeps away for now.

Not made from the log: it stands nowhere else. The core says what goes when there is too much of it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from chatcore.discouraged import Discouraged
from chatcore.errors import Malformed
from chatcore.ids import PeerId
from chatcore.people import Person
from chatcore.wire import pack, unpack_array
from chatd.store import records
from chatd.store.damage import DamageLog
from chatd.store.lmdbtypes import Environment, Table, Txn
from chatd.store.records import RecordDamaged

_PERSON_FIELDS = 3
_DISCOURAGED_FIELDS = 4


class AcquaintanceTables:
    """`people` and `discouraged`: the peer id to a record."""

    people: Table
    discouraged: Table

    def open(self, env: Environment, txn: Txn) -> None:
        """Made where they are missing: an older store has none."""
        self.people = env.open_db(b"people", txn=txn, create=True)
        self.discouraged = env.open_db(b"discouraged", txn=txn, create=True)

    def put(self, txn: Txn, people: Iterable[Person], discouraged: Iterable[Discouraged]) -> None:
        for person in people:
            if person.settled:
                txn.put(person.peer_id, _encode_person(person), db=self.people)
            else:
                txn.delete(person.peer_id, db=self.people)
        for record in discouraged:
            if record.until_ms:
                txn.put(record.peer_id, _encode_discouraged(record), db=self.discouraged)
            else:
                txn.delete(record.peer_id, db=self.discouraged)

    def all_people(self, txn: Txn, damage: DamageLog) -> list[Person]:
        return [
            Person(peer_id, alias, blocked, username)
            for peer_id, (alias, blocked, username) in _read(txn, self.people, _PERSON_FIELDS, damage)
            if (type(alias), type(blocked), type(username)) == (str, bool, str)
        ]

    def all_discouraged(self, txn: Txn, damage: DamageLog) -> list[Discouraged]:
        return [
            Discouraged(peer_id, address, username, reason, until_ms)
            for peer_id, (address, username, reason, until_ms) in _read(
                txn, self.discouraged, _DISCOURAGED_FIELDS, damage
            )
            if (type(address), type(username), type(reason), type(until_ms)) == (str, str, str, int)
        ]


def _encode_person(person: Person) -> bytes:
    return records.seal(pack([person.alias, person.blocked, person.username]))


def _encode_discouraged(record: Discouraged) -> bytes:
    return records.seal(pack([record.address, record.username, record.reason, record.until_ms]))


def _read(txn: Txn, table: Table, count: int, damage: DamageLog) -> Iterator[tuple[PeerId, list[Any]]]:
    """Fields of a newer version, behind these, are ignored."""
    with txn.cursor(table) as cursor:
        for key, value in cursor:
            try:
                peer_id, fields = PeerId(key), unpack_array(records.unseal(value))
            except (RecordDamaged, Malformed, ValueError) as error:
                damage.add(key, str(error))
                continue
            if len(fields) >= count:
                yield peer_id, fields[:count]
            else:
                damage.add(key, "a record without its fields")
