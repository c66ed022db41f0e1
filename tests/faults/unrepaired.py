"""chatd with the one fault the split test is there to find: it never compares its history with a peer's."""

from chatcore.agenda import Key
from chatcore.clock import Now
from chatcore.events import Output
from chatcore.repair import Repair
from chatd.main import main


def open_no_session(repair: Repair, key: Key, now: Now) -> list[Output]:
    """It still answers who asks, but everybody is like this."""
    return []


if __name__ == "__main__":
    Repair._open = open_no_session  # type: ignore[method-assign,assignment]  # the fault
    main()
