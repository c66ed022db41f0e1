"""A node restored from a backup says nothing before it has heard what it said after that backup was made.

Otherwise it could answer what it has answered already, under stamps that it has used already. Is told how
comparisons with members went and in which rooms there are any; does not compare, and knows no links.
"""

from collections.abc import Collection, Mapping

from chatcore.clock import Now
from chatcore.errors import NotCaughtUp
from chatcore.events import CatchUpDue, CaughtUp, Output, SetTimer
from chatcore.ids import RoomId

SETTLE_S = 5.0
"""After the first member that had nothing for us: it may have been away as well, or be in one room of ours
only, and by then others are linked. Where nobody of a room is linked, members are found in less."""


class CatchUp:
    """The rule: the wait ends `SETTLE_S` after a comparison first found nothing of our own that we lack, if
    then, in every room where a member is linked, such a finding stands; otherwise as soon as that is so.

    Rooms where nobody is linked do not hold it: most likely nobody is there, and whoever is found later is
    compared with like on any other node. With nobody linked at all it goes on. A comparison that brought
    something of our own takes back what an earlier one said of its room, as that was with somebody who lacked
    it too. What others said takes nothing back: a single member that always has something more could hold the
    wait for ever. One that was promised what did not come, or was left unfinished, says nothing either way.
    """

    def __init__(self, *, restored: bool) -> None:
        self.waiting = restored
        self.noted = False
        """A comparison has ended, until somebody looks what that comes to."""

        self._whole: set[RoomId] = set()
        """Rooms in which somebody was found to have nothing of our own that we lack, and nobody since to have
        something."""

        self._settled_at: float | None = None

    def note_whole(self, room: RoomId) -> None:
        """A linked member has nothing of our own in this room that we lack; all else that it has came."""
        self._whole.add(room)
        self.noted = self.waiting

    def note_behind(self, room: RoomId) -> None:
        """A linked member has brought something of our own that we lacked."""
        self._whole.discard(room)

    def handle_noted(self, linked: Collection[RoomId], now: Now) -> list[Output]:
        """`linked`: rooms of ours in which a member is linked."""
        self.noted = False
        if not self.waiting or not self._whole:
            return []
        if self._settled_at is None:
            self._settled_at = now.mono + SETTLE_S
            return [SetTimer(CatchUpDue(), self._settled_at)]
        if now.mono < self._settled_at or not linked or not self._whole.issuperset(linked):
            return []
        return self.done()

    def handle_due(self, linked: Collection[RoomId], now: Now) -> list[Output]:
        """Again and again, as it is not told of members that go."""
        outputs = self.handle_noted(linked, now)
        return [*outputs, SetTimer(CatchUpDue(), now.mono + SETTLE_S)] if self.waiting else outputs

    def done(self) -> list[Output]:
        """Caught up, by whatever way: what was said since the backup is stored."""
        if not self.waiting:
            return []
        self.waiting = False
        return [CaughtUp()]

    def refusal(self, linked: Mapping[RoomId, str]) -> NotCaughtUp:
        """Says what is missing still. `linked` as above, with the rooms' names."""
        if not linked:
            return NotCaughtUp("nobody in its rooms is linked", linked=False)
        behind = sorted(name for room, name in linked.items() if room not in self._whole)
        if behind:
            return NotCaughtUp(
                f"it is still comparing its history of #{behind[0]} with a member's", linked=True
            )
        return NotCaughtUp("it looks for a few seconds whether another member has more", linked=True)
