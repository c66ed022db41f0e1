"""Whether anything in a damaged data file could be saved: asked before a salvage, and by a look.

Stops at the first thing that is whole; only a file without any is read to its end.
"""

from pathlib import Path

from chatd.store import records
from chatd.store.batches import StoreUnusable
from chatd.store.faults import DAMAGED_HINT
from chatd.store.pages import Node, PageFile
from chatd.store.records import RecordDamaged
from chatd.store.strays import place
from chatd.store.tables import SCHEMA, SCHEMA_KEY, sealed_number


def refuse_hopeless(folder: Path, data: Path, why: str) -> None:
    """Raises StoreUnusable where nothing of the damaged `data` can be saved by us, or OSError."""
    with data.open("rb") as file:
        pages = PageFile(file)
        refuse_newer(folder, schema_of(pages))
        if not has_remains(pages):
            raise hopeless(folder, why)


def hopeless(folder: Path, why: str) -> StoreUnusable:
    return StoreUnusable(folder, f"it is damaged, and nothing in it can be read ({why})", DAMAGED_HINT)


def refuse_newer(folder: Path, schema: int | None) -> None:
    if schema is not None and schema > SCHEMA:
        why = f"it is damaged, and was written by a newer chatd (schema {schema})"
        raise StoreUnusable(folder, why, "update chatd")


def schema_of(pages: PageFile) -> int | None:
    """None where the file no longer says."""
    tree = pages.tables().get(b"meta")
    if tree is None:
        return None
    nodes = (node for page in pages.leaves(tree.root) for node in pages.leaf(page))
    sealed = next((node.value for node in nodes if node.key == SCHEMA_KEY), None)
    try:
        return sealed_number(sealed)
    except RecordDamaged:
        return None


def has_remains(pages: PageFile) -> bool:
    """A message, a room, a pin, somebody known, or what became of a message of ours."""
    return any(_is_worth_saving(node) for number in range(pages.count) for node in pages.leaf(number))


def _is_worth_saving(node: Node) -> bool:
    found = place(node)
    if found is not None:
        return found[0] != "meta"
    if len(node.key) != records.U64_BYTES:
        return False
    try:
        _, envelope = records.decode_record(node.value)
    except RecordDamaged:
        return False
    return envelope.is_signed()
