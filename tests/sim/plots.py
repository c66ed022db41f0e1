"""The pictures: delivery over time, copies, hops, and how a network gets over a massacre."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.sim.report import Run
from tests.sim.results import mean

Curve = list[tuple[float, float]]

OVER_TIME = ("seconds since it was said", "% have it")
AFTER_KILL = ("said so many seconds after the kill", "% of survivors have it within 1 s")


def draw(runs: Sequence[Run], folder: Path) -> list[Path]:
    """The files written; none when matplotlib is not there or nothing was measured that has a picture."""
    if find_spec("matplotlib") is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [
        _lines(runs, folder / "sim-delivery.png", ["spread"], "delivery", OVER_TIME),
        _bars(runs, folder / "sim-copies.png", "copies", "copies received of one message"),
        _bars(runs, folder / "sim-hops.png", "hops", "links travelled by the first copy"),
        _lines(runs, folder / "sim-recovery.png", ["kill30", "kill50"], "recovery", AFTER_KILL),
    ]
    return [path for path in pictures if path is not None]


def averaged(runs: Sequence[Run], row: str, curve: str) -> dict[int, Curve]:
    """By number of nodes, over all seeds: the mean at every place where any seed has a value."""
    found: dict[int, Curve] = {}
    for nodes in sorted({run.nodes for run in runs}):
        curves = [
            run.result.curves[curve]
            for run in runs
            if (run.row, run.nodes) == (row, nodes) and run.result is not None and curve in run.result.curves
        ]
        if curves:
            places = sorted({round(place, 3) for item in curves for place, _ in item})
            by_place = [{round(place, 3): value for place, value in item} for item in curves]
            found[nodes] = [(place, mean([item.get(place, 0.0) for item in by_place])) for place in places]
    return found


def _axes(labels: tuple[str, str]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - only `make sim` installs it

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _lines(
    runs: Sequence[Run], path: Path, rows: Sequence[str], curve: str, labels: tuple[str, str]
) -> Path | None:
    figure, axes = _axes(labels)
    for row in rows:
        for nodes, points in averaged(runs, row, curve).items():
            label = f"{nodes:,} nodes" if len(rows) == 1 else f"{row}, {nodes:,} nodes"
            axes.plot([place for place, _ in points], [value for _, value in points], label=label)
    return _save(figure, axes, path)


def _bars(runs: Sequence[Run], path: Path, curve: str, label: str) -> Path | None:
    figure, axes = _axes((label, "% of nodes"))
    sizes = averaged(runs, "spread", curve)
    width = 0.8 / max(1, len(sizes))
    for number, (nodes, points) in enumerate(sizes.items()):
        offset = (number - (len(sizes) - 1) / 2) * width
        places = [place + offset for place, _ in points]
        axes.bar(places, [value for _, value in points], width=width, label=f"{nodes:,} nodes")
    return _save(figure, axes, path)


def _save(figure: Any, axes: Any, path: Path) -> Path | None:
    if not axes.get_legend_handles_labels()[0]:
        return None
    axes.legend()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path
