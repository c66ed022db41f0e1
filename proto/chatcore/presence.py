"""Who is in a room: heard of lately, what they call themselves, and who went a while ago.

Says when we are to be heard of again ourselves. Refuses to know links, signatures and who is told.
"""

import heapq
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from chatcore.config import PresenceConfig
from chatcore.envelopes import MAX_INTERVAL_S, Announce, Envelope, Join, Leave
from chatcore.events import Movement
from chatcore.ids import PeerId
from chatcore.limits import TokenBucket
from chatcore.rng import Rng

MAX_MEMBERS = 10_000
"""In a full roster whoever was heard longest ago, and is not linked, makes way for who speaks for the first
time; who is only told of by a neighbour displaces nobody. Keys cost nothing: whoever signs with ten thousand
can still fill it, and they then count as a room of ten thousand. At most 1.2 kB each, mostly 0.7 kB
(measured), so a room's roster takes 12 MB at most."""

MAX_LOOKED_OUT = 256
"""Of those to make way, found in one look through a full roster, so that not every newcomer costs one."""

BELIEVED = 2
LEAST_BELIEVED_S = 60.0
"""A promise is believed up to twice the interval of the room as we count it, or a minute, where that is more:
else a few keys that promise an hour would stay for three. Looked at when it matters, not when it is heard, as
a newcomer hears of others faster than its patience with them ends."""

PROMISES_FADE = 0.5
"""Seconds a second: so slowly a room that shrank counts as smaller, in judging what was promised before. A
promise of the larger room is over when half of that is left, and half is still believed in full."""

MAX_WORD_BYTES = 256
"""Of a payload kept to be shown to newcomers: those of this version have at most 150. Who says more is a
member like any other, but newcomers hear of them at the next refresh only."""

MAX_REFRESHES_PER_S = 4
LEAST_SHARE = 0.8
"""Of the announced interval, passes before the next announcement; at most all of it. So a room that started
together does not refresh together, and even at its least nobody hears more than four a second."""

MAX_LEFT = 1024
"""Leaves remembered so that older messages still on their way do not bring a member back; oldest go first."""

MAX_FORMER = 256
"""Members that went, still shown as such; oldest go first. About 0.5 kB each."""

FORMER_S = 3600.0

RENAMES_PER_S = 1 / 20
RENAME_BURST = 4
"""Other names of one member that are taken up; a bit more than a node allows itself, as messages bunch up.
What is not taken up now is when the member is next heard."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a member last said of being here, as signed."""

    payload: bytes
    signature: bytes


@dataclass(slots=True)
class Member:
    peer_id: PeerId
    username: str
    stamp: int
    heard: float
    interval_s: float
    promised: bool = False
    """Whether it said itself how soon it will be heard of again; else `interval_s` is a guess of ours."""

    said: int = 0
    """The stamp of the last announcement; 0 before any."""

    word: Word | None = None
    renames: TokenBucket | None = None


@dataclass(frozen=True, slots=True)
class Former:
    """Somebody who was here. `heard` is when last."""

    peer_id: PeerId
    username: str
    stamp: int
    heard: float
    how: Movement


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody came, went or took another name; `was` is the old one."""

    peer_id: PeerId
    username: str
    movement: Movement
    was: str = ""


def pause_s(interval_s: float, rng: Rng) -> float:
    """From one announcement that promised the next within `interval_s` to that one."""
    return interval_s * rng.uniform(LEAST_SHARE, 1.0)


@dataclass(frozen=True, slots=True)
class Patience:
    """`own_s` is our own interval, `most_s` the longest that is believed of others."""

    own_s: float
    most_s: float

    def with_s(self, member: Member) -> float:
        """Within which it is to be heard of. Who has not said so will about as rarely as we do ourselves; but
        a newcomer to a large room knows only a few yet, so that is asked anew each time."""
        return min(member.interval_s, self.most_s) if member.promised else max(member.interval_s, self.own_s)


class Presence:
    def __init__(self, config: PresenceConfig) -> None:
        self._config = config
        self._members: dict[PeerId, Member] = {}
        self._left: dict[PeerId, int] = {}
        self._former: dict[PeerId, Former] = {}
        self.refresh_at = 0.0
        """When we are to announce ourselves again."""

        self.promised_s = round(config.refresh_s)
        """Within which we said last that we would: the room may be larger or smaller by now."""

        self._widest_s = 0.0
        """The longest interval of ours, fading; as of `_noted_at`."""

        self._noted_at = 0.0
        self._looked_out: deque[tuple[PeerId, float]] = deque()
        """Who was heard longest ago when a full roster was looked through, and when."""

    @property
    def interval_s(self) -> int:
        """Within which we announce ourselves again: longer in a large room."""
        scaled = len(self._members) / (MAX_REFRESHES_PER_S * LEAST_SHARE)
        return round(min(max(self._config.refresh_s, scaled), MAX_INTERVAL_S))

    def promise(self, mono: float, rng: Rng) -> None:
        """We are announcing ourselves now, and say when the next time is."""
        self.promised_s = self.interval_s
        self.put_off_refresh(mono, rng)

    def put_off_refresh(self, mono: float, rng: Rng) -> None:
        """We are heard now, and the promise of before goes on."""
        self.refresh_at = mono + pause_s(self.promised_s, rng)

    @property
    def members(self) -> list[Member]:
        return list(self._members.values())

    def former(self, mono: float) -> list[Former]:
        """Who went within the last hour, the latest last."""
        return [gone for gone in self._former.values() if mono - gone.heard < FORMER_S]

    # What is heard

    def handle_envelope(self, peer_id: PeerId, envelope: Envelope, mono: float) -> Passage | None:
        """Any verified message is a sign of life, LEAVE of its end."""
        if isinstance(envelope.body, Leave):
            self._note_size(mono)
            return self._handle_leave(peer_id, envelope)
        return self._hear(peer_id, envelope, mono, Movement.JOINED)

    def make_way(self, peer_id: PeerId, envelope: Envelope, linked: Collection[PeerId]) -> Passage | None:
        """Before somebody is heard: who goes for it where the roster is full; never one that is linked."""
        known = peer_id in self._members or envelope.stamp < self._left.get(peer_id, 0)
        if len(self._members) < MAX_MEMBERS or known or isinstance(envelope.body, Leave):
            return None
        longest = self._next_looked_out(linked)
        if longest is None:
            others = (member for member in self._members.values() if member.peer_id not in linked)
            found = heapq.nsmallest(MAX_LOOKED_OUT, others, key=lambda member: member.heard)
            self._looked_out.extend((member.peer_id, member.heard) for member in found)
            longest = self._next_looked_out(linked)
        return None if longest is None else self._remove(longest, Movement.LOST)

    def _next_looked_out(self, linked: Collection[PeerId]) -> Member | None:
        while self._looked_out:
            peer_id, heard = self._looked_out.popleft()
            member = self._members.get(peer_id)
            if member is not None and member.heard == heard and peer_id not in linked:
                return member
        return None

    def handle_told(self, peer_id: PeerId, envelope: Envelope, heard: float) -> Passage | None:
        """What somebody else heard a while ago, of one who was here before us."""
        return self._hear(peer_id, envelope, heard, Movement.HERE)

    def _handle_leave(self, peer_id: PeerId, envelope: Envelope) -> Passage | None:
        member = self._members.get(peer_id)
        # A leave older than the last sign of life belongs to an earlier visit.
        if member is not None and envelope.stamp < member.stamp:
            return None
        self._note_leave(peer_id, envelope.stamp)
        return None if member is None else self._remove(member, Movement.LEFT)

    def _hear(self, peer_id: PeerId, envelope: Envelope, heard: float, how: Movement) -> Passage | None:
        if envelope.stamp < self._left.get(peer_id, 0):
            return None  # said before the leave, and overtaken by it
        member = self._members.get(peer_id)
        if member is not None:
            return self._hear_again(member, envelope, heard)
        if len(self._members) >= MAX_MEMBERS:
            return None
        member = Member(peer_id, envelope.username, envelope.stamp, heard, self.interval_s)
        self._members[peer_id] = member
        self._former.pop(peer_id, None)
        self._note_word(member, envelope)
        return Passage(peer_id, member.username, how)

    def _hear_again(self, member: Member, envelope: Envelope, heard: float) -> Passage | None:
        member.heard = max(member.heard, heard)
        self._note_word(member, envelope)
        if envelope.stamp < member.stamp:
            return None
        member.stamp = envelope.stamp
        return None if envelope.username == member.username else self._rename(member, envelope, heard)

    def _rename(self, member: Member, envelope: Envelope, mono: float) -> Passage | None:
        if member.renames is None:
            member.renames = TokenBucket(RENAMES_PER_S, RENAME_BURST, mono)
        if not member.renames.take(mono):
            return None
        was, member.username = member.username, envelope.username
        return Passage(member.peer_id, member.username, Movement.RENAMED, was)

    def _note_word(self, member: Member, envelope: Envelope) -> None:
        """Only an announcement says how often its author will be heard; a chat in between does not."""
        if envelope.stamp < member.said or not isinstance(envelope.body, Announce | Join):
            return
        member.said = envelope.stamp
        short = len(envelope.payload) <= MAX_WORD_BYTES
        member.word = Word(envelope.payload, envelope.signature) if short else None
        if isinstance(envelope.body, Announce):
            member.interval_s = max(float(envelope.body.interval_s), self._config.refresh_s)
            member.promised = True

    def _note_leave(self, peer_id: PeerId, stamp: int) -> None:
        self._left.pop(peer_id, None)
        self._left[peer_id] = stamp
        if len(self._left) > MAX_LEFT:
            del self._left[next(iter(self._left))]

    # Going

    def handle_woken(self, mono: float) -> None:
        """We slept, and heard nobody: each has an interval to be heard in."""
        patience = self._patience()
        for member in self._members.values():
            interval_s = patience.with_s(member)
            member.heard = max(member.heard, mono + interval_s - self.silence_s(interval_s))

    def reap(self, mono: float) -> list[Passage]:
        """Members silent for too long; they are gone from the roster."""
        self._note_size(mono)
        patience = self._patience()
        silent = [member for member in self._members.values() if not self._is_alive(member, mono, patience)]
        return [self._remove(member, Movement.LOST) for member in silent]

    def _note_size(self, mono: float) -> None:
        """Before members go: what those who stay promised while the room was larger still holds."""
        faded = self._widest_s - PROMISES_FADE * (mono - self._noted_at)
        self._widest_s, self._noted_at = max(float(self.interval_s), faded), mono

    def _patience(self) -> Patience:
        own_s = self.interval_s
        return Patience(own_s, max(LEAST_BELIEVED_S, BELIEVED * max(own_s, self._widest_s)))

    def _is_alive(self, member: Member, mono: float, patience: Patience) -> bool:
        return mono - member.heard <= self.silence_s(patience.with_s(member))

    def silence_s(self, interval_s: float) -> float:
        """How long somebody may be silent."""
        return interval_s * self._config.missed_intervals

    def _remove(self, member: Member, how: Movement) -> Passage:
        del self._members[member.peer_id]
        self._former.pop(member.peer_id, None)
        self._former[member.peer_id] = Former(
            member.peer_id, member.username, member.stamp, member.heard, how
        )
        if len(self._former) > MAX_FORMER:
            del self._former[next(iter(self._former))]
        return Passage(member.peer_id, member.username, how)

    # For newcomers

    def words(self, most: int, mono: float) -> list[tuple[float, Word]]:
        """Who is here, in their own words, and how long ago each was heard; the latest first."""
        patience = self._patience()
        alive = [member for member in self._members.values() if self._is_alive(member, mono, patience)]
        alive.sort(key=lambda member: -member.heard)
        words = [(mono - member.heard, member.word) for member in alive[:most]]
        return [(age_s, word) for age_s, word in words if word is not None]

    def wants(self, peer_id: PeerId, envelope: Envelope, age_s: float, said_s: float) -> bool:
        """Whether what somebody else heard `age_s` ago is news, and no old tale.

        `said_s` is how long ago it was said, by its author's clock. Any promise is believed yet, as a
        newcomer does not know how large the room is; `reap` does not.
        """
        body = envelope.body
        interval_s = float(body.interval_s) if isinstance(body, Announce) else float(self.interval_s)
        if max(age_s, said_s) > self.silence_s(max(interval_s, self._config.refresh_s)):
            return False
        member, former = self._members.get(peer_id), self._former.get(peer_id)
        known = member.said if member is not None else former.stamp if former is not None else -1
        return envelope.stamp > known
