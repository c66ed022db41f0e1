"""`make sim`: the gossip's promises, measured on simulated networks of real nodes.

Prints the table, writes build/sim.json and, where matplotlib is there, the plots in docs/img.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chatcore.config import GossipConfig, LinkConfig
from tests.sim.goals import TABLE_NODES
from tests.sim.jobs import Job, do_all
from tests.sim.overlay import Plan
from tests.sim.plots import draw
from tests.sim.report import table, write_json
from tests.sim.rows import ROWS

OUTPUT = Path("build/sim.json")
IMAGES = Path("docs/img")
SEEDS = (1, 2, 3, 4, 5)

FAULT_MOST_NODES = 500
"""Rows with faults are measured up to here unless they are asked for by name."""

QUIET_ROWS = ("spread", "lean")
SMALL_ROWS = ("forged",)
"""Worlds of their own, whatever the number of nodes: done once for each seed."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"some of: {', '.join(ROWS)} (default: all)")
    parser.add_argument("--nodes", type=int, nargs="+", default=list(TABLE_NODES), metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), metavar="SEED")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side")
    parser.add_argument("--ttl", type=int, default=GossipConfig().ttl)
    parser.add_argument("--fanout", type=int, default=GossipConfig().fanout)
    parser.add_argument("--max-peers", type=int, default=LinkConfig().max_peers)
    parser.add_argument("--settle", type=float, default=60.0, metavar="S", help="before anything is said")
    parser.add_argument("--json", type=Path, default=OUTPUT)
    parser.add_argument("--images", type=Path, default=IMAGES)
    parser.add_argument("--no-plots", action="store_true")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        parser.error(f"unknown row {', '.join(sorted(unknown))}")
    if min(*arguments.nodes, 10) < 10 or arguments.jobs < 1:
        parser.error("a network has at least 10 nodes, and somebody must do the work")
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


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    started = time.perf_counter()
    runs = do_all(jobs_of(arguments), arguments.jobs)
    print(table(runs))
    about: dict[str, object] = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "seconds": round(time.perf_counter() - started, 1),
        "ttl": arguments.ttl,
        "fanout": arguments.fanout,
        "max_peers": arguments.max_peers,
    }
    write_json(runs, about, arguments.json)
    print(f"\n{about['seconds']} s; all of it in {arguments.json}")
    if not arguments.no_plots:
        drawn = draw(runs, arguments.images)
        print(f"plots in {arguments.images}" if drawn else "no plots: matplotlib is not installed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
