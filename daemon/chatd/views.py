"""What the local API shows of the node, as plain JSON values. Pure: node and time in, dictionaries out."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypedDict

from chatcore import api
from chatcore.clock import Now, wall_ms_of
from chatcore.envelopes import Chat, Envelope
from chatcore.events import MemberChanged, MessageAdded, News, PeerChanged, Renamed, RoomChanged, StateChanged
from chatcore.identity import peer_id_of
from chatcore.ids import PeerId, RoomId
from chatcore.links import Link
from chatcore.node import Node
from chatcore.own import OwnMessage
from chatcore.peers import Drop
from chatcore.people import People, Person
from chatcore.presence import Former, Member
from chatcore.room import Room
from chatd.people import author_of

NO_MDNS: api.MdnsState = {"state": "off", "reason": None, "found": 0}

_LAST_MOMENT_MS = 253_402_300_799_999


def message(seq: int, envelope: Envelope, room: str, people: People | None = None) -> api.Message:
    """`people` may have a name for its author."""
    assert isinstance(envelope.body, Chat), "only chat messages are shown"
    time_ms = wall_ms_of(envelope.stamp)
    shown: api.Message = {
        "seq": seq,
        "id": str(envelope.id),
        "room": room,
        "author": _peer_text(envelope.author),
        "username": envelope.username,
        "text": envelope.body.text,
        "time_ms": time_ms,
        "time": rfc3339(time_ms),
    }
    if people is not None and (alias := people.alias(author_of(envelope.author))):
        shown["alias"] = alias
    return shown


def own_message(own: OwnMessage, room: str) -> api.MessageStatus:
    return {
        "id": str(own.id),
        "room": room,
        "state": str(own.state),
        "confirmed": own.confirmed,
        "confirmed_by": [str(peer) for peer in own.confirmed_by[: api.MAX_CONFIRMED_BY]],
        "reason": own.reason or None,
    }


@lru_cache(maxsize=4096)
def _peer_text(public_key: bytes) -> str:
    return str(peer_id_of(public_key))


class _Aliased(TypedDict, total=False):
    alias: str


def _alias(people: People, peer_id: PeerId) -> _Aliased:
    alias = people.alias(peer_id)
    return {"alias": alias} if alias else {}


def rfc3339(time_ms: int) -> str:
    """UTC with milliseconds; a stamp past the year 9999 shows as its last moment."""
    minutes, milliseconds = divmod(min(time_ms, _LAST_MOMENT_MS), 60_000)
    return f"{_minute(minutes)}:{milliseconds // 1000:02}.{milliseconds % 1000:03}Z"


@lru_cache(maxsize=1024)
def _minute(minutes: int) -> str:
    return f"{datetime.fromtimestamp(60 * minutes, UTC):%Y-%m-%dT%H:%M}"


def identity(node: Node) -> api.IdentityInfo:
    return {
        "peer_id": str(node.identity.peer_id),
        "public_key": node.identity.public_key.hex(),
        "username": node.username,
    }


def peer(link: Link, node: Node, now: Now) -> api.Peer:
    shared = sorted(room.name for room in node.rooms.values() if room.id in link.rooms)
    shown: api.Peer = {
        "peer_id": str(link.peer_id),
        "username": link.username,
        "address": link.dialled or link.address,
        "direction": "out" if link.outbound else "in",
        "rtt_ms": None if link.rtt_s is None else round(link.rtt_s * 1000, 3),
        "connected_s": round(now.mono - link.since, 3),
        "state": "linked",
        "score": round(node.conduct.score(link.peer_id, now.mono), 1),
        "user_agent": link.user_agent,
        "rooms": shared,
    }
    if alias := node.people.alias(link.peer_id):
        shown["alias"] = alias
    return shown


def peers(node: Node, now: Now) -> list[api.Peer]:
    return [peer(link, node, now) for link in sorted(node.links, key=lambda link: link.since)]


def lost(drop: Drop, node: Node, now: Now) -> api.Peer:
    """A link that is no more; `connected_s` is how long it was one."""
    shown = peer(drop.link, node, now)
    shown["connected_s"] = round(drop.at - drop.link.since, 3)
    shown["state"] = "lost"
    shown["reason"] = drop.reason
    shown["lost_s"] = round(now.mono - drop.at, 3)
    return shown


def losses(node: Node, now: Now) -> list[api.Peer]:
    """The last ones, newest first."""
    return [lost(drop, node, now) for drop in reversed(list(node.drops))]


def acquaintance(person: Person) -> api.Acquaintance:
    return {
        "peer_id": str(person.peer_id),
        "username": person.username,
        "alias": person.alias or None,
        "blocked": person.blocked,
    }


def acquaintances(people: Iterable[Person]) -> list[api.Acquaintance]:
    return [acquaintance(person) for person in sorted(people, key=lambda item: (item.alias, item.peer_id))]


def discouraged(node: Node, now: Now) -> list[api.DiscouragedPeer]:
    return [
        {
            "peer_id": str(record.peer_id),
            "username": record.username,
            "address": record.address or None,
            "reason": record.reason,
            "left_s": round(left_s, 3),
        }
        for record, left_s in node.discouraged.records(now.mono)
    ]


def rooms(node: Node, now: Now) -> list[api.Room]:
    return [room(item, node.people, now) for item in sorted(node.rooms.values(), key=lambda item: item.name)]


def room(item: Room, people: People, now: Now) -> api.Room:
    """Without those who are blocked."""
    return {
        "room": item.name,
        "joined": True,
        "room_id": str(item.id),
        "peers": len(item.linked),
        "members": [
            {
                "peer_id": str(member.peer_id),
                "username": member.username,
                **_alias(people, member.peer_id),
                "last_seen_s": round(now.mono - member.heard, 3),
            }
            for member in sorted(item.members, key=lambda member: (member.username, member.peer_id))
            if not people.is_blocked(member.peer_id)
        ],
    }


def members(node: Node, room: Room, now: Now, *, former: bool) -> list[api.Present]:
    """Us first, then who is here by name, then who went, the latest first."""
    us: api.Present = {
        "peer_id": str(node.identity.peer_id),
        "username": node.username,
        "state": "here",
        "last_seen_s": 0.0,
        "you": True,
    }
    here = sorted(room.members, key=lambda member: (member.username, member.peer_id))
    gone = sorted(room.former_members(now), key=lambda former: -former.heard) if former else []
    others = [(member, "here") for member in here] + [(member, str(member.how)) for member in gone]
    shown = [(member, state) for member, state in others if not node.people.is_blocked(member.peer_id)]
    return [us, *[_present(member, state, node.people, now) for member, state in shown]]


def _present(member: Member | Former, state: str, people: People, now: Now) -> api.Present:
    return {
        "peer_id": str(member.peer_id),
        "username": member.username,
        **_alias(people, member.peer_id),
        "state": state,
        "last_seen_s": round(now.mono - member.heard, 3),
        "you": False,
    }


def left_room(room_id: RoomId, name: str) -> api.Room:
    return {"room": name, "joined": False, "room_id": str(room_id), "peers": 0, "members": []}


def dialling(node: Node, now: Now) -> list[api.Dialling]:
    shown: list[api.Dialling] = []
    for entry in node.unreached():
        refusal = node.refusal(entry.peer_id, now)
        idle = entry.dialling or refusal is not None
        shown.append(
            {
                "address": entry.address,
                "reason": entry.reason if refusal is None else str(refusal),
                "next_try_s": None if idle else round(max(0.0, entry.next_try - now.mono), 3),
                "failures": entry.failures,
            }
        )
    return shown


def histories(node: Node, now: Now) -> list[api.RoomHistory]:
    """By the rooms' names."""
    found: list[api.RoomHistory] = []
    for room in sorted(node.rooms.values(), key=lambda room: room.name):
        whole, outstanding = node.history_of(room.id, now)
        state = "alone" if not room.linked else "whole" if whole else "fetching"
        found.append({"room": room.name, "state": state, "outstanding": outstanding})
    return found


def event(news: News, seq: int, people: People) -> api.Event:
    """`seq` is that of the last message stored."""
    match news:
        case MessageAdded(name, stored, own):
            data = dict(message(stored.seq, stored.envelope, name, people))
            if own is not None:
                data["state"] = str(own.state)
            return {"seq": stored.seq, "topic": "message", "data": data}
        case StateChanged(name, own):
            told: dict[str, object] = {**own_message(own, name)}
            del told["confirmed_by"]
            return {"seq": seq, "topic": "state", "data": told}
        case PeerChanged():
            return {
                "seq": seq,
                "topic": "peer",
                "data": {
                    "peer_id": str(news.peer_id),
                    "username": news.username,
                    **_alias(people, news.peer_id),
                    "address": news.address,
                    "direction": "out" if news.outbound else "in",
                    "state": "up" if news.up else "down",
                    "reason": news.reason,
                },
            }
        case MemberChanged():
            moved = {
                "room": news.room,
                "peer_id": str(news.peer_id),
                "username": news.username,
                **_alias(people, news.peer_id),
                "state": str(news.movement),
            }
            was = {"was": news.was} if news.was else {}
            return {"seq": seq, "topic": "presence", "data": {**moved, **was}}
        case Renamed(username):
            return {"seq": seq, "topic": "identity", "data": {"state": "renamed", "username": username}}
        case RoomChanged():
            state = "joined" if news.joined else "left"
            return {"seq": seq, "topic": "room", "data": {"room": news.room, "state": state}}
