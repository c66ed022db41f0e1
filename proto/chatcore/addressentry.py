"""An address as the address book has it: who is said to be there, and what became of dialling it."""

from dataclasses import dataclass

from chatcore.ids import PeerId
from chatcore.records import PeerRecord

POOR_AFTER = 3
"""Failures in a row after which an address where somebody has answered is worth no more than any other."""


@dataclass(slots=True)
class Address:
    address: str
    kept: bool
    peer_id: PeerId | None = None
    source: bytes = b""
    """The group of who told us."""

    record: PeerRecord | None = None
    dialling: bool = False
    failures: int = 0
    next_try: float = 0.0
    reason: str | None = None
    kind: str | None = None
    """Of the error behind the reason, where a dial ended with one."""

    noted: bool = False
    """Found on the local network, and in no table yet."""

    answered: bool = False
    answered_at: float = 0.0
    lost: bool = False
    called: bool = False
    """While it is looked for: who was there last had called us."""

    anchor: bool = False

    @property
    def standing(self) -> bool:
        """Dialled whatever else is: the operator asked for it, we miss who was there, or it is nearby."""
        return self.kept or self.lost or self.noted

    @property
    def poor(self) -> bool:
        """Worth no more than an address nobody has tried."""
        return not self.kept and not self.dialling and (not self.answered or self.failures >= POOR_AFTER)

    @property
    def expected(self) -> PeerId | None:
        """Who must answer there: a kept address may get a new owner, a learned one is one peer's."""
        return None if self.kept else self.peer_id
