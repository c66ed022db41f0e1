"""A split network in small; `make faults` has a thousand messages a side, and daemons that do not repair."""

from pathlib import Path

import pytest

from tests.faults.splitting import A_SIDE, split_and_heal
from tests.support.faultproxy import Split

EACH_SAYS = 40


@pytest.mark.parametrize("kind", Split)
async def test_halves_of_a_split_network_have_equal_histories_once_joined(
    kind: Split, tmp_path: Path
) -> None:
    found = await split_and_heal(tmp_path, kind, EACH_SAYS, seed=1)
    assert found.said == 2 * A_SIDE * EACH_SAYS
    assert found.good, found
