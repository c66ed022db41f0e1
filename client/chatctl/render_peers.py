"""Peers as text for people: who is linked, who was lost and why, whom the owner named or blocked.

Pure. A narrow terminal gets fewer columns rather than cut ones.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chatctl.nicks import Nicks
from chatctl.render import duration, room_label, short_id
from chatctl.safetext import clean_line
from chatctl.style import PLAIN, Style
from chatctl.table import GAP, cells, left_out, table

if TYPE_CHECKING:
    from chatcore.api import Acquaintance, AcquaintanceChange, Disconnected, DiscouragedPeer, Peer

FIRST_TO_GO = ("ROOMS", "SCORE", "DIR", "RTT", "UP", "ADDRESS")
"""Columns a narrow terminal does without, in this order; who it is stays."""

LEAST_CELLS = 21
"""To which a name, an address or rooms may be cut before a column goes: any IPv4 address with its port."""


def peers(found: Sequence["Peer"], style: Style = PLAIN, columns: int | None = None) -> str:
    """Those that are linked; under them, after a blank line, those that were lost and why."""
    linked = [peer for peer in found if peer["state"] != "lost"]
    lost = [peer for peer in found if peer["state"] == "lost"]
    nicks = _nicks_of(found)
    parts = [_linked(linked, nicks, style, columns)] if linked else []
    parts += [_lost(lost, nicks, style, columns)] if lost else []
    return "\n\n".join(parts)


def _linked(found: Sequence["Peer"], nicks: Nicks, style: Style, columns: int | None) -> str:
    rows = [
        {
            "NICK": _label(peer, nicks),
            "PEER": short_id(peer["peer_id"]),
            "ADDRESS": clean_line(peer["address"]),
            "DIR": clean_line(peer["direction"]),
            "RTT": "-" if peer["rtt_ms"] is None else _rtt(peer["rtt_ms"]),
            "UP": duration(peer["connected_s"], units=1),
            "SCORE": _score(peer),
            "ROOMS": " ".join(room_label(room) for room in peer["rooms"]),
        }
        for peer in found
    ]
    return _fitting(rows, style, columns)


def _fitting(rows: Sequence[Mapping[str, str]], style: Style, columns: int | None) -> str:
    names = list(rows[0])
    for name in FIRST_TO_GO:
        if columns is None or _least_width(names, rows) <= columns:
            break
        names.remove(name)
    shown = table(names, [[row[name] for name in names] for row in rows], columns, style, middle="ADDRESS")
    missing = [name for name in rows[0] if name not in names]
    return f"{shown}\n{left_out(missing, columns, style)}" if missing else shown


def _least_width(names: Sequence[str], rows: Sequence[Mapping[str, str]]) -> int:
    """With nothing cut to less than LEAST_CELLS."""
    widths = [max(len(name), *(min(cells(row[name]), LEAST_CELLS) for row in rows)) for name in names]
    return sum(widths) + len(GAP) * (len(names) - 1)


def _rtt(milliseconds: float) -> str:
    """To a tenth where that says something: between machines side by side."""
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def _score(peer: "Peer") -> str:
    score: float | None = peer.get("score")  # an older daemon keeps none
    return "-" if score is None else f"{score:.0f}"


def _lost(found: Sequence["Peer"], nicks: Nicks, style: Style, columns: int | None) -> str:
    rows = [
        [
            _label(peer, nicks),
            short_id(peer["peer_id"]),
            f"{duration(peer.get('lost_s', 0.0))} ago",
            clean_line(peer.get("reason", "")),
        ]
        for peer in found
    ]
    return table(["LOST", "PEER", "WHEN", "WHY"], rows, columns, style)


def _nicks_of(people: Sequence[Mapping[str, Any]]) -> Nicks:
    nicks = Nicks()
    for person in people:
        nicks.observe(person["peer_id"], person["username"])
    return nicks


def _label(person: Mapping[str, Any], nicks: Nicks | None = None) -> str:
    return (nicks or Nicks()).label(person["peer_id"], person["username"], person.get("alias"))


def _who(person: Mapping[str, Any]) -> str:
    return f"{_label(person)} ({short_id(person['peer_id'])})"


def blocked(change: "AcquaintanceChange") -> str:
    return f"{'blocked' if change['changed'] else 'had blocked'} {_who(change)}"


def unblocked(change: "AcquaintanceChange") -> str:
    return f"{'unblocked' if change['changed'] else 'had not blocked'} {_who(change)}"


def named(change: "AcquaintanceChange") -> str:
    nick = clean_line(change["username"])
    self_chosen = f", who goes by {nick}" if nick else ""
    short = short_id(change["peer_id"])
    if not change["alias"]:
        return f"no name of yours for {short}{self_chosen}"
    return (
        f"{short}{self_chosen}, is {_label(change)} to you" if nick else f"{short} is {_label(change)} to you"
    )


def disconnected(answer: "Disconnected") -> str:
    done = ["ended the link"] if answer["linked"] else []
    done += [f"{clean_line(address)} is dialled no more" for address in answer["addresses"]]
    return "; ".join(done)


def acquaintances(found: Sequence["Acquaintance"], style: Style = PLAIN, columns: int | None = None) -> str:
    rows = [
        [
            f"*{clean_line(person['alias'])}" if person["alias"] else "-",
            clean_line(person["username"]) or "-",
            short_id(person["peer_id"]),
            "yes" if person["blocked"] else "no",
        ]
        for person in found
    ]
    return table(["NAME", "NICK", "PEER", "BLOCKED"], rows, columns, style)


def discouraged(found: Sequence["DiscouragedPeer"], style: Style = PLAIN, columns: int | None = None) -> str:
    rows = [
        [
            clean_line(peer["username"]) or "-",
            short_id(peer["peer_id"]),
            duration(peer["left_s"]),
            clean_line(peer["reason"]),
        ]
        for peer in found
    ]
    return table(["DISCOURAGED", "PEER", "FOR", "WHY"], rows, columns, style)
