"""Feelers: now and then a random known address is dialled, to see whether anybody is there.

So the tables stay fresh, a newcomer gets to show that it is alive, and a split network meets again: the two
compare their histories at once, and what differs makes neighbours of them. If nothing comes of it the link
is closed as any spare one (Heilman et al. 2015, section 7).
"""

from chatcore.addressbook import AddressBook
from chatcore.clock import Now
from chatcore.config import LinkConfig
from chatcore.dialler import FEW_LINKS
from chatcore.events import Dial, FeelerDue, Output, SetTimer
from chatcore.links import Links
from chatcore.rng import Rng
from chatcore.shunned import Shunned


class Feelers:
    def __init__(
        self, config: LinkConfig, links: Links, book: AddressBook, rng: Rng, *, shunned: Shunned
    ) -> None:
        self._config = config
        self._links = links
        self._book = book
        self._rng = rng
        self._shunned = shunned

    def next_feeler(self, now: Now) -> SetTimer:
        return SetTimer(FeelerDue(), now.mono + self._config.feeler_every_s * self._rng.uniform(0.8, 1.2))

    def handle_due(self, now: Now) -> list[Output]:
        """Not while links are few, when every known address has its turn anyway, nor without a place."""
        outputs: list[Output] = [self.next_feeler(now)]
        if len(self._links) >= FEW_LINKS and not self._links.full:
            avoided = {*self._links.peer_ids, *self._shunned.peer_ids(now.mono)}
            entry = self._book.feel(now.mono, avoided)
            if entry is not None:
                outputs.append(Dial(entry.address, entry.expected))
        return outputs
