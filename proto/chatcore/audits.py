"""Spot checks: a neighbour that announces and never delivers is asked for something we have already.

What is announced mostly comes by another road: nobody would ever notice an empty promise. Whoever delivers is
left alone: honest neighbours do, at the latest with a new author's first message. Forwards nothing.
"""

from dataclasses import dataclass

from chatcore.ids import LinkId

TRUST_S = 60.0
"""After a delivery."""

PATIENCE = 16
PATIENCE_S = 30.0
"""So many announcements over so long a time before the first question: by then an honest neighbour has mostly
delivered. Asking after 3 in 2 s cost 0.2 copies of each message (50 nodes simulated)."""

ASK_EVERY_S = 2.0
"""Of one link, until it delivers."""


@dataclass(slots=True)
class _Debt:
    """What a link has announced since it last delivered."""

    announced: int
    ask_at: float


class Audits:
    def __init__(self) -> None:
        self._trusted: dict[LinkId, float] = {}
        """Until when each link that delivered is not asked."""

        self._debts: dict[LinkId, _Debt] = {}

    def owes(self, link: LinkId, mono: float) -> bool:
        """Whether it has delivered nothing lately."""
        return self._trusted.get(link, mono) <= mono

    def handle_delivered(self, link: LinkId, mono: float) -> None:
        """Somebody else's message came over it."""
        self._trusted[link] = mono + TRUST_S
        self._debts.pop(link, None)

    def handle_announced(self, link: LinkId, mono: float) -> bool:
        """Something that is here already. Whether to ask the link for it now; that then counts."""
        if not self.owes(link, mono):
            return False
        debt = self._debts.setdefault(link, _Debt(0, mono + PATIENCE_S))
        debt.announced += 1
        if debt.announced < PATIENCE or mono < debt.ask_at:
            return False
        debt.ask_at = mono + ASK_EVERY_S
        return True

    def handle_link_gone(self, link: LinkId) -> None:
        self._trusted.pop(link, None)
        self._debts.pop(link, None)
