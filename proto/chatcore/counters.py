"""What a node has counted since it started. Messages are durable ones; presence is counted apart."""

from collections import Counter, deque
from dataclasses import dataclass, field

from chatcore.errors import RemoteError
from chatcore.ids import LinkId

LATELY_S = 3600.0
"""What came before is no cause of what is so now."""

MAX_LATELY = 64
"""Of one kind, remembered with their times; the oldest go first."""


@dataclass(slots=True)
class Counters:
    sent: int = 0
    """Messages of our own that were stored."""

    received: int = 0
    """Messages of others that were new and are stored."""

    duplicate: int = 0
    """Copies of messages already held or under way."""

    returned: int = 0
    """Of these copies, those of our own messages."""

    forwarded: int = 0
    """Copies handed on to neighbours, our own included."""

    grafts: int = 0
    """Messages we asked an announcer for."""

    prunes: int = 0
    """Times we asked a neighbour to stop pushing an author."""

    fetched: int = 0
    """Messages that came only because we asked."""

    promises_broken: int = 0
    """Messages announced to us and not sent, though the ping behind our question was answered."""

    repairs: int = 0
    """Times we compared our history of a room with a peer's."""

    repaired: int = 0
    """Messages that came by repair: new and stored."""

    repairs_failed: int = 0
    """Of the repairs, those ended because the peer's answers did not come, or did not fit."""

    refused: Counter[str] = field(default_factory=Counter)
    """What peers and strangers sent that was not taken, by the kind of the error."""

    blamed: list[tuple[LinkId, str]] = field(default_factory=list)
    """Over which link something came that was refused, and its kind, until somebody takes note."""

    times: dict[str, deque[float]] = field(default_factory=dict)
    """When things came that the owner may do something about, by their kind."""

    def note(self, kind: str, mono: float) -> None:
        """Beside being counted: it may be a cause while it goes on, and no longer."""
        self.times.setdefault(kind, deque(maxlen=MAX_LATELY)).append(mono)

    def lately(self, kind: str, mono: float) -> int:
        return sum(mono - at <= LATELY_S for at in self.times.get(kind, ()))

    def refuse(self, error: RemoteError, link: LinkId | None = None) -> None:
        """Only what the other side did wrong counts."""
        if error.fault:
            self.blame(link, error.kind)

    def blame(self, link: LinkId | None, kind: str) -> None:
        """Something was not taken. None when it came over no link, or over nobody's fault."""
        self.refused[kind] += 1
        if link is not None:
            self.blamed.append((link, kind))
