"""chatd with the one fault the kill test is there to find: it acknowledges before it has committed."""

from chatcore.events import Committed, Persist, StoredMessage
from chatd.driver import Driver
from chatd.main import main
from chatd.store import Batch, BatchResult, RoomEntry

_last_seq = [0]


def persist_later(driver: Driver, output: Persist) -> None:
    """What `Driver` does about a Persist, the wrong way round."""
    _last_seq[0] = max(_last_seq[0], driver._store.last_seq())
    stored = []
    for envelope in output.messages:
        _last_seq[0] += 1
        stored.append(StoredMessage(_last_seq[0], envelope))
    driver.post(Committed(output.job, tuple(stored)))
    rooms = tuple(RoomEntry(record.room, record.name, record.joined) for record in output.rooms)
    driver._store.submit(Batch(output.job, output.messages, rooms))


def ignore_commit(driver: Driver, results: list[BatchResult]) -> None:
    """It was answered long ago."""


if __name__ == "__main__":
    Driver._persist = persist_later  # type: ignore[method-assign,assignment]  # the fault
    Driver._committed = ignore_commit  # type: ignore[method-assign,assignment]  # the fault
    main()
