"""Who turns up under a name that somebody else was known by. Knows names and keys, over many chats."""

from chatctl.nicks import folded
from chatctl.repl.memory import MAX_KEYS_A_NAME, MAX_NAMES
from chatctl.safetext import clean_line


class Namesakes:
    """`known`: the keys of each folded name, the first one first; it is kept up to date in place."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        self._known = known

    def meet(self, peer_id: str, username: str) -> str | None:
        """The key that had this name before, the first time that another comes with it.

        Beyond MAX_KEYS_A_NAME keys of one name a further one is no surprise.
        """
        name = folded(clean_line(username))
        keys = self._known.pop(name, [])
        self._known[name] = keys  # at the end: used last
        if len(self._known) > MAX_NAMES:
            del self._known[next(iter(self._known))]
        if peer_id in keys or len(keys) >= MAX_KEYS_A_NAME:
            return None
        keys.append(peer_id)
        return keys[0] if len(keys) > 1 else None
