"""The experiment itself, small."""

from pathlib import Path

from tests.faults.returning import come_back


async def test_daemons_find_back_though_half_of_them_have_moved(tmp_path: Path) -> None:
    outcome = await come_back(tmp_path, 6, seed=1)

    assert outcome.happened
