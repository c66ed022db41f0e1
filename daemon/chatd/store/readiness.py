"""Before the store is opened: after an unclean end it is looked over, and an older schema is migrated.

The caller holds the lock that keeps a second daemon away.
"""

import time
from pathlib import Path

from chatd.store import child, marks
from chatd.store.batches import StoreUnusable
from chatd.store.child import KilledByDamage, Tell
from chatd.store.faults import refusing
from chatd.store.folder import DATA_FILE
from chatd.store.migrate import drop_old, migrate
from chatd.store.quarantine import quarantine


def make_ready(folder: Path, tell: Tell) -> list[int]:
    """Nothing to do for a store that was closed cleanly, and was touched by nobody since.

    The numbers of messages whose checksum is wrong, which `Store.open` takes out.

    Raises:
        StoreUnusable: it is gone or damaged beyond saving, or cannot be read; the folder is as it was.
    """
    with refusing(folder):
        data = folder / DATA_FILE
        marks.refuse_bereft(folder)
        if not data.exists() or data.stat().st_size == 0:
            return []
        clean = marks.take(folder)  # before LMDB maps anything, or a damaged page would kill every start
        try:
            damaged = [] if clean else _look_over(folder, tell)
            if not migrate(folder, tell) and clean:
                drop_old(folder)
        except Exception:
            if clean:
                marks.leave(folder)
            raise
    return damaged


def _look_over(folder: Path, tell: Tell) -> list[int]:
    tell("store_check", {"why": "it was not closed cleanly", "bytes": (folder / DATA_FILE).stat().st_size})
    why, damaged = damage_of(folder, tell)
    if why is None:
        return damaged
    tell("store_damaged", {"why": why})
    saved = quarantine(folder, why, tell)
    tell(
        "store_quarantined",
        {
            "why": why,
            "messages_saved": saved.messages,
            "quarantine": str(saved.folder),
            "hint": f"read {saved.folder / 'README'}",
        },
    )
    return []


def damage_of(folder: Path, tell: Tell) -> tuple[str | None, list[int]]:
    """What is wrong with the file's structure; None when the daemon may open it, and mend these messages."""
    started = time.monotonic()
    try:
        result = child.run(folder, "chatd.store.check", folder / DATA_FILE, event="store_checking", tell=tell)
    except KilledByDamage as error:
        return str(error), []
    if "damaged" in result:
        more = result["problems"] - 1
        return str(result["damaged"]) + (f", and {more} more" if more else ""), []
    if not result.get("done"):
        raise StoreUnusable(folder, "looking it over ended before it was done", "start again")
    seconds = round(time.monotonic() - started, 3)
    tell(
        "store_checked",
        {"messages": result["records"], "damaged": len(result["damaged_records"]), "seconds": seconds},
    )
    return None, list(result["damaged_records"])
