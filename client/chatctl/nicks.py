"""What each identity is called on this screen: its name, with a piece of its key where that is not enough."""

import unicodedata

from chatctl.safetext import clean_line

SUFFIX_CHARS = 4
SHORT_CHARS = 10
MAX_NAMES = 4096

_FRAME = frozenset("~:<>#*[]()")
"""Characters that frame a line of ours; a name that holds one might pass for more than a name."""


class Nicks:
    """`ann`; once another key is called so too, `ann~k3f9` for each of them.

    A name that could imitate such a label, or the rest of a line, always shows its key.
    """

    def __init__(self) -> None:
        self._owners: dict[str, set[str]] = {}

    def observe(self, peer_id: str, username: str) -> None:
        name = folded(clean_line(username))
        if name not in self._owners and len(self._owners) >= MAX_NAMES:
            self._owners.clear()  # a flood of names costs their history, not our memory
        owners = self._owners.setdefault(name, set())
        if len(owners) < 2:
            owners.add(peer_id)

    def label(self, peer_id: str, username: str, alias: str | None = None) -> str:
        """One clean line, never empty. The owner's own name for somebody stands behind a star.

        Nobody can pass for it: a nick with a star in it shows its key, and no alias has a `~`.
        """
        self.observe(peer_id, username)
        if alias and (given := clean_line(alias)):
            return f"*{given}"
        name = clean_line(username)
        if not name:
            return clean_line(peer_id)[:SHORT_CHARS] or "?"
        if len(self._owners[folded(name)]) > 1 or not _FRAME.isdisjoint(name):
            return f"{name}~{clean_line(peer_id)[:SUFFIX_CHARS]}"
        return name


def folded(name: str) -> str:
    """Names that are the same to a reader are the same here."""
    return unicodedata.normalize("NFKC", name).casefold()
