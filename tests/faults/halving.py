"""Real daemons that each know one other; then a random half of them is killed at once."""

import math
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.faults.overlay import Phase, daemons_that_know_one, lacking, lonely, parts, started, until_none

DAEMONS = 30

FORMED_WITHIN_S = 10.0
"""From the moment that the last one is ready until all are one network."""

WHOLE_WITHIN_S = 15.0
"""From the kill until those that are left are one network."""


@dataclass(slots=True)
class Outcome:
    daemons: int
    formed: Phase
    settled: Phase
    """Then, until everybody has found a place. A single link makes two networks one already, and who knows
    nobody beyond it cannot outlive it. The design promises no time for it."""

    whole: Phase
    spread: Phase
    """From a message sent after the kill until everybody left shows it."""

    @property
    def happened(self) -> bool:
        phases = (self.formed, self.settled, self.whole, self.spread)
        return not any(math.isinf(phase.took_s) for phase in phases)

    @property
    def good(self) -> bool:
        in_time = self.formed.took_s <= FORMED_WITHIN_S and self.whole.took_s <= WHOLE_WITHIN_S
        return self.happened and in_time


async def halve(folder: Path, count: int, *, seed: int) -> Outcome:
    rng = random.Random(seed)
    with daemons_that_know_one(folder, count, rng) as daemons:
        async with started(daemons) as members:
            formed = await until_none(lambda: parts(members), members)
            settled = await until_none(lambda: lonely(members), members)
            killed = rng.sample(members, count // 2)
            left = [member for member in members if member not in killed]
            for member in killed:
                os.kill(member.pid, signal.SIGKILL)
            whole = await until_none(lambda: parts(left), left)
            await left[0].local.call("message.send", text="who is left?")
            spread = await until_none(lambda: lacking(left, "who is left?"), left)
            return Outcome(count, formed, settled, whole, spread)
