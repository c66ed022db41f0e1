"""Which addresses the node knows, for its next start: a record for each, by address.

Not made from the log: nobody else remembers where peers have answered.
"""

from collections.abc import Iterable

from chatcore.errors import Malformed
from chatcore.ids import PeerId
from chatcore.records import KnownAddress, open_record
from chatcore.wire import pack, unpack_array
from chatd.store import records
from chatd.store.batches import Batch
from chatd.store.damage import DamageLog
from chatd.store.lmdbtypes import Environment, Table, Txn
from chatd.store.records import RecordDamaged

MAX_ADDRESSES = 8192
"""More than the node's tables hold, so nothing need make way here; what is beyond is not read."""

_FIELDS = 5


class AddressTable:
    """`addresses`: an address to what is known of it."""

    table: Table

    def open(self, env: Environment, txn: Txn) -> None:
        """Made where it is missing: such a store knows none."""
        self.table = env.open_db(b"addresses", txn=txn, create=True)

    def put(self, txn: Txn, batches: Iterable[Batch]) -> None:
        for batch in batches:
            for address in batch.forgotten:
                txn.delete(address.encode(), db=self.table)
            for known in batch.addresses:
                txn.put(known.address.encode(), _encode(known), db=self.table)

    def read(self, txn: Txn, damage: DamageLog) -> list[KnownAddress]:
        found: list[KnownAddress] = []
        with txn.cursor(self.table) as cursor:
            for key, value in cursor:
                if len(found) == MAX_ADDRESSES:
                    break
                try:
                    found.append(_decode(key, value))
                except RecordDamaged as error:
                    damage.add(key, error.why)
        return found


def _encode(known: KnownAddress) -> bytes:
    signed = b"" if known.record is None else known.record.signed
    return records.seal(pack([known.peer_id, signed, known.source, int(known.tried), int(known.anchor)]))


def _decode(key: bytes, value: bytes) -> KnownAddress:
    """Raises RecordDamaged."""
    try:
        peer_id, signed, source, tried, anchor = unpack_array(records.unseal(value))[:_FIELDS]
        record = open_record(signed) if signed else None
        return KnownAddress(key.decode(), PeerId(peer_id), record, bytes(source), bool(tried), bool(anchor))
    except (Malformed, ValueError, TypeError) as error:
        raise RecordDamaged("not an address") from error
