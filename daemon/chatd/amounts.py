"""How people write for how long to keep things, and sizes: `90d`, `2GiB`. Click types for the settings."""

import re
from typing import Any

import click

DAY_MS = 86_400_000
_UNITS_MS = {"d": DAY_MS, "w": 7 * DAY_MS, "m": 30 * DAY_MS, "y": 365 * DAY_MS}
_UNITS_BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_AMOUNT = re.compile(r"([0-9]{1,6}) ?([A-Za-z]+)")


class Duration(click.ParamType):  # type: ignore[type-arg]  # older clicks are not generic
    """Milliseconds, or None for `forever`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or type(value) is int or value == "forever":
            return None if value == "forever" else value
        found = _AMOUNT.fullmatch(value)
        if found is None or found[2] not in _UNITS_MS or int(found[1]) == 0:
            self.fail(f"{value[:40]!r} is not a time: write 90d, 8w, 6m, 1y or forever", param, ctx)
        return int(found[1]) * _UNITS_MS[found[2]]


class Size(click.ParamType):  # type: ignore[type-arg]  # as above
    """Bytes, or None for `unlimited`."""

    name = "size"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or type(value) is int or value == "unlimited":
            return None if value == "unlimited" else value
        found = _AMOUNT.fullmatch(value)
        if found is None or found[2] not in _UNITS_BYTES:
            self.fail(f"{value[:40]!r} is not a size: write 500MiB, 2GiB or unlimited", param, ctx)
        size = int(found[1]) * _UNITS_BYTES[found[2]]
        if not self._least <= size <= 2**40:
            self.fail(f"{value!r} is not in the range {self._least >> 20}MiB to 1TiB", param, ctx)
        return size
