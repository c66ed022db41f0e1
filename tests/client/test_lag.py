"""The median of round trips."""

from chatctl.repl.lag import median


def test_lag_is_the_median_of_what_is_known() -> None:
    assert median([]) is None
    assert median([None, None]) is None
    assert median([5.0, None, 900.0, 1.0]) == 5.0
