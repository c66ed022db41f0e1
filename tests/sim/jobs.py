"""Doing the jobs: one per row, number of nodes and seed, side by side on as many cores as wanted.

Jobs on the same network share its coming up: each goes on from there in a process forked off, as soon as
a core is free.
"""

import multiprocessing
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tests.sim.network import World
from tests.sim.overlay import Plan, bring_up
from tests.sim.report import Run
from tests.sim.rows import ROWS

BAR_CHARS = 30

_cores: AbstractContextManager[object] = nullcontext()
"""Held by whoever computes, in a process of the pool or forked off one."""


def _share(cores: AbstractContextManager[object]) -> None:
    global _cores  # noqa: PLW0603 - what a pool hands to its processes they can only keep here
    _cores = cores


@dataclass(frozen=True, slots=True)
class Job:
    row: str
    plan: Plan

    @property
    def network(self) -> Plan:
        return ROWS[self.row].network(self.plan)


def together(jobs: Iterable[Job]) -> list[list[Job]]:
    """The jobs by the network they are done on, the largest networks first.

    So no core is left alone with one of them at the end.
    """
    groups: dict[Plan, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.network, []).append(job)
    return sorted(groups.values(), key=lambda group: -group[0].network.nodes)


def do(group: Sequence[Job]) -> list[Run]:
    """Raises RuntimeError for a job that failed, after all have ended."""
    with _cores:
        world = bring_up(group[0].network)
    # Each waits for a core of its own, and none for the others' answers.
    started = [(job, *_start(job, world)) for job in group]
    ended = [(job, *_end(child, reading)) for job, child, reading in started]
    for job, status, _ in ended:
        if status != 0:
            raise RuntimeError(
                f"{job.row} with {job.plan.nodes} nodes, seed {job.plan.seed}, ended with {status}"
            )
    return [pickle.loads(written) for _, _, written in ended]  # noqa: S301 - our own children wrote it


def _start(job: Job, world: World) -> tuple[int, int]:
    """In a process of its own, which has the world as it is here and leaves it so; and where its answer is
    read."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with _cores:
                run = _measure(job, world)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(run, pipe)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it was: this process must not go on as its parent
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    return child, reading


def _end(child: int, reading: int) -> tuple[int, bytes]:
    with os.fdopen(reading, "rb") as pipe:
        written = pipe.read()
    return os.waitpid(child, 0)[1], written


def _measure(job: Job, world: World) -> Run:
    started = time.perf_counter()
    result = ROWS[job.row].measure(world, job.network)
    return Run(job.row, job.plan.nodes, job.plan.seed, time.perf_counter() - started, result)


def do_all(jobs: Sequence[Job], processes: int) -> Iterator[Run]:
    """As they finish."""
    show = progress(len(jobs))
    for run in _runs(together(jobs), processes):
        show(run)
        yield run


def _runs(groups: Sequence[Sequence[Job]], processes: int) -> Iterator[Run]:
    # A process per network: what one of 10,000 took is given back before the next one comes up.
    context = multiprocessing.get_context("spawn")
    cores = context.BoundedSemaphore(processes)
    with ProcessPoolExecutor(
        processes, mp_context=context, max_tasks_per_child=1, initializer=_share, initargs=(cores,)
    ) as pool:
        for future in as_completed([pool.submit(do, group) for group in groups]):
            yield from future.result()


def progress(total: int) -> Callable[[Run], None]:
    """On standard error: a bar when that is a terminal, else a line for each run with what it came to."""
    done = 0

    def show(run: Run) -> None:
        nonlocal done
        done += 1
        last = f"{run.row}, {run.nodes} nodes, seed {run.seed}: {run.seconds:.0f} s"
        if sys.stderr.isatty():
            bar = "#" * (BAR_CHARS * done // total)
            end = "\n" if done == total else ""
            print(f"\r\x1b[K[{bar:<{BAR_CHARS}}] {done}/{total} {last}", end=end, file=sys.stderr, flush=True)
        else:
            figures = " ".join(f"{name}={value:.4g}" for name, value in run.result.figures.items())
            print(f"{done}/{total} {last}; {figures}", file=sys.stderr, flush=True)

    return show
