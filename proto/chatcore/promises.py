"""Which announced messages we asked a link for, and whether they came over it.

A promise is broken only when the peer has answered a ping sent `PROMISE_S` after our question. TCP keeps
order, so it has had the question: neither silence nor a dead path nor a stalled process passes for a lie.
Nor does a narrow link, on which other messages go before what we asked for.
"""

from collections.abc import Iterable

from chatcore.events import Output, Send
from chatcore.ids import LinkId
from chatcore.links import Link, Links
from chatcore.messages import Graft, Publish
from chatcore.recent import ShortId, short_id

PROMISE_S = 3.0
"""What gossipsub gives an IWANT to be followed up (go-libp2p-pubsub, GossipSubIWantFollowupTime)."""

PATIENCE_S = 60.0
"""The same while other messages come: what a link may have queued, 1 MiB, takes so long at 140 kbit/s."""

EXCUSES = 4
"""Promises that one message that came excuses: a queue of 1 MiB that is full turns away no more than that for
each message that leaves it."""

MAX_PROMISES = 256
"""Open ones of one link; beyond, they are not followed up."""


class Promises:
    def __init__(self, links: Links) -> None:
        self._links = links
        self._open: dict[LinkId, dict[ShortId, float]] = {}
        """When each was asked for, on the monotonic clock."""

        self._brought: dict[LinkId, float] = {}
        """When a link with open ones last was the first to bring a message."""

        self._excuses: dict[LinkId, int] = {}
        """How many may still be announced again instead of kept."""

        self._proving: dict[LinkId, float] = {}
        """When the ping was sent whose answer proves that the question arrived."""

    def note(self, outputs: Iterable[Output], mono: float) -> None:
        """What we send: each Graft asks for a promise to be kept."""
        for output in outputs:
            if isinstance(output, Send) and isinstance(output.message, Graft):
                for link in output.links:
                    promised = self._open.setdefault(link, {})
                    for short in output.message.ids[: MAX_PROMISES - len(promised)]:
                        promised.setdefault(ShortId(short), mono)

    def on_publishes(self, link: LinkId, publishes: Iterable[Publish]) -> None:
        """Whatever becomes of them here, they came."""
        if link in self._open:
            self._close(link, [short_id(publish.id) for publish in publishes])

    def handle_brought(self, link: LinkId, mono: float) -> None:
        """A message that is kept, and nobody had brought before: its messages come, if slowly."""
        if link in self._open:
            self._brought[link] = mono
            self._excuses[link] = min(MAX_PROMISES, self._excuses.get(link, 0) + EXCUSES)

    def on_announced(self, link: LinkId, shorts: Iterable[bytes]) -> None:
        """Once more, after we asked. With others coming meanwhile it had no place on the link for them."""
        promised, brought = self._open.get(link), self._brought.get(link)
        if promised is None or brought is None:
            return
        again = [short for short in map(ShortId, shorts) if promised.get(short, brought) < brought]
        excused = again[: self._excuses.get(link, 0)]
        self._excuses[link] = self._excuses.get(link, 0) - len(excused)
        self._close(link, excused)

    def _close(self, link: LinkId, shorts: Iterable[ShortId]) -> None:
        promised = self._open[link]
        for short in shorts:
            promised.pop(short, None)
        if not promised:
            self.handle_link_gone(link)

    def broken(self) -> list[LinkId]:
        """The links that broke one, once for each."""
        found: list[LinkId] = []
        for of, since in list(self._proving.items()):
            link = self._links.get(of)
            if link is None or link.answered < since:
                continue
            del self._proving[of]
            promised, brought = self._open[of], self._brought.get(of, 0.0)
            overdue = [short for short, asked in promised.items() if _is_overdue(asked, brought, since)]
            found += [of] * len(overdue)
            self._close(of, overdue)
        return found

    def to_prove(self, mono: float) -> list[Link]:
        """Links to ping now, for the proof that our question has arrived."""
        found: list[Link] = []
        for of, promised in self._open.items():
            link = self._links.get(of)
            overdue = min(promised.values()) <= mono - PROMISE_S
            if link is not None and overdue and of not in self._proving:
                self._proving[of] = mono
                found.append(link)
        return found

    def handle_paused(self, link: LinkId) -> None:
        """We did not read what it sent, and so it may have had to leave something out."""
        self.handle_link_gone(link)

    def handle_link_gone(self, link: LinkId) -> None:
        self._open.pop(link, None)
        self._brought.pop(link, None)
        self._excuses.pop(link, None)
        self._proving.pop(link, None)


def _is_overdue(asked: float, brought: float, mono: float) -> bool:
    return max(asked, brought) <= mono - PROMISE_S or asked <= mono - PATIENCE_S
