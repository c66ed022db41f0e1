"""A halved network in small; `make faults` has thirty daemons, and says how long it took."""

from pathlib import Path

from tests.faults.halving import halve

DAEMONS = 8


async def test_network_of_nodes_that_knew_one_other_each_outlives_half_of_them(tmp_path: Path) -> None:
    found = await halve(tmp_path, DAEMONS, seed=1)

    assert found.happened, found
