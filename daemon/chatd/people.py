"""Who is meant by what a person types, and whose words its own people are not shown.

A peer id, the beginning of one, the owner's own name for somebody, or a nick with a piece of the key.
A nick alone is nobody: anybody may take it.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from chatcore.envelopes import Envelope
from chatcore.errors import AmbiguousPeer, OwnPeer, UnknownPeer
from chatcore.events import MemberChanged, MessageAdded, News
from chatcore.identity import peer_id_of
from chatcore.ids import PEER_ID_CHARS, SHORT_CHARS, PeerId
from chatcore.node import Node
from chatcore.people import People, skeleton

TAG_CHARS = 4
"""Of the key behind a nick, as clients show it; fewer could be met by trying some thousand keys."""

MAX_AUTHORS_READ = 500
"""Messages of each room whose authors count as known, for whoever is not there just now."""

_BASE32 = re.compile(r"[a-z2-7]+")
_MARK = "*"
"""Clients show it before the owner's own names."""

Names = Mapping[PeerId, str]
"""Everybody known, and what each calls itself."""

author_of = lru_cache(maxsize=4096)(peer_id_of)


def find(node: Node, text: str, mono: float, authors: Names) -> tuple[PeerId, str]:
    """The one who is meant, and its nick. Raises UnknownPeer, AmbiguousPeer, OwnPeer."""
    names = {**authors, **known(node, mono)}
    found = _matching(node, text.strip(), names)
    if not found:
        raise UnknownPeer(text)
    if len(found) > 1:
        raise AmbiguousPeer(text, [_label(peer_id, names) for peer_id in sorted(found)])
    if found[0] == node.identity.peer_id:
        raise OwnPeer
    return found[0], names.get(found[0], "")


def _matching(node: Node, text: str, names: Names) -> list[PeerId]:
    lower = text.lower()
    if len(text) == PEER_ID_CHARS and _BASE32.fullmatch(lower):
        try:
            return [PeerId.parse(lower)]
        except ValueError:
            return []
    alias = skeleton(text.removeprefix(_MARK))
    named = [
        person.peer_id for person in node.people.all() if person.alias and skeleton(person.alias) == alias
    ]
    if named and alias:
        return named
    if len(text) >= SHORT_CHARS and _BASE32.fullmatch(lower):
        found = [peer_id for peer_id in names if str(peer_id).startswith(lower)]
        if found:
            return found
    nick, tilde, tag = text.rpartition("~")
    if tilde and len(tag) >= TAG_CHARS and nick:
        return [
            peer_id
            for peer_id, name in names.items()
            if str(peer_id).startswith(tag.lower()) and _folded(name) == _folded(nick)
        ]
    bearers = [peer_id for peer_id, name in names.items() if text and _folded(name) == _folded(text)]
    if bearers == [node.identity.peer_id]:
        raise OwnPeer
    if bearers:
        raise AmbiguousPeer(text, [_label(peer_id, names) for peer_id in sorted(bearers)])
    return []


def known(node: Node, mono: float) -> dict[PeerId, str]:
    """Everybody this node has to do with; who is here now comes last, and its name is the newest."""
    names = {record.peer_id: record.username for record, _ in node.discouraged.records(mono)}
    names |= {person.peer_id: person.username for person in node.people.all()}
    names |= {drop.link.peer_id: drop.link.username for drop in node.drops}
    for room in node.rooms.values():
        names |= {member.peer_id: member.username for member in room.members}
    names |= {link.peer_id: link.username for link in node.links}
    return {**names, node.identity.peer_id: node.username}


def _label(peer_id: PeerId, names: Names) -> str:
    name = names.get(peer_id, "")
    return f"{name}~{str(peer_id)[:TAG_CHARS]} ({peer_id.short})" if name else peer_id.short


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def is_hidden(people: People, envelope: Envelope) -> bool:
    """Whether its author is blocked: kept and handed on like any other, and not shown here."""
    return bool(people.blocked) and people.is_blocked(author_of(envelope.author))


def hides(people: People, news: News) -> bool:
    match news:
        case MessageAdded():
            return is_hidden(people, news.stored.envelope)
        case MemberChanged():
            return people.is_blocked(news.peer_id)
        case _:
            return False
