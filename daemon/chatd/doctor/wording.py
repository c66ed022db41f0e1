"""Numbers as people say them."""

_SIZES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_SPANS = (("d", 172_800, 86_400), ("h", 3_300, 3_600), ("min", 90, 60))
"""The unit, from how many seconds on it is used, and its seconds: 59 min and some are an hour to people."""


def size(amount: int) -> str:
    for unit, least in _SIZES:
        if amount >= least:
            return f"{_short(amount / least)} {unit}"
    return f"{amount} B"


def span(seconds: float) -> str:
    for unit, least, worth in _SPANS:
        if seconds >= least:
            return f"{_short(seconds / worth)} {unit}"
    return f"{_short(seconds)} s"


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")


def count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"
