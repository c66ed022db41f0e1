"""A look at a store that nobody has open, which changes nothing: could a daemon open it?

What touches LMDB's pages runs in a process of its own, `python -m chatd.store.look FOLDER`, as a damaged one
kills the process that touches it.
"""

import sys
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

import lmdb

from chatd.store import child, marks, readiness, tables
from chatd.store.batches import StoreUnusable
from chatd.store.child import KilledByDamage, say
from chatd.store.faults import DAMAGED_HINT, describe, refusing
from chatd.store.folder import DATA_FILE, check_data_file, refuse_folder, refuse_unwritable
from chatd.store.migrate import schema_of
from chatd.store.pages import PageFile
from chatd.store.records import RecordDamaged
from chatd.store.remains import has_remains, refuse_hopeless


class State(Enum):
    NONE = auto()
    """Nothing is there yet."""

    SOUND = auto()
    OLDER = auto()
    """A start migrates it first."""

    UNCLEAN = auto()
    """A start looks it over first."""

    DAMAGED = auto()
    """A start moves it aside and saves what is whole in it."""


class Look(NamedTuple):
    state: State
    why: str = ""


def look_at(folder: Path) -> Look:
    """Raises StoreUnusable where a start would do so, too."""
    data = folder / DATA_FILE
    with refusing(folder):
        refuse_folder(folder)
        refuse_unwritable(folder)
        marks.refuse_bereft(folder)
        if not data.exists() or data.stat().st_size == 0:
            return Look(State.NONE)
        clean = marks.is_clean(folder)
        try:
            check_data_file(folder)
            schema = _schema(folder)
        except StoreUnusable:
            why = None if clean else _damage(folder)
            if why is None:
                raise
            refuse_hopeless(folder, data, why)
            return Look(State.DAMAGED, why)
        if schema is not None:
            tables.refuse_newer(folder, schema)
        if clean:
            return Look(State.OLDER if schema is not None and schema < tables.SCHEMA else State.SOUND)
        if not _has_remains(data) and (why := _damage(folder)) is not None:
            refuse_hopeless(folder, data, why)
        return Look(State.UNCLEAN)


def _has_remains(data: Path) -> bool:
    """Where nothing is whole a closer look is due: a start may refuse it."""
    with data.open("rb") as file:
        return has_remains(PageFile(file))


def _damage(folder: Path) -> str | None:
    """In the words of a start."""
    return readiness.damage_of(folder, lambda *_: None)[0]


def _schema(folder: Path) -> int | None:
    try:
        found = child.run(folder, "chatd.store.look", folder, event="", tell=lambda *_: None)
    except KilledByDamage as error:
        raise StoreUnusable(folder, str(error), DAMAGED_HINT) from error
    schema: int | None = found.get("schema")
    return schema


if __name__ == "__main__":
    try:
        say(schema=schema_of(Path(sys.argv[1])))
    except (OSError, lmdb.Error) as error:
        say(error=describe(error))
    except RecordDamaged as error:
        say(error=error.why)
