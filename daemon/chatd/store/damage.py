"""Which records turned out damaged."""

import threading

from chatd.store.batches import Damaged, OnDamage

MAX_DAMAGED_KEPT = 10_000
"""Damaged records told of already; beyond it they are skipped in silence."""


class DamageLog:
    """Counts each damaged record once and tells of it once, whichever threads come across it."""

    def __init__(self, on_damage: OnDamage | None) -> None:
        self._on_damage = on_damage
        self._lock = threading.Lock()
        self._reported: set[bytes] = set()

    @property
    def count(self) -> int:
        return len(self._reported)

    def add(self, key: bytes, why: str) -> bool:
        """Whether it was not known."""
        with self._lock:
            if key in self._reported or len(self._reported) >= MAX_DAMAGED_KEPT:
                return False
            self._reported.add(key)
        if self._on_damage is not None:
            self._on_damage(Damaged(key, why))
        return True
