"""What the node wants to be woken for; each goes out in SetTimer and comes back in TimerFired."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PingDue:
    """Time to ping every link and to drop the silent ones."""


@dataclass(frozen=True, slots=True)
class DialDue:
    """Some address may be tried again."""


@dataclass(frozen=True, slots=True)
class FeelerDue:
    """Time to see whether anybody is at some known address."""


@dataclass(frozen=True, slots=True)
class AddressesDue:
    """Time to write which addresses are known."""


@dataclass(frozen=True, slots=True)
class PresenceDue:
    """Time to refresh our own presence and to reap members gone silent."""


@dataclass(frozen=True, slots=True)
class IhaveDue:
    """Announcements have been gathered for long enough."""


@dataclass(frozen=True, slots=True)
class GraftDue:
    """Something announced should have come by now."""


@dataclass(frozen=True, slots=True)
class RumourDue:
    """Time to tell a few links beyond the neighbourhood what is new."""


@dataclass(frozen=True, slots=True)
class ReceiptDue:
    """Receipts have been gathered for long enough."""


@dataclass(frozen=True, slots=True)
class StatesDue:
    """Time to write what is known of our own messages."""


@dataclass(frozen=True, slots=True)
class HandOverDue:
    """Time to push more of our own messages that nobody has yet."""


@dataclass(frozen=True, slots=True)
class ShuffleDue:
    """Time to mix whom we know in each room, and to mend our neighbourhood there."""


@dataclass(frozen=True, slots=True)
class RepairDue:
    """Time to compare histories with somebody, or to stop waiting for an answer."""


@dataclass(frozen=True, slots=True)
class ServeDue:
    """There is time again for what was asked about our history."""


@dataclass(frozen=True, slots=True)
class CatchUpDue:
    """Time to look whether a restored node has caught up."""


TimerKey = (
    PingDue
    | DialDue
    | FeelerDue
    | AddressesDue
    | PresenceDue
    | IhaveDue
    | GraftDue
    | RumourDue
    | ReceiptDue
    | StatesDue
    | HandOverDue
    | ShuffleDue
    | RepairDue
    | ServeDue
    | CatchUpDue
)
