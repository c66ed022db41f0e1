"""What peers do well and badly, and who is let go of for it.

Joins scores, promises and the list of the discouraged; none knows the others. Closes no link itself.
"""

from collections.abc import Collection, Iterable

from chatcore.clock import Now
from chatcore.counters import Counters
from chatcore.discouraged import Discouraged, DiscouragedList
from chatcore.events import Output
from chatcore.ids import LinkId, PeerId
from chatcore.links import Link, Links
from chatcore.messages import Ihave, Publish
from chatcore.promises import Promises
from chatcore.score import BAR, BROKEN_PROMISE, Scores
from chatcore.shunned import Shunned


class Conduct:
    def __init__(
        self, links: Links, counters: Counters, discouraged: DiscouragedList, shunned: Shunned
    ) -> None:
        self._links = links
        self._counters = counters
        self._discouraged = discouraged
        self._shunned = shunned
        self._scores = Scores()
        self._promises = Promises(links)
        self.leaving: dict[LinkId, Link] = {}
        """Links lost just now, over which something may have come that is yet to be judged."""

    def score(self, peer_id: PeerId, mono: float) -> float:
        return self._scores.score(peer_id, mono)

    def note_asked(self, outputs: Iterable[Output], now: Now) -> None:
        self._promises.note(outputs, now.mono)

    def on_publishes(self, link: LinkId, publishes: Iterable[Publish]) -> None:
        self._promises.on_publishes(link, publishes)

    def on_ihave(self, link: LinkId, message: Ihave) -> None:
        self._promises.on_announced(link, message.ids)

    def handle_brought(self, bringers: Iterable[LinkId], now: Now) -> None:
        """They were the first with messages that are kept."""
        for of in bringers:
            link = self._links.get(of)
            if link is not None:
                self._scores.praise(link.peer_id, now.mono)
                self._promises.handle_brought(of, now.mono)

    def handle_ping_due(self, now: Now) -> Collection[Link]:
        """Whom to ping, so that we know whether they keep their promises."""
        for link in self._promises.broken():
            self._counters.promises_broken += 1
            self._counters.blamed.append((link, BROKEN_PROMISE))
        return self._promises.to_prove(now.mono)

    def handle_paused(self, link: LinkId) -> None:
        self._promises.handle_paused(link)

    def handle_link_gone(self, link: Link) -> None:
        self._promises.handle_link_gone(link.link)
        self.leaving[link.link] = link

    def judge(self, now: Now) -> list[Discouraged]:
        """All that was refused just now: whom it brings below the bar is discouraged. What to write of it."""
        blamed = self._counters.blamed[:]
        self._counters.blamed.clear()
        changes: list[Discouraged] = []
        for of, kind in blamed:
            link = self._links.get(of) or self._links.fading(of) or self.leaving.get(of)
            if link is not None:
                self._scores.blame(link.peer_id, kind, now.mono)
                if self._is_too_bad(link, now.mono):
                    changes += self._discourage(link, now)
        self.leaving.clear()
        return changes

    def _is_too_bad(self, link: Link, mono: float) -> bool:
        bad = self._scores.score(link.peer_id, mono) < BAR
        return bad and self._discouraged.find(link.peer_id, mono) is None

    def _discourage(self, link: Link, now: Now) -> list[Discouraged]:
        reason = self._scores.reason(link.peer_id)
        self._scores.forgive(link.peer_id)  # a day on, it begins anew
        self._shunned.unsettled = True
        return self._discouraged.add(link.peer_id, link.home, link.username, reason, now)
