"""The port through which the core may look at history; it never writes through it.

LMDB stands behind it in the daemon, a set in tests.
"""

from collections.abc import Sequence
from typing import Protocol

from chatcore.ids import MessageId, RoomId


class Index(Protocol):
    def known(self, ids: Sequence[MessageId]) -> set[MessageId]:
        """Those of `ids` that are stored."""
        ...

    def known_short(self, shorts: Sequence[bytes]) -> set[bytes]:
        """Those of `shorts` that some stored message's id begins with."""
        ...

    def floor(self, room: RoomId) -> int:
        """The least stamp that is kept in `room`: what is older has been removed, and must not come back."""
        ...
