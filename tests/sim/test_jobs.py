"""Rows on one network run side by side in processes of their own, and one that is killed ends the run."""

import multiprocessing
import os
import signal

import pytest

from tests.sim import jobs
from tests.sim.jobs import Job, do
from tests.sim.network import World
from tests.sim.overlay import Plan
from tests.sim.results import Result
from tests.sim.rows import ROWS, Row

PLAN = Plan(2, 1, join_s=0.1, settle_s=0.1)


def quick(world: World, plan: Plan) -> Result:
    return Result({"nodes": float(len(world.hosts)), "process": float(os.getpid())})


def killed(world: World, plan: Plan) -> Result:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def failing(world: World, plan: Plan) -> Result:
    raise ZeroDivisionError


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_cores", multiprocessing.BoundedSemaphore(1), raising=False)
    for row in (quick, killed, failing):
        monkeypatch.setitem(ROWS, row.__name__, Row(row))


def test_rows_of_one_network_each_have_a_process() -> None:
    runs = do([Job("quick", PLAN)] * 3)
    assert [run.result.figures["nodes"] for run in runs] == [2.0] * 3
    assert len({run.result.figures["process"] for run in runs} | {float(os.getpid())}) == 4


@pytest.mark.parametrize("row", ["killed", "failing"])
def test_row_that_ends_badly_is_named_and_gives_its_core_back(row: str) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match=f"{row} with 2 nodes, seed 1, ended with "):
            do([Job(row, PLAN), Job("quick", PLAN)])
    assert len(do([Job("quick", PLAN)])) == 1
