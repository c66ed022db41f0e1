"""Results as a table for people and as JSON for machines. Pure but for the writing."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sim.goals import FIGURES, Figure
from tests.sim.network import MEAN_DELAY_S
from tests.sim.results import Result


@dataclass(frozen=True, slots=True)
class Run:
    """One job that was done. `seconds` is how long it took from the network at rest."""

    row: str
    nodes: int
    seed: int
    seconds: float
    result: Result


@dataclass(frozen=True, slots=True)
class Line:
    """One figure at one size, over all seeds."""

    figure: Figure
    nodes: int
    values: dict[int, float]
    """By seed."""

    @property
    def median(self) -> float:
        return statistics.median(self.values.values())

    @property
    def worst(self) -> tuple[int, float]:
        """The seed that did worst, and its value."""
        choose = max if self.figure.at_most else min
        return choose(self.values.items(), key=lambda item: item[1])

    @property
    def verdict(self) -> str:
        met = self.figure.is_met(self.worst[1], self.nodes)
        if met is None:
            return ""
        if met:
            return "met"
        return "met by median" if self.figure.is_met(self.median, self.nodes) else "missed"


def lines_of(runs: Sequence[Run]) -> list[Line]:
    lines = []
    for figure in FIGURES:
        for nodes in sorted({run.nodes for run in runs}):
            values = {
                run.seed: run.result.figures[figure.name]
                for run in runs
                if (run.row, run.nodes) == (figure.row, nodes) and figure.name in run.result.figures
            }
            if values:
                lines.append(Line(figure, nodes, values))
    return lines


LEGEND = f"""
median, worst  over the seeds; `seed` is the one that did worst
verdict        met: by every seed; met by median: not by every seed; missed: not by the median either
OWD            a link's mean one-way delay, {1000 * MEAN_DELAY_S:.0f} ms
r              copies of a message after which a node sends PRUNE"""


def table(runs: Sequence[Run]) -> str:
    head = f"{'figure':<50} {'nodes':>6} {'goal':>9} {'median':>9} {'worst':>9} {'seed':>6}  verdict"
    return "\n".join([head, "-" * len(head), *map(_line, lines_of(runs)), LEGEND])


def _line(line: Line) -> str:
    figure = line.figure
    goal = figure.goal(line.nodes)
    promise = "-" if goal is None else f"{'<=' if figure.at_most else '>='} {goal:g}"
    seed, worst = line.worst
    name = f"{figure.title} [{figure.unit}]" if figure.unit else figure.title
    return (
        f"{name:<50} {line.nodes:>6} {promise:>9} {line.median:>9.{figure.digits}f}"
        f" {worst:>9.{figure.digits}f} {seed:>6}  {line.verdict or 'no goal'}"
    )


def write_json(runs: Sequence[Run], about: dict[str, object], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = [
        {
            "row": line.figure.row,
            "figure": line.figure.name,
            "nodes": line.nodes,
            "goal": line.figure.goal(line.nodes),
            "median": line.median,
            "values": line.values,
            "verdict": line.verdict,
        }
        for line in lines_of(runs)
    ]
    jobs = [
        {
            "row": run.row,
            "nodes": run.nodes,
            "seed": run.seed,
            "seconds": round(run.seconds, 2),
            "events": run.result.events,
            "trace": run.result.trace,
            "figures": run.result.figures,
            "messages_by_type": run.result.notes,
            "curves": run.result.curves,
        }
        for run in runs
    ]
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_text(json.dumps({"about": about, "figures": figures, "jobs": jobs}, indent=1) + "\n")
    unfinished.replace(path)


def read_json(path: Path) -> tuple[list[Run], dict[str, object]]:
    """What `write_json` wrote, and what it is about. Raises OSError, ValueError."""
    try:
        written = json.loads(path.read_text())
        return [_run(job) for job in written["jobs"]], dict(written["about"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} was not written by make sim: {error!r}") from error


def _run(job: dict[str, Any]) -> Run:
    curves = {name: [(x, y) for x, y in points] for name, points in job["curves"].items()}
    result = Result(job["figures"], curves, job["messages_by_type"], job["events"], job["trace"])
    return Run(job["row"], job["nodes"], job["seed"], job["seconds"], result)
