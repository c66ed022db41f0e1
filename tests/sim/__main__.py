"""`make sim`: the gossip's promises, measured on simulated networks of real nodes.

Prints the table, writes build/sim.json and, where matplotlib is there, the plots in docs/img. Fails when a
goal is missed. The file is written after every run, and with --resume one that was broken off goes on.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from chatcore.config import GossipConfig, LinkConfig
from chatd.settings import MAX_FANOUT, MAX_PEERS, MAX_TTL
from tests.sim.goals import TABLE_NODES
from tests.sim.jobs import Job, do_all
from tests.sim.overlay import Plan
from tests.sim.plots import draw
from tests.sim.report import Run, lines_of, read_json, table, write_json
from tests.sim.rows import ROWS

OUTPUT = Path("build/sim.json")
IMAGES = Path("docs/img")
SEEDS = (1, 2, 3, 4, 5)

FAULT_MOST_NODES = 500
"""Rows with faults are measured up to here unless they are asked for by name."""

QUIET_ROWS = ("spread", "lean")
SMALL_ROWS = ("forged", "poison", "split6", "sizes", "presence", "crowd")
"""Worlds of their own, or long: done once for each seed, with the least number of nodes."""


def _between(least: float, most: float, kind: Callable[[str], float]) -> Callable[[str], float]:
    """For argparse: a number within bounds, or a line that says what they are."""

    def parse(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not {least:g} to {most:g}")
        return value

    return parse


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make sim",
        description=f'{__doc__} In make, arguments stand in ARGS="...". docs/gossip.md explains the rows.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    whole = partial(_between, kind=int)
    gossip, link = GossipConfig(), LinkConfig()
    parser.add_argument("rows", nargs="*", help=f"some of: {', '.join(ROWS)}; all when none is named")
    parser.add_argument(
        "--nodes", type=whole(10, 100_000), nargs="+", default=list(TABLE_NODES), metavar="N", help="sizes"
    )
    parser.add_argument(
        "--seeds", type=whole(0, 2**32), nargs="+", default=list(SEEDS), metavar="N", help="one network each"
    )
    parser.add_argument(
        "--jobs", type=whole(1, 1024), default=os.cpu_count() or 1, metavar="N", help="processes side by side"
    )
    parser.add_argument("--ttl", type=whole(1, MAX_TTL), default=gossip.ttl, metavar="N", help="hop budget")
    parser.add_argument(
        "--fanout", type=whole(1, MAX_FANOUT), default=gossip.fanout, metavar="N", help="neighbours to aim at"
    )
    parser.add_argument(
        "--max-peers", type=whole(1, MAX_PEERS), default=link.max_peers, metavar="N", help="links in all"
    )
    parser.add_argument(
        "--settle",
        type=_between(0, 86_400, float),
        default=60.0,
        metavar="S",
        help="seconds of rest",
    )
    parser.add_argument("--json", type=Path, default=OUTPUT, metavar="FILE", help="where all figures go")
    parser.add_argument(
        "--resume", type=Path, nargs="+", default=[], metavar="FILE", help="earlier figures, not run again"
    )
    parser.add_argument("--images", type=Path, default=IMAGES, metavar="DIR", help="where plots go")
    parser.add_argument("--no-plots", action="store_true", help="draw none")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        parser.error(f"unknown row {', '.join(sorted(unknown))}; there are: {', '.join(ROWS)}")
    arguments.seeds = list(dict.fromkeys(arguments.seeds))
    return arguments


def jobs_of(arguments: argparse.Namespace) -> list[Job]:
    gossip = replace(GossipConfig(), ttl=arguments.ttl, fanout=arguments.fanout)
    link = replace(LinkConfig(), max_peers=arguments.max_peers)
    return [
        Job(row, Plan(nodes, seed, gossip=gossip, link=link, settle_s=arguments.settle))
        for row in arguments.rows or ROWS
        for nodes in (arguments.nodes if row not in SMALL_ROWS else [min(arguments.nodes)])
        if arguments.rows or row in QUIET_ROWS or nodes <= FAULT_MOST_NODES
        for seed in arguments.seeds
    ]


def _about(arguments: argparse.Namespace) -> dict[str, object]:
    """What figures must share to stand in one table."""
    named = ("ttl", "fanout", "max_peers", "settle")
    return {name: getattr(arguments, name) for name in named}


def resumed(arguments: argparse.Namespace) -> list[Run]:
    """Raises OSError, ValueError."""
    runs = {}
    for path in arguments.resume:
        known, about = read_json(path)
        for name, value in _about(arguments).items():
            if about.get(name) != value:
                raise ValueError(f"{path} was measured with {name} {about.get(name)}, not {value}")
        runs.update({(run.row, run.nodes, run.seed): run for run in known})
    return list(runs.values())


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    try:
        runs = resumed(arguments)
    except (OSError, ValueError) as error:
        print(f"make sim: {error}", file=sys.stderr)
        return 2
    known = {(run.row, run.nodes, run.seed) for run in runs}
    jobs = [job for job in jobs_of(arguments) if (job.row, job.plan.nodes, job.plan.seed) not in known]
    machine = {"python": platform.python_version(), "cores": os.cpu_count()}
    started = time.perf_counter()
    for run in do_all(jobs, arguments.jobs):
        runs.append(run)
        write_json(runs, {**machine, **_about(arguments)}, arguments.json)
    print(table(runs))
    print(f"\n{time.perf_counter() - started:.1f} s; all of it in {arguments.json}")
    if not arguments.no_plots:
        drawn = draw(runs, arguments.images)
        print(f"plots in {arguments.images}" if drawn else "no plots: matplotlib is not installed")
    missed = sum(line.verdict not in {"met", ""} for line in lines_of(runs))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
