"""The mark of a store that came out of a backup: when that was made. Gone once the node has caught up."""

import contextlib
from pathlib import Path

NAME = "restored"


def read(folder: Path) -> int | None:
    """Wall time of the backup in ms; None for a store that is nobody's copy."""
    try:
        return int((folder / NAME).read_text()[:20])
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return 0  # a mark that cannot be read is one all the same


def forget(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        (folder / NAME).unlink()
