"""`python -m tests.support.lowcaps ...`: chatd with caps that a test meets in no time, a goodbye that takes a
second, and one method that is broken.
"""

import asyncio
from types import ModuleType
from typing import Any

from chatcore import addressbook, people, requests
from chatd import jsonrpc, pinning
from chatd.links import Links
from chatd.main import main
from chatd.methods import Methods
from chatd.store import shown

CAPS: tuple[tuple[ModuleType, str, int], ...] = (
    (requests, "MAX_ROOMS", 2),
    (requests, "MAX_UNSENT", 4),
    (addressbook, "MAX_KEPT", 2),
    (people, "MAX_ALIASES", 1),
    (people, "MAX_BLOCKED", 1),
    (jsonrpc, "MAX_BATCH_ANSWER_BYTES", 500),
    (pinning, "MAX_PINS", 1),
    (shown, "MAX_PASSED_OVER", 2),
)
GOODBYE_S = 1.0

_stop = Links.stop


async def _stop_slowly(self: Links, deadline_s: float) -> None:
    await asyncio.sleep(GOODBYE_S)
    await _stop(self, deadline_s)


async def _fail(*_: Any) -> Any:
    raise RuntimeError("a bug")


if __name__ == "__main__":
    for module, name, value in CAPS:
        assert getattr(module, name) > value, f"{module.__name__} has another {name}"
        setattr(module, name, value)
    setattr(Links, "stop", _stop_slowly)  # noqa: B010 - not as the type checker knows it
    setattr(Methods, "node_stats", _fail)  # noqa: B010 - as above
    main()
