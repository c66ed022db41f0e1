"""Figures, verdicts and pictures from results made up by hand."""

import json
from pathlib import Path

import pytest

from chatcore.envelopes import Chat, seal
from chatcore.identity import Identity
from chatcore.messages import Publish
from tests.sim.__main__ import jobs_of, main, parse
from tests.sim.attackers import LOBBY
from tests.sim.goals import FIGURES, Figure
from tests.sim.measure import Spread, percentile, spread_of
from tests.sim.overlay import components, eccentricity_s
from tests.sim.plots import averaged, draw
from tests.sim.report import Line, Run, lines_of, read_json, table
from tests.sim.results import Result, histogram
from tests.sim.rows import ROWS
from tests.sim.tally import Tally, Trail

GRAPH = [[(1, 1.0), (2, 5.0)], [(0, 1.0), (2, 1.5)], [(1, 1.5), (0, 5.0)], [(4, 1.0)], [(3, 1.0)]]


def trail() -> Trail:
    """Said by host 0 at 10 s; host 3 never got it."""
    made = Trail(b"id", 0, 10.0, 4, 16)  # type: ignore[arg-type]  # any bytes will do
    for host, (at, copies, hops) in enumerate([(10.0, 3, 2), (10.2, 1, 1), (10.1, 2, 2), (-1.0, 0, 0)]):
        made.times[host], made.copies[host], made.hops[host] = at, copies, hops
    return made


def test_spread_leaves_out_the_author_and_those_who_do_not_count() -> None:
    whole = spread_of(trail(), range(4))
    assert whole.delivered == pytest.approx(2 / 3)
    assert whole.times == pytest.approx((0.1, 0.2))
    assert whole.last_s == pytest.approx(0.2)
    assert (whole.copies, whole.hops) == (1.0, (1, 2))
    assert whole.within(0.15) == pytest.approx(1 / 3)
    assert spread_of(trail(), [0, 1, 2]).delivered == 1.0


def test_copy_fetched_by_comparing_histories_is_one_and_has_travelled_no_hops() -> None:
    tally = Tally()
    envelope = seal(Identity(bytes(32)), LOBBY, 1, "ann", Chat("hi"))
    tally.trails[envelope.id] = found = Trail(envelope.id, 0, 10.0, 3, 16)
    tally.received(Publish.of(envelope, 0), 1, spread=False)
    tally.received(Publish.of(envelope, 15), 1, spread=True)
    tally.received(Publish.of(envelope, 14), 2, spread=True)
    assert (list(found.copies), list(found.hops)) == ([0, 2, 1], [0, 0, 3])
    assert spread_of(found, range(3)).hops == (3,)


def test_newcomer_does_not_count_for_what_was_said_before() -> None:
    assert spread_of(trail(), range(9)).delivered == spread_of(trail(), range(4)).delivered


def test_percentile_takes_the_one_that_so_many_do_not_exceed() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (
        51.0,
        100.0,
        100.0,
    )
    assert percentile([], 0.5) == float("inf")


def test_shortest_path_may_go_round() -> None:
    assert eccentricity_s(GRAPH, 0) == 2.5


def test_components_come_largest_first() -> None:
    assert components(GRAPH, range(5)) == [3, 2]
    assert components(GRAPH, [0, 2, 3]) == [2, 1]


@pytest.mark.parametrize(("nodes", "goal"), [(20, 3.0), (50, 3.0), (51, 4.0), (500, 4.0), (9_999, 4.0)])
def test_goal_is_that_of_the_next_size_named(nodes: int, goal: float) -> None:
    assert Figure("row", "name", "title", goals={50: 3.0, 500: 4.0}).goal(nodes) == goal


@pytest.mark.parametrize(
    ("values", "at_most", "verdict"),
    [
        ((1.0, 2.0, 3.0), True, "met"),
        ((1.0, 2.0, 4.0), True, "met by median"),
        ((1.0, 4.0, 4.0), True, "missed"),
        ((3.0, 4.0, 5.0), False, "met"),
        ((2.0, 4.0, 5.0), False, "met by median"),
        ((2.0, 2.0, 5.0), False, "missed"),
    ],
)
def test_verdict_judges_the_worst_seed(values: tuple[float, ...], at_most: bool, verdict: str) -> None:
    figure = Figure("row", "name", "title", goals={50: 3.0}, at_most=at_most)
    assert Line(figure, 50, dict(enumerate(values))).verdict == verdict


def made_up() -> list[Run]:
    curves = {
        "delivery": [(0.0, 0.0), (0.1, 100.0)],
        "copies": [(2.0, 100.0)],
        "hops": [(1.0, 50.0), (2.0, 50.0)],
    }
    return [
        Run("spread", 50, seed, 1.5, Result({"copies_known": 2.0 + seed / 10}, curves, {}, 1000, "00"))
        for seed in (1, 2)
    ]


def test_table_names_the_worst_seed() -> None:
    (line,) = lines_of(made_up())
    assert line.median == pytest.approx(2.15)
    assert line.worst == (2, 2.2)
    text = table(made_up())
    (row,) = [line for line in text.splitlines() if line.startswith("copies per node, known author, r=2")]
    assert row.endswith("missed")


def test_table_says_of_every_figure_what_is_promised_and_whether_it_holds() -> None:
    runs = [
        Run("spread", 50, 7, 1.0, Result({"delivered": 100.0, "last_owd": 3.3, "p50_ms": 52.4})),
        Run("spread", 50, 8, 1.0, Result({"delivered": 100.0, "last_owd": 3.1, "p50_ms": 51.4})),
        Run("spread", 50, 9, 1.0, Result({"delivered": 100.0, "last_owd": 3.0, "p50_ms": 50.4})),
    ]
    head, _, *rest = table(runs).splitlines()
    assert head.split() == ["figure", "nodes", "goal", "median", "worst", "seed", "verdict"]
    assert [line.partition("]")[2].split() for line in rest[:3]] == [
        ["50", ">=", "100", "100.000", "100.000", "7", "met"],
        ["50", "<=", "3.2", "3.10", "3.30", "7", "met", "by", "median"],
        ["50", "-", "51", "52", "7", "no", "goal"],
    ]
    assert "30 ms" in "".join(rest[3:])  # what an OWD is


def test_curves_are_averaged_over_seeds() -> None:
    assert averaged(made_up(), "spread", "hops") == {50: [(1.0, 50.0), (2.0, 50.0)]}
    assert averaged(made_up(), "kill30", "recovery") == {}


def test_histogram_is_in_percent() -> None:
    assert histogram([2, 2, 2, 3]) == [(2.0, 75.0), (3.0, 25.0)]


def test_pictures_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    drawn = draw(made_up(), tmp_path)
    assert [path.name for path in drawn] == ["sim-delivery.png", "sim-copies.png", "sim-hops.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_every_figure_belongs_to_a_row() -> None:
    assert {figure.row for figure in FIGURES} <= set(ROWS)
    assert len({(figure.row, figure.name) for figure in FIGURES}) == len(FIGURES)


def test_every_row_size_and_seed_is_a_job_but_faults_stop_at_500() -> None:
    jobs = jobs_of(parse(["--nodes", "50", "10000", "--seeds", "3", "4", "--ttl", "6"]))
    assert len(jobs) == 2 * (len(ROWS) + 2)
    assert {job.plan.gossip.ttl for job in jobs} == {6}
    assert {job.plan.nodes for job in jobs if job.row == "kill30"} == {50}
    asked = jobs_of(parse(["kill30", "--nodes", "10000", "--seeds", "1"]))
    assert [(job.row, job.plan.nodes) for job in asked] == [("kill30", 10_000)]


def test_small_run_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "build" / "sim.json"
    argv = ["spread", "drop20", "--nodes", "12", "--seeds", "1", "--jobs", "1", "--settle", "5", "--no-plots"]
    status = main([*argv, "--json", str(output)])
    printed = capsys.readouterr().out
    assert "copies per node, unknown author" in printed
    verdicts = [line.split("  ")[-1].strip() for line in printed.splitlines() if " 12 " in line]
    assert status == ("missed" in verdicts)  # after so little rest some goals are
    written = json.loads(output.read_text())
    assert [job["row"] for job in written["jobs"]] == ["spread", "drop20"]
    assert written["jobs"][0]["events"] > 0


def test_broken_off_run_goes_on_and_runs_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, whole = tmp_path / "begun.json", tmp_path / "whole.json"
    argv = ["--nodes", "12", "--seeds", "1", "--jobs", "1", "--settle", "5", "--no-plots"]
    main(["spread", *argv, "--json", str(begun)])
    written = json.loads(begun.read_text())
    written["jobs"][0]["figures"]["delivered"] = 12.5  # as if it had been another network
    begun.write_text(json.dumps(written))
    capsys.readouterr()
    assert main(["spread", "lean", *argv, "--json", str(whole), "--resume", str(begun)]) == 1
    printed = capsys.readouterr()
    assert "12.500" in printed.out
    assert "1/1 lean" in printed.err
    again, about = read_json(whole)
    assert [(run.row, run.nodes, run.seed) for run in again] == [("spread", 12, 1), ("lean", 12, 1)]
    assert again[0].result.curves == read_json(begun)[0][0].result.curves
    assert about["settle"] == 5.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("{", "Expecting"),
        ('{"jobs": [{}]}', "was not written by make sim"),
        ('{"jobs": [], "about": {"ttl": 3}}', "was measured with ttl 3, not 16"),
    ],
)
def test_figures_that_do_not_belong_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, says: str
) -> None:
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text)
    assert main(["spread", "--nodes", "12", "--resume", str(path)]) == 2
    assert says in capsys.readouterr().err


def test_spread_of_nobody_is_not_delivered() -> None:
    assert Spread(0.0, (), 0.0, (), ()).last_s == float("inf")
