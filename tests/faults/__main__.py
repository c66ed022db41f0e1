"""`make faults`: kills, damaged stores, split and halved networks and who is present, on real daemons.

Exits with 1 for a mark missed.
"""

import argparse
import asyncio
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.faults.halving import DAEMONS as HALVED
from tests.faults.halving import halve
from tests.faults.killing import kill_again_and_again
from tests.faults.missing import DAEMONS as PRESENT
from tests.faults.missing import RUN_S, watch_presence
from tests.faults.returning import DAEMONS as RETURNING
from tests.faults.returning import come_back
from tests.faults.splitting import A_SIDE, DAEMONS, EQUAL_WITHIN_S, Outcome, split_and_heal
from tests.faults.spoiling import spoil_again_and_again
from tests.support.faultproxy import Split

KILLS = 200
HASTY_KILLS = 50
SPOILED = 180
EACH_SAYS = 200

Check = tuple[str, str, bool]
"""What was tried, what came of it, and whether it may be so."""


def kills(folder: Path, runs: int | None, seed: int) -> list[Check]:
    found = asyncio.run(kill_again_and_again(folder / "killed", runs or KILLS, seed=seed))
    hasty = asyncio.run(kill_again_and_again(folder / "hasty", HASTY_KILLS, seed=seed, hasty=True))
    return [
        (
            f"kill -9 under load, {found.rounds} times",
            (
                f"{found.acknowledged} acknowledged, {found.lost} lost, {found.altered} altered, "
                f"slowest start {found.slowest_start_s:.1f} s"
            ),
            found.lost == found.altered == 0 and not found.reports,
        ),
        (
            "the same, acknowledged before the commit",
            f"{hasty.lost} lost, found by kill {hasty.rounds}",
            hasty.lost > 0,
        ),
    ]


def spoiled(folder: Path, runs: int | None, seed: int) -> list[Check]:
    found = spoil_again_and_again(folder, runs or SPOILED, seed=seed)
    return [
        (
            f"store damaged, {found.cases} times",
            (
                f"{found.served} served, {found.quarantined} quarantined, {found.refused} refused; "
                f"{found.altered} altered, {found.silent} without a reason"
            ),
            found.altered == found.silent == 0,
        )
    ]


def splits(folder: Path, runs: int | None, seed: int) -> list[Check]:
    def healed(name: str, kind: Split, each_says: int, *, unrepaired: bool = False) -> Outcome:
        return asyncio.run(split_and_heal(folder / name, kind, each_says, seed=seed, unrepaired=unrepaired))

    each = runs or EACH_SAYS
    checks = [
        _after_split(
            f"split in two, {A_SIDE * each} messages a side, {kind.value}", healed(kind.name, kind, each)
        )
        for kind in Split
    ]
    # Few messages might all be pushed.
    unrepaired = healed("unrepaired", Split.CLOSED, EACH_SAYS, unrepaired=True)
    return [*checks, ("the same, histories never compared", f"{unrepaired.lost} lost", unrepaired.lost > 0)]


def _after_split(what: str, found: Outcome) -> Check:
    equal = "histories differ" if math.isinf(found.equal_s) else f"{DAEMONS} equal histories"
    outcome = (
        f"{equal} {min(found.equal_s, EQUAL_WITHIN_S):.1f} s after {found.apart_s:.0f} s apart; "
        f"{found.lost} lost, {found.duplicates} duplicates, "
        f"{found.copies:.2f} copies, {found.repaired:.0%} by repair"
    )
    return what, outcome, found.good


def presence(folder: Path, runs: int | None, seed: int) -> list[Check]:
    del seed  # nothing in it is drawn
    found = asyncio.run(watch_presence(folder, runs or PRESENT))
    return [
        (
            f"{found.daemons} daemons present for {RUN_S:.0f} s",
            (
                f"{found.missed} alive missed; killed: off the rosters after {min(found.lost_s):.1f} to "
                f"{max(found.lost_s):.1f} s; stopped: after {max(found.left_s):.2f} s; "
                f"a latecomer knows all {found.known_s:.2f} s after it is ready"
            ),
            found.good,
        )
    ]


def halves(folder: Path, runs: int | None, seed: int) -> list[Check]:
    found = asyncio.run(halve(folder, runs or HALVED, seed=seed))
    return [
        (
            f"{found.daemons} daemons that knew one other each, half of them killed",
            (
                f"one network {found.formed} after the last was ready; "
                f"four neighbours each {found.settled} later; "
                f"what was left was one again after {found.whole}; "
                f"a message reached all of it in {found.spread}"
            ),
            found.good,
        )
    ]


def returns(folder: Path, runs: int | None, seed: int) -> list[Check]:
    found = asyncio.run(come_back(folder, runs or RETURNING, seed=seed))
    return [
        (
            f"{found.daemons} daemons come back and are told of nobody",
            (
                f"all at once: one network after {found.all_back}; who showed one the way gone: linked after "
                f"{found.without_guide}; all but one other moved during an absence: {found.after_absence}"
            ),
            found.good,
        )
    ]


PARTS: dict[str, Callable[[Path, int | None, int], list[Check]]] = {
    "kills": kills,
    "spoiled": spoiled,
    "splits": splits,
    "halves": halves,
    "returns": returns,
    "presence": presence,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {', '.join(PARTS)} (default: all)")
    parser.add_argument(
        "--runs",
        type=int,
        help="instead of the full number: of messages of an author (splits), of daemons (from halves on)",
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(unknown)}")
    passed = True
    for name in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="chatd-faults-") as folder:
            for what, outcome, right in PARTS[name](Path(folder), arguments.runs, arguments.seed):
                print(f"{'ok    ' if right else 'FAILED'}  {what}: {outcome}", flush=True)
                passed = passed and right
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
