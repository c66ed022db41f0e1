"""Who is in a room: heard of lately, and what they call themselves."""

from dataclasses import dataclass

from chatcore.config import PresenceConfig
from chatcore.envelopes import MAX_INTERVAL_S, Announce, Envelope, Leave
from chatcore.ids import PeerId

MAX_MEMBERS = 10_000
"""A full roster takes no new member; messages from people beyond it are shown all the same."""

MAX_REFRESHES_PER_S = 4
MAX_LEFT = 1024
"""Leaves remembered so that older messages still on their way do not bring a member back; oldest go first."""


@dataclass(slots=True)
class Member:
    peer_id: PeerId
    username: str
    stamp: int
    heard: float
    interval_s: float


class Presence:
    def __init__(self, config: PresenceConfig) -> None:
        self._config = config
        self._members: dict[PeerId, Member] = {}
        self._left: dict[PeerId, int] = {}

    @property
    def interval_s(self) -> float:
        """How often we announce ourselves: rarer in a large room, so that nobody hears over 4 a second."""
        scaled = len(self._members) / MAX_REFRESHES_PER_S
        return min(max(self._config.refresh_s, scaled), float(MAX_INTERVAL_S))

    @property
    def members(self) -> list[Member]:
        return list(self._members.values())

    def handle_envelope(self, peer_id: PeerId, envelope: Envelope, mono: float) -> Member | None:
        """Any verified message is a sign of life, LEAVE of its end. Gives the member who so came or went."""
        member = self._members.get(peer_id)
        if isinstance(envelope.body, Leave):
            # A leave older than the last sign of life belongs to an earlier visit.
            if member is not None and envelope.stamp < member.stamp:
                return None
            self._note_leave(peer_id, envelope.stamp)
            return self._members.pop(peer_id, None)
        if envelope.stamp < self._left.get(peer_id, 0):
            return None  # said before the leave, and overtaken by it
        if member is None:
            if len(self._members) >= MAX_MEMBERS:
                return None
            member = Member(peer_id, envelope.username, envelope.stamp, mono, self._config.refresh_s)
            member.interval_s = self._interval(member, envelope)
            self._members[peer_id] = member
            return member
        member.heard = mono
        member.interval_s = self._interval(member, envelope)
        if envelope.stamp >= member.stamp:
            member.stamp = envelope.stamp
            member.username = envelope.username
        return None

    def _note_leave(self, peer_id: PeerId, stamp: int) -> None:
        self._left.pop(peer_id, None)
        self._left[peer_id] = stamp
        if len(self._left) > MAX_LEFT:
            del self._left[next(iter(self._left))]

    def _interval(self, member: Member, envelope: Envelope) -> float:
        """Only an announcement says how often its author will be heard; a chat in between does not."""
        if isinstance(envelope.body, Announce):
            return max(float(envelope.body.interval_s), self._config.refresh_s)
        return member.interval_s

    def is_member(self, peer_id: PeerId) -> bool:
        return peer_id in self._members

    def reap(self, mono: float) -> list[Member]:
        """Members silent for too long; they are gone from the roster."""
        silent = [
            member
            for member in self._members.values()
            if mono - member.heard > member.interval_s * self._config.missed_intervals
        ]
        for member in silent:
            del self._members[member.peer_id]
        return silent
