"""What waits to leave on one link: four priorities, in order within each, bounded in bytes."""

from collections import deque

from chatcore.events import Priority

MAX_QUEUE_BYTES = 1024 * 1024
CONTROL_RESERVE_BYTES = 64 * 1024
"""Beyond it for what is said of the link itself, which no amount of chat may push out."""


class Outbox:
    __slots__ = ("_queues", "bytes")

    def __init__(self) -> None:
        self._queues: tuple[deque[bytes], ...] = tuple(deque() for _ in Priority)
        self.bytes = 0

    def put(self, encoded: bytes, priority: Priority) -> bool:
        """False when it is full: the message is not taken, and nobody waits."""
        reserve = CONTROL_RESERVE_BYTES if priority is Priority.CONTROL else 0
        if self.bytes + len(encoded) > MAX_QUEUE_BYTES + reserve:
            return False
        self._queues[priority].append(encoded)
        self.bytes += len(encoded)
        return True

    def take(self, most_bytes: int) -> list[bytes]:
        """The next messages to send, most urgent first: at least one if there is any."""
        taken: list[bytes] = []
        size = 0
        for queue in self._queues:
            while queue and (not taken or size + len(queue[0]) <= most_bytes):
                item = queue.popleft()
                taken.append(item)
                size += len(item)
        self.bytes -= size
        return taken

    def __bool__(self) -> bool:
        return self.bytes > 0
