"""The kill test in small; `make faults` kills 200 times."""

from pathlib import Path

from tests.faults.killing import kill_again_and_again


async def test_what_was_acknowledged_survives_twenty_kills(tmp_path: Path) -> None:
    found = await kill_again_and_again(tmp_path / "home", 20, seed=1)
    assert found.rounds == 20
    assert found.acknowledged > 1000
    assert (found.lost, found.altered) == (0, 0)
    assert found.reports == []


async def test_daemon_that_acknowledges_before_it_commits_is_caught(tmp_path: Path) -> None:
    found = await kill_again_and_again(tmp_path / "home", 40, seed=1, hasty=True)
    assert found.lost > 0
