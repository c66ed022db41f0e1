"""What a peer is told that compares its history with ours, or asks for some of it.

A pure function of the index and the question, which remembers nothing: a shell may call it in any thread.
"""

from chatcore.ids import MessageId, RoomId
from chatcore.index import Index
from chatcore.messages import (
    MAX_LISTED_IDS,
    MAX_PARTS,
    Compare,
    Compared,
    FetchIds,
    FetchRange,
    History,
    Listed,
    Part,
    Publish,
    Range,
)
from chatcore.ranges import NOTHING, STAMP_BYTES, Bounds, fingerprint, floor

WAYS = 16
"""Into how many parts a range is split (Meyer, section 4: the base trades rounds for bytes)."""

NEWEST_LISTED = 32
"""Of a range that reaches to the newest message, so many are listed at once: most missing are new."""

PAGE_BYTES = 32 * 1024
PAGE_MESSAGES = 128
"""Of payloads in one page: it fits a frame, and takes either side some milliseconds at most."""


def look_up(
    index: Index, room: RoomId, question: Compare | FetchIds | FetchRange
) -> tuple[Compared | History, list[Bounds]]:
    """What a peer that asks is told, and where the comparison shows that it has what we have."""
    match question:
        case Compare():
            reply = answer(index, room, question)
            return reply, equal_ranges(index, room, question, reply)
        case FetchIds():
            return serve_ids(index, room, question), []
        case FetchRange():
            return serve_range(index, room, question), []


def answer(index: Index, room: RoomId, question: Compare) -> Compared:
    """As many of the ranges as fit one answer; newest are asked about first."""
    kept_from = floor(index, room)
    answers: list[tuple[Part | Listed, ...]] = []
    left = MAX_PARTS
    for asked in question.ranges:
        if left < WAYS:
            break
        parts = _parts(index, room, asked, max(asked.lower, kept_from))
        # A list of ids is as long as a few fingerprints.
        left -= sum(4 if isinstance(part, Listed) else 1 for part in parts) or 1
        answers.append(parts)
    return Compared(question.token, tuple(answers))


def _parts(index: Index, room: RoomId, asked: Range, lower: bytes) -> tuple[Part | Listed, ...]:
    upper = asked.upper
    if lower >= upper:  # all of it lies below our floor: that is not to have the same
        return (Part(asked.lower, NOTHING, 0),)
    ours = index.fingerprint(room, lower, upper)
    if fingerprint(ours) == asked.fingerprint:
        return ()
    if asked.fingerprint == NOTHING:
        return (Part(lower, fingerprint(ours), ours.size),)
    if ours.size <= MAX_LISTED_IDS:
        return (Listed(lower, _ids(index, room, lower, upper)),)
    if lower != asked.lower:  # we have dropped what is older: agree on that first
        return (Part(lower, fingerprint(ours), ours.size),)
    newest = not index.keys(room, upper, b"\xff" * STAMP_BYTES, 1)
    pieces = index.split(room, lower, upper, _growing() if newest else _even(ours.size))
    parts: list[Part | Listed] = []
    for number, piece in enumerate(pieces):
        if newest and not number and piece.sum.size <= MAX_LISTED_IDS:
            parts.append(Listed(piece.lower, _ids(index, room, piece.lower, upper)))
        else:
            parts.append(Part(piece.lower, fingerprint(piece.sum), piece.sum.size))
    return tuple(parts)


def _growing() -> list[int]:
    """What is missing is mostly new: the newest few, then twice as many each time."""
    return [NEWEST_LISTED, *[NEWEST_LISTED << doubled for doubled in range(WAYS - 2)]]


def _even(count: int) -> list[int]:
    return [-(-count // WAYS)] * (WAYS - 1)


def _ids(index: Index, room: RoomId, lower: bytes, upper: bytes) -> tuple[MessageId, ...]:
    return tuple([MessageId(key[STAMP_BYTES:]) for key in index.keys(room, lower, upper, MAX_LISTED_IDS)])


def serve_ids(index: Index, room: RoomId, wanted: FetchIds) -> History:
    found = index.messages(wanted.ids[:PAGE_MESSAGES], PAGE_BYTES)
    return History(wanted.token, b"", tuple([Publish.of(item, 0) for item in found if item.room == room]))


def serve_range(index: Index, room: RoomId, wanted: FetchRange) -> History:
    """One page, newest first."""
    lower = max(wanted.lower, floor(index, room))
    if lower >= wanted.upper:
        return History(wanted.token, wanted.lower, ())
    page = index.signed(room, lower, wanted.upper, PAGE_MESSAGES, PAGE_BYTES)
    reached = page.lower if page.lower > lower else wanted.lower
    return History(wanted.token, reached, tuple([Publish(0, *item) for item in page.messages]))


def equal_ranges(index: Index, room: RoomId, question: Compare, reply: Compared) -> list[Bounds]:
    """Where the asker has what we have, as its fingerprint says; nothing below our floor was compared."""
    kept_from = floor(index, room)
    asked = zip(question.ranges, reply.answers, strict=False)
    return [(max(item.lower, kept_from), item.upper) for item, parts in asked if not parts]
