"""What makes a client start faster. Imports nothing that takes time."""

import gc

COLLECT_AFTER = 200_000
"""New objects. At Python's own 700 the collector walks what is being imported: a seventh of the start-up."""


def hasten() -> None:
    """To be called before the rest is imported."""
    gc.set_threshold(COLLECT_AFTER)
