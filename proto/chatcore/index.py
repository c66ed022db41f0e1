"""The ports through which the core may look at what is stored; it never writes through them.

LMDB stands behind them in the daemon, a set in tests.
"""

from collections.abc import Sequence
from typing import Protocol

from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, RoomId
from chatcore.own import OwnMessage


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


class OwnLog(Protocol):
    """What became of our own messages, the last of them at least."""

    def own(self, message_id: MessageId) -> OwnMessage | None: ...

    def own_by_client(self, room: RoomId, client_id: str) -> OwnMessage | None: ...

    def own_waiting(self, most: int) -> list[tuple[OwnMessage, Envelope]]:
        """The last `most` that nobody has confirmed, oldest first."""
        ...


class NoOwnLog:
    """Of a node that keeps nothing."""

    def own(self, _: MessageId) -> OwnMessage | None:
        return None

    def own_by_client(self, _: RoomId, __: str) -> OwnMessage | None:
        return None

    def own_waiting(self, _: int) -> list[tuple[OwnMessage, Envelope]]:
        return []
