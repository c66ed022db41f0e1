"""Medians and spread, as a table for people and JSON for machines. Pure but for the writing."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `goal` is what the design is built for; `at_most` says on which side of it good lies."""

    name: str
    unit: str
    values: tuple[float, ...]
    goal: float | None = None
    at_most: bool = True

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def meets(self) -> bool | None:
        if self.goal is None:
            return None
        return self.median <= self.goal if self.at_most else self.median >= self.goal


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(rows: Sequence[Row], *, headed: bool = True) -> str:
    lines = [f"{'figure':<60} {'median':>10} {'least':>10} {'most':>10} {'goal':>10}"] if headed else []
    for row in rows:
        goal = "" if row.goal is None else f"{'<=' if row.at_most else '>='} {row.goal:g}"
        verdict = {True: "met", False: "missed", None: ""}[row.meets]
        name = f"{row.name}, {row.unit}"
        figures = "".join(f" {value:>10.2f}" for value in (row.median, min(row.values), max(row.values)))
        lines.append(f"{name:<60}{figures} {goal:>10} {verdict}")
    return "\n".join(lines)


def write_json(rows: Sequence[Row], machine: dict[str, object], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = [{**asdict(row), "median": row.median, "meets_goal": row.meets} for row in rows]
    path.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")
