"""Simulated histories that were apart become one, in the time and at the price promised."""

import math

import pytest

from tests.sim.goals import FIGURES
from tests.sim.jobs import Job, do_all
from tests.sim.overlay import Plan, bring_up
from tests.sim.rows import ROWS


def assert_goals(row: str, figures: dict[str, float], nodes: int) -> None:
    for figure in FIGURES:
        if figure.row == row:
            assert figure.is_met(figures[figure.name], nodes) is not False, (figure.title, figures)


@pytest.mark.parametrize("row", ["split6", "sizes"])
def test_small_row_holds_what_it_must(row: str) -> None:
    plan = ROWS[row].network(Plan(10, 1, settle_s=20.0))
    figures = ROWS[row].measure(bring_up(plan), plan).figures
    assert_goals(row, figures, plan.nodes)
    assert all(math.isfinite(value) for value in figures.values())


@pytest.mark.parametrize("row", ["split", "kill80"])
def test_rows_of_50_nodes_hold_what_they_must(row: str) -> None:
    plan = Plan(50, 1, join_s=10.0, settle_s=30.0)
    assert_goals(row, ROWS[row].measure(bring_up(plan), plan).figures, plan.nodes)


def test_split_of_150_nodes_heals() -> None:
    (run,) = do_all([Job("split", Plan(150, 1, join_s=10.0, settle_s=20.0))], 1)
    assert run.result is not None
    assert_goals("split", run.result.figures, 150)
