"""A node restored from a backup says nothing before it has heard what it said after that backup was made.

Otherwise it could answer what it has answered already, under stamps that it has used already. Knows neither
links nor rooms; for now being linked with a member for a while counts as having caught up.
"""

from chatcore.clock import Now
from chatcore.events import CatchUpDue, CaughtUp, Output, SetTimer

WAIT_S = 10.0
"""After a link came up: its peer's news of us has come by then."""


class CatchUp:
    def __init__(self, *, restored: bool) -> None:
        self.waiting = restored
        self._timer_runs = False

    def handle_link_up(self, now: Now) -> list[Output]:
        return self._wait(now)

    def handle_due(self, now: Now, *, linked: bool, with_member: bool) -> list[Output]:
        self._timer_runs = False
        if with_member:
            return self.done()
        return self._wait(now) if linked else []

    def done(self) -> list[Output]:
        """Caught up, by whatever way: what was said since the backup is stored."""
        if not self.waiting:
            return []
        self.waiting = False
        return [CaughtUp()]

    def _wait(self, now: Now) -> list[Output]:
        if not self.waiting or self._timer_runs:
            return []
        self._timer_runs = True
        return [SetTimer(CatchUpDue(), now.mono + WAIT_S)]
