"""The port through which chance comes in: the system's in the daemon, a seeded `random.Random` in tests."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Rng(Protocol):
    """The part of `random.Random` that the core uses."""

    def random(self) -> float: ...

    def uniform(self, a: float, b: float) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...

    def sample(self, population: Sequence[T], k: int) -> list[T]: ...
