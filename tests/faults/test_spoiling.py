"""Damaged stores in small; `make faults` tries 180."""

from pathlib import Path

from tests.faults.spoiling import spoil_again_and_again


def test_damaged_stores_are_never_served_altered(tmp_path: Path) -> None:
    found = spoil_again_and_again(tmp_path, 12, seed=2)
    assert found.cases == 12
    assert (found.altered, found.silent) == (0, 0)
    assert found.served + found.quarantined + found.refused == 12
    assert found.quarantined > 0
