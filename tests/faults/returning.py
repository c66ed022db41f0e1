"""Real daemons that come back and are told of nobody: all at once, half of them elsewhere, without who showed
them the way, and after an absence in which nearly all others have moved."""

import asyncio
import math
import random
from dataclasses import dataclass
from pathlib import Path

from tests.faults.overlay import Phase, daemons_that_know_one, parts, started, stop, until_none
from tests.support.daemon import Daemon, free_port

DAEMONS = 10

BACK_WITHIN_S = 10.0
"""From the moment that the last one is ready."""


@dataclass(slots=True)
class Outcome:
    daemons: int
    formed: Phase
    all_back: Phase
    without_guide: Phase
    after_absence: Phase

    @property
    def happened(self) -> bool:
        return not math.isinf(self._slowest_s)

    @property
    def good(self) -> bool:
        return self._slowest_s <= BACK_WITHIN_S

    @property
    def _slowest_s(self) -> float:
        phases = (self.formed, self.all_back, self.without_guide, self.after_absence)
        return max(phase.took_s for phase in phases)


async def come_back(folder: Path, count: int, *, seed: int) -> Outcome:
    with daemons_that_know_one(folder, count, random.Random(seed)) as daemons:
        async with started(daemons) as members:
            formed = await until_none(lambda: parts(members), members)
        await asyncio.to_thread(stop, daemons)
        for daemon in daemons:
            forget_guide(daemon)
        for daemon in daemons[::2]:
            move(daemon)
        async with started(daemons) as members:
            all_back = await until_none(lambda: parts(members), members)
        guide, returning, absent, *others = daemons
        await asyncio.to_thread(stop, [guide, returning])
        without_guide = await back_alone(returning)
        await asyncio.to_thread(stop, [absent, *others[1:]])
        for daemon in others[1:]:
            move(daemon)
        async with started(others[1:]):
            after_absence = await back_alone(absent)
        return Outcome(count, formed, all_back, without_guide, after_absence)


async def back_alone(daemon: Daemon) -> Phase:
    """Until it has a link."""
    async with started([daemon]) as members:

        async def unlinked() -> int:
            return not await members[0].neighbours()

        return await until_none(unlinked, members)


def forget_guide(daemon: Daemon) -> None:
    if "--bootstrap" in daemon.arguments:
        del daemon.arguments[daemon.arguments.index("--bootstrap") :]


def move(daemon: Daemon) -> None:
    """To where nobody knows it."""
    daemon.arguments += ["--port", str(free_port())]
