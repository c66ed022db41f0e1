"""`make bench`: every figure we claim, measured on real daemons; a table here, JSON in build/bench.json."""

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.bench import footprint, history, latency, newcomer, startup, throughput
from tests.bench.report import Row, percentile, table, write_json

RUNS = 5
OUTPUT = Path("build/bench.json")


def throughput_rows(folder: Path, runs: int) -> list[Row]:
    results = throughput.measure(folder, runs)
    return [
        Row("socket to subscriber", "messages/s", tuple(result.per_second for result in results)),
        Row("bare PyNaCl verify", "messages/s", tuple(result.bare_per_second for result in results)),
        Row(
            "socket to subscriber",
            "% of bare verify",
            tuple(100 * result.share for result in results),
            goal=80,
            at_most=False,
        ),
    ]


def latency_rows(folder: Path, runs: int) -> list[Row]:
    alone, beside_deaf = (
        [[1000 * seconds for seconds in run] for run in found] for found in latency.measure(folder, runs)
    )

    def row(name: str, found: list[list[float]], share: float, goal: float | None = None) -> Row:
        return Row(name, "ms", tuple(percentile(run, share) for run in found), goal=goal)

    return [
        row("send on A to event on B, p50", alone, 0.50, goal=2),
        row("send on A to event on B, p99", alone, 0.99),
        row(f"the same beside {latency.DEAF} that never read, p50", beside_deaf, 0.50),
        row(f"the same beside {latency.DEAF} that never read, p99", beside_deaf, 0.99),
    ]


def footprint_rows(folder: Path, runs: int) -> list[Row]:
    return [
        Row("idle daemon, resident", "MiB", tuple(footprint.memory_mib(folder, runs)), goal=60),
        Row("8 quiet peers", "% of a core", tuple(footprint.quiet_cpu(folder, runs)), goal=0.3),
    ]


def startup_rows(folder: Path, runs: int) -> list[Row]:
    overhead = [1000 * seconds for seconds in startup.chatctl_over_python_s(folder, runs)]
    prompt = [1000 * seconds for seconds in startup.chat_prompt_s(folder, runs)]
    return [
        Row("start to ready", "s", tuple(startup.ready_s(folder, runs)), goal=0.5),
        Row("chatctl peers over python -c pass", "ms", tuple(overhead), goal=120),
        Row("chat's prompt", "ms", tuple(prompt), goal=400),
    ]


def history_rows(folder: Path, runs: int, count: int = history.SMALL) -> list[Row]:
    found = history.measure(folder, count, runs)
    size = f"of {count:,}"

    def ms(name: str, took: list[list[float]], share: float, goal: float | None = None) -> Row:
        return Row(f"{size}: {name}", "ms", tuple(1000 * percentile(run, share) for run in took), goal)

    searches = [run.searches for run in found.runs]
    return [
        ms("two words, p50", searches, 0.50),
        ms("two words, p99", searches, 0.99, goal=50),
        ms("two frequent words, p99", [run.frequent for run in found.runs], 0.99, goal=50),
        ms("two never together, p99", [run.apart for run in found.runs], 0.99, goal=50),
        ms("a word and a prefix, p99", [run.prefixes for run in found.runs], 0.99),
        *(
            ms(f"page at {100 * depth:g}% depth, p50", [run.pages[depth] for run in found.runs], 0.50)
            for depth in history.DEPTHS
        ),
        Row(f"{size}: search index", "bytes/message", (found.index_bytes,)),
        Row("search index catching up", "messages/s", (found.index_per_second,)),
    ]


def large_history_rows(folder: Path, runs: int) -> list[Row]:
    return history_rows(folder, runs, history.LARGE)


def newcomer_rows(folder: Path, runs: int, count: int = newcomer.SMALL) -> list[Row]:
    starters: list[tuple[str, ...]] = [()]
    if count == newcomer.SMALL and shutil.which(newcomer.SET_BACK[0]):
        starters.append(newcomer.SET_BACK)
    found, *others = newcomer.measure(folder, count, runs, starters)
    size = f"newcomer to {count:,}"

    def p99(name: str, took: list[list[float]], goal: float | None = None) -> Row:
        return Row(f"{size}: {name}, p99", "ms", tuple(1000 * percentile(run, 0.99) for run in took), goal)

    return [
        Row(f"{size}: newest 50", "s", tuple(run.newest_s for run in found), goal=1),
        Row(f"{size}: all", "s", tuple(run.all_s for run in found)),
        Row(f"{size}: all", "messages/s", tuple(run.per_second for run in found)),
        Row(f"{size}: all", "% of bare verify", tuple(100 * run.share for run in found)),
        p99("members' latency before", [run.before for run in found]),
        p99("members' latency meanwhile", [run.during for run in found], goal=20),
        *[
            p99("latency meanwhile, newcomer set back", [run.during for run in other], goal=20)
            for other in others
        ],
        p99("latency to the newcomer", [run.at_newcomer for run in found]),
        Row(f"{size}: live messages lost", "messages", tuple(run.lost for run in found), goal=0),
    ]


def large_newcomer_rows(folder: Path, runs: int) -> list[Row]:
    return newcomer_rows(folder, runs, newcomer.LARGE)


PARTS = {
    "throughput": throughput_rows,
    "latency": latency_rows,
    "footprint": footprint_rows,
    "startup": startup_rows,
    "history": history_rows,
    "newcomer": newcomer_rows,
}
LARGE_PARTS = {"history-large": large_history_rows, "newcomer-large": large_newcomer_rows}
"""Only when asked for by name: a million messages take minutes."""


def main() -> None:
    parts = {**PARTS, **LARGE_PARTS}
    names = ", ".join(parts)
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {names} (default: all but the large ones)")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs a figure (default {RUNS})")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(parts)
    if unknown or arguments.runs < 1:
        parser.error(f"unknown part {', '.join(unknown)}" if unknown else "--runs must be at least 1")
    signal.signal(signal.SIGTERM, _end)
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    rows: list[Row] = []
    for name in arguments.parts or PARTS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="chatd-bench-") as folder:
            found = parts[name](Path(folder), arguments.runs)
        print(table(found, headed=not rows), flush=True)
        rows += found
        # After each part: whoever ends a long run has what was measured until then.
        write_json(rows, {**machine, "load_1min": os.getloadavg()[0], "runs": arguments.runs}, OUTPUT)
    print(f"\n{arguments.runs} runs a figure; all values in {OUTPUT}")


def _end(number: int, _: object) -> None:
    """As Ctrl-C does: the daemons end with us."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
