"""A damaged data file is moved aside with an explanation, and what is whole in it becomes the new one.

At every moment the folder holds either the damaged file or the salvaged one, under the name LMDB opens.
"""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from chatd.store import child
from chatd.store.batches import StoreUnusable
from chatd.store.child import Tell
from chatd.store.faults import DAMAGED_HINT, describe
from chatd.store.folder import DATA_FILE, FOLDER_MODE, sync_folder
from chatd.store.remains import hopeless, refuse_hopeless

PREFIX = "quarantine-"
STAGING = "salvage.tmp"

_README = """\
chatd found its store damaged on {when}:

  {why}

The damaged file is data.mdb in this folder. {messages} messages whose checksum and signature hold were copied
from it into a new store, and chatd runs on that one. What could not be read is not in it.
{strays}
What to do:
- See whether the disk is failing (dmesg, smartctl) before you trust it again.
- If you have a backup that holds more, stop chatd, and restore it into an empty home: chatctl restore FILE
- When you miss nothing, remove this folder. `chatctl status` names it for as long as it is there.
"""


_STRAYS = """
The tables {names} could not be found whole; what was in them was gathered from the pages
that are left. Some of it may be missing, and what was changed or taken away lately (a pin, a block, a room
that was left) may be back. Look at: chatctl pins, chatctl blocked, chatctl rooms.
"""


@dataclass(frozen=True, slots=True)
class Quarantine:
    folder: Path
    why: str
    messages: int


def quarantine(folder: Path, why: str, tell: Tell) -> Quarantine:
    """Raises StoreUnusable when nothing can be saved; then the folder is as it was."""
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    try:
        refuse_hopeless(folder, folder / DATA_FILE, why)
        staging.mkdir(mode=FOLDER_MODE)
        result = child.run(
            folder, "chatd.store.salvage", folder / DATA_FILE, staging, event="store_salvaging", tell=tell
        )
        if not result.get("messages") and not result.get("others"):
            raise hopeless(folder, why)
        return _exchange(folder, staging, why, result["messages"], result["strays"])
    except child.KilledByDamage as error:
        raise StoreUnusable(folder, f"it is damaged ({why}), and {error}", DAMAGED_HINT) from error
    except OSError as error:
        raise StoreUnusable(folder, f"it is damaged ({why}): {describe(error)}", "free disk space") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _exchange(folder: Path, staging: Path, why: str, messages: int, strays: list[str]) -> Quarantine:
    aside = _make_folder(folder)
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    gathered = _STRAYS.format(names=", ".join(strays)) if strays else ""
    (aside / "README").write_text(_README.format(when=when, why=why, messages=messages, strays=gathered))
    try:
        os.link(folder / DATA_FILE, aside / DATA_FILE)
    except OSError:  # a file system without hard links
        shutil.copyfile(folder / DATA_FILE, aside / DATA_FILE)
    sync_folder(aside)
    sync_folder(folder)
    (staging / DATA_FILE).rename(folder / DATA_FILE)
    sync_folder(folder)
    return Quarantine(aside, why, messages)


def _make_folder(folder: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        aside = folder / f"{PREFIX}{stamp}{suffix}"
        try:
            aside.mkdir(mode=FOLDER_MODE)
        except FileExistsError:
            continue
        return aside
    raise FileExistsError(f"{folder}/{PREFIX}{stamp}")


def found(folder: Path) -> list[Path]:
    """What was moved aside and not been removed since."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(PREFIX) and path.is_dir())
    except OSError:
        return []
