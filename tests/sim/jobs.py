"""Doing the jobs: one per row, number of nodes and seed, side by side on as many cores as wanted.

Jobs on the same network share its coming up: each goes on from there in a process forked off, as soon as
a core is free.
"""

import multiprocessing
import os
import pickle
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.synchronize import BoundedSemaphore
from typing import BinaryIO

from tests.sim.network import World
from tests.sim.overlay import Plan, bring_up
from tests.sim.report import Run
from tests.sim.rows import ROWS

BAR_CHARS = 30

LOOK_S = 0.05
"""Between two looks whether a core has become free, or a job has ended."""

_cores: BoundedSemaphore
"""One for each process that may compute at a time; what a process of the pool got when it started."""


def _share(cores: BoundedSemaphore) -> None:
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
    """Raises RuntimeError for a job that failed; no other is begun then."""
    with _cores:
        world = bring_up(group[0].network)
    waiting, children, runs = deque(group), dict[int, tuple[Job, BinaryIO]](), list[Run]()
    failed: list[str] = []
    while children or (waiting and not failed):
        # Taken and given back here, for the child: who is killed gives nothing back.
        if waiting and not failed and _cores.acquire(timeout=LOOK_S):
            job = waiting.popleft()
            answer: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has ended
            children[_start(job, world, answer)] = job, answer
        if not children:
            continue
        child, status = os.waitpid(-1, os.WNOHANG if waiting and not failed else 0)
        if child:
            _cores.release()
            job, answer = children.pop(child)
            with answer:
                if status == 0:
                    answer.seek(0)
                    runs.append(pickle.load(answer))  # noqa: S301 - our own child wrote it
                else:
                    failed.append(
                        f"{job.row} with {job.plan.nodes} nodes, seed {job.plan.seed}, ended with {status}"
                    )
    if failed:
        raise RuntimeError("; ".join(failed))
    return runs


def _start(job: Job, world: World, answer: BinaryIO) -> int:
    """In a process of its own, which has the world as it is here and leaves it so; its id."""
    child = os.fork()
    if child:
        return child
    try:
        pickle.dump(_measure(job, world), answer)
        answer.flush()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - whatever it was: this process must not go on as its parent
        traceback.print_exc()
        os._exit(1)


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
