"""What the table says of one method."""

from dataclasses import dataclass
from typing import Any

from chatcore.errors import ChatError


@dataclass(frozen=True, slots=True)
class Example:
    """A call with parameters by name, and an answer it may get."""

    params: dict[str, Any]
    result: Any


@dataclass(frozen=True, slots=True)
class Method:
    """`errors` are those of its own: InvalidParams may come of any method. `bulky`: it only reads, and may
    answer with megabytes."""

    summary: str
    params: type[Any]
    result: Any
    errors: tuple[type[ChatError], ...] = ()
    examples: tuple[Example, ...] = ()
    bulky: bool = False
