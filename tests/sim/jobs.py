"""Doing the jobs: one per row, number of nodes and seed, side by side on as many cores as wanted."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from tests.sim.overlay import Plan
from tests.sim.report import Run
from tests.sim.results import NotYet
from tests.sim.rows import ROWS

BAR_CHARS = 30


@dataclass(frozen=True, slots=True)
class Job:
    row: str
    plan: Plan


def do(job: Job) -> Run:
    started = time.perf_counter()
    result, missing = None, ""
    try:
        result = ROWS[job.row](job.plan)
    except NotYet as error:
        missing = str(error)
    return Run(job.row, job.plan.nodes, job.plan.seed, time.perf_counter() - started, result, missing)


def do_all(jobs: Sequence[Job], processes: int) -> list[Run]:
    """In the order of `jobs`, whatever finished first."""
    # The longest first, so that no core is left alone with one of them at the end.
    ordered = sorted(jobs, key=lambda job: -job.plan.nodes)
    show = progress(len(jobs))
    done: dict[tuple[str, int, int], Run] = {}
    for run in _runs(ordered, processes):
        done[run.row, run.nodes, run.seed] = run
        show(run)
    return [done[job.row, job.plan.nodes, job.plan.seed] for job in jobs]


def _runs(jobs: Sequence[Job], processes: int) -> Iterator[Run]:
    if processes == 1:
        yield from map(do, jobs)
        return
    # A process per job: what a network of 10,000 took is given back before the next one comes up.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(do, job) for job in jobs]):
            yield future.result()


def progress(total: int) -> Callable[[Run], None]:
    """A bar on standard error when that is a terminal, otherwise nothing."""
    done = 0

    def show(run: Run) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            bar = "#" * (BAR_CHARS * done // total)
            last = f"{run.row}, {run.nodes} nodes, seed {run.seed}: {run.seconds:.0f} s"
            end = "\n" if done == total else ""
            print(f"\r\x1b[K[{bar:<{BAR_CHARS}}] {done}/{total} {last}", end=end, file=sys.stderr, flush=True)

    return show
