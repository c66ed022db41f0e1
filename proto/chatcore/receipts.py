"""To authors we are linked with: that their messages are on our disk, gathered for a moment.

Asked only after the commit returned. The link is authenticated, so a receipt needs no signature.
"""

from collections.abc import Iterable
from functools import lru_cache

from chatcore.envelopes import Envelope
from chatcore.events import Output, Priority, ReceiptDue, Send, SetTimer
from chatcore.identity import peer_id_of
from chatcore.ids import PeerId
from chatcore.links import Links
from chatcore.messages import MAX_SHORT_IDS, Receipt
from chatcore.recent import ShortId, short_id

GATHER_S = 0.05
"""A busy author gets a few receipts a second and not one a message; a waiting one hardly notices."""

_author = lru_cache(maxsize=4096)(peer_id_of)


class Receipts:
    def __init__(self, links: Links) -> None:
        self._links = links
        self._owed: dict[PeerId, dict[ShortId, None]] = {}

    def note(self, stored: Iterable[Envelope], mono: float) -> list[Output]:
        """They are on disk."""
        idle = not self._owed
        for envelope in stored:
            author = _author(envelope.author)
            link = self._links.to(author)
            if link is not None and envelope.room in link.rooms and envelope.durable:
                # At most one message's worth a moment; beyond, the author may push it again.
                owed = self._owed.setdefault(author, {})
                if len(owed) < MAX_SHORT_IDS:
                    owed[short_id(envelope.id)] = None
        return [SetTimer(ReceiptDue(), mono + GATHER_S)] if idle and self._owed else []

    def handle_due(self) -> list[Output]:
        owed, self._owed = self._owed, {}
        found = [(self._links.to(author), shorts) for author, shorts in owed.items()]
        return [
            Send((link.link,), Receipt(tuple(shorts)), Priority.LIVE)
            for link, shorts in found
            if link is not None
        ]


def is_author(key: bytes, peer: PeerId) -> bool:
    return _author(key) == peer
