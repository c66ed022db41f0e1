"""Results and events of the API as text for people. Pure: colour and width are passed in.

Everything that came over the network goes through `clean_line` or `clean_text` on its way.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from chatctl.nicks import SHORT_CHARS, Nicks
from chatctl.render_text import action_of, body
from chatctl.safetext import clean_line, clean_text
from chatctl.style import PLAIN, Style
from chatctl.table import left_out, pairs, table

if TYPE_CHECKING:  # the table's parameter classes would cost every command their construction
    from chatcore.api import (
        Connecting,
        Dialling,
        IdentityInfo,
        MdnsState,
        Message,
        MessageStatus,
        NameChange,
        PinChange,
        Present,
        Room,
        RoomChange,
        RoomHistory,
        SearchPage,
        Stats,
        Status,
    )
    from chatcore.words import Words
    from chatctl.latecomers import Late

MAX_MEMBERS_SHOWN = 12
SAID_BEFORE = "said before, and only here now:"


def short_id(full: str) -> str:
    return clean_line(full)[:SHORT_CHARS]


def room_label(room: str) -> str:
    return f"#{clean_line(room)}"


# Messages


def moment(message: "Message", pattern: str, zone: tzinfo | None = None) -> str:
    """The author's clock in our time zone (None: the system's), as `strftime` writes `pattern`."""
    try:
        return datetime.fromtimestamp(message["time_ms"] / 1000, UTC).astimezone(zone).strftime(pattern)
    except (OverflowError, OSError, ValueError):  # 48 bits of milliseconds reach past the year 9999
        return "?"


def message(
    shown: "Message",
    nicks: Nicks,
    style: Style = PLAIN,
    *,
    pattern: str = "%H:%M",
    in_room: bool = False,
    marked: bool = True,
    me: str = "",
    zone: tzinfo | None = None,
) -> str:
    """One message. Behind one of our own, if `marked`, stands how far it had come when this was told; what is
    delivered needs no word. `me`: a name to mark in the text."""
    nick = style.nick(nicks.label(shown["author"], shown["username"], shown.get("alias")), shown["author"])
    room = style.dim(room_label(shown["room"])) + " " if in_room else ""
    done = action_of(shown["text"])
    text = body(shown["text"] if done is None else done, style, me)
    said = f"{nick}: {text}" if done is None else f"* {nick} {text}"
    state = shown.get("state", "delivered") if marked else "delivered"
    mark = "" if state == "delivered" else " " + style.dim(f"[{clean_line(state)}]")
    return f"{style.dim(moment(shown, pattern, zone))} {room}{said}{mark}"


def history(
    messages: Sequence["Message"], nicks: Nicks, style: Style = PLAIN, zone: tzinfo | None = None
) -> list[str]:
    """Lines that stand for themselves in a pipe: each has its whole date."""
    for item in messages:
        nicks.observe(item["author"], item["username"])
    pattern = "%Y-%m-%d %H:%M:%S"
    return [message(item, nicks, style, pattern=pattern, marked=False, zone=zone) for item in messages]


def late(found: "Late") -> str:
    """Of messages that are not shown one by one."""
    named = f", {found.mentions:,} of them name you" if found.mentions else ""
    return f"{found.count:,} older messages came in {room_label(found.room)}{named}"


def enough(found: "Late") -> int:
    """How many of the last messages are to be asked for to see these."""
    return -(-(found.count + found.passed) // 100) * 100


def history_of(found: "Late") -> str:
    """The command that shows them."""
    return f"chatctl history {clean_line(found.room)} -n {enough(found)}"


# Pins


def with_ids(
    messages: Sequence["Message"], nicks: Nicks, style: Style = PLAIN, zone: tzinfo | None = None
) -> list[str]:
    """As in a history, each behind its id, by which it is pinned and unpinned."""
    lines = history(messages, nicks, style, zone)
    return [f"{style.dim(short_id(item['id']))} {line}" for item, line in zip(messages, lines, strict=True)]


def pin_changed(change: "PinChange") -> str:
    words = {
        (True, True): "pinned",
        (True, False): "was pinned already",
        (False, True): "no longer pinned",
        (False, False): "was not pinned",
    }
    return f"{short_id(change['id'])}: {words[bool(change['pinned']), bool(change['changed'])]}"


# Searches

_FOUND, _END = "\ue000", "\ue001"
"""Around what was found while a text is cleaned; private to us, so no text has them when they are put in."""

_HELD = {0x200C: "\ufe07", 0x200D: "\ufe08"}
_RELEASED = {0xFE07: "\u200c", 0xFE08: "\u200d"}
"""What stands for a joiner that may be shown, while marks are beside it. These variation selectors nothing
uses, and no name keeps any, so none can smuggle a joiner in."""

_MARKS = dict.fromkeys([ord(_FOUND), ord(_END), *_RELEASED])


def found(
    messages: Sequence["Message"],
    query: str,
    nicks: Nicks,
    style: Style = PLAIN,
    *,
    in_room: bool = True,
    zone: tzinfo | None = None,
) -> list[str]:
    """As in a history, with what was searched for marked."""
    from chatcore.words import parse  # noqa: PLC0415 - only a search needs it

    words = parse(query)
    for item in messages:
        nicks.observe(item["author"], item["username"])
    lines = []
    for item in messages:
        marked: Message = {**item, "text": _mark(item["text"], words)}
        line = message(marked, nicks, style, pattern="%Y-%m-%d %H:%M:%S", in_room=in_room, zone=zone)
        lines.append(
            re.sub(f"{_FOUND}(.*?){_END}", lambda match: style.match(match[1]), line).translate(_RELEASED)
        )
    return lines


def _mark(text: str, words: "Words") -> str:
    from chatcore.words import places_of  # noqa: PLC0415 - only a search needs it

    text = clean_text(text.translate(_MARKS))
    held = text.translate(_HELD)
    pieces, done = [], 0
    for start, end in places_of(words, text):
        pieces += [held[done:start], _FOUND, held[start:end], _END]
        done = end
    return "".join([*pieces, held[done:]])


def search_notes(page: "SearchPage") -> list[str]:
    """What a person has to know of a search beside what it found."""
    notes = [] if page["messages"] else ["nothing found"]
    if page["unindexed"]:
        notes.append(f"{page['unindexed']:,} messages are not indexed yet and were not searched; try again")
    elif page["incomplete"]:
        notes.append("older messages may be missing: the search took too long; go on, or use longer words")
    return notes


# Answers


def rooms(found: Sequence["Room"], style: Style = PLAIN, columns: int | None = None) -> str:
    rows = [[room_label(room["room"]), str(room["peers"]), _members(room)] for room in found]
    return table(["ROOM", "PEERS", "MEMBERS"], rows, columns, style)


def _members(room: "Room") -> str:
    nicks = _nicks_of(room["members"])
    names = [
        nicks.label(member["peer_id"], member["username"], member.get("alias")) for member in room["members"]
    ]
    more = len(names) - MAX_MEMBERS_SHOWN
    return ", ".join(names[:MAX_MEMBERS_SHOWN]) + (f" and {more} more" if more > 0 else "")


NARROW_COLUMNS = 60
"""Where a table of members is without their keys, so that the names stay whole."""


def members(found: Sequence["Present"], style: Style = PLAIN, columns: int | None = None) -> str:
    """Who is in a room, and who was there a while ago."""
    nicks = _nicks_of(found)
    header = ["NICK", "STATE", "LAST SEEN", "PEER"]
    rows = [
        [
            nicks.label(member["peer_id"], member["username"], member.get("alias"))
            + (" (you)" if member["you"] else ""),
            clean_line(member["state"]),
            "-" if member["you"] else f"{duration(member['last_seen_s'])} ago",
            short_id(member["peer_id"]),
        ]
        for member in found
    ]
    if columns is None or columns >= NARROW_COLUMNS:
        return table(header, rows, columns, style)
    shown = table(header[:-1], [row[:-1] for row in rows], columns, style)
    return f"{shown}\n{left_out(header[-1:], columns, style)}"


def renamed(change: "NameChange") -> str:
    name = clean_line(change["username"])
    return f"you are {name} now" if change["changed"] else f"you are {name} already"


NAME_LASTS = "until the daemon starts again; username in its config.toml keeps it"


def _nicks_of(people: Sequence[Mapping[str, Any]]) -> Nicks:
    nicks = Nicks()
    for person in people:
        nicks.observe(person["peer_id"], person["username"])
    return nicks


def status(shown: "Status", style: Style = PLAIN) -> str:
    rows = [
        ("daemon", f"{clean_line(shown['version'])}, up {duration(shown['uptime_s'])}"),
        ("identity", f"{clean_line(shown['username'])} ({short_id(shown['peer_id'])})"),
        ("network", clean_line(shown["network"])),
        ("listens", "no" if shown["listen"] is None else clean_line(shown["listen"])),
        ("peers", str(shown["peers"])),
        ("rooms", " ".join(room_label(room) for room in shown["rooms"])),
    ]
    if shown["peers"] and (histories := shown.get("history")):
        rows.append(("history", "; ".join(_histories(histories))))
    rows += [("dialling", line) for line in _dialled(shown)]
    if mdns := shown.get("mdns"):
        rows.append(("local net", _mdns(mdns)))
    store: Mapping[str, Any] = shown.get("store", {})  # an older daemon says nothing of it
    rows += [("quarantine", clean_line(path)) for path in store.get("quarantined", ())]
    if store.get("restored"):
        rows.append(("restored", "from a backup; sends nothing before it has caught up with a peer"))
    return pairs(rows, style)


def _histories(found: Sequence["RoomHistory"]) -> list[str]:
    """Rooms whose history is not here yet; one line for all when there are none."""
    open_ends = [
        f"{room_label(room['room'])} {outstanding(room['outstanding'])}"
        for room in found
        if room["state"] == "fetching"
    ]
    return open_ends or ["all that linked members have is here"]


def outstanding(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'} to come" if count else "is being compared"


def _mdns(mdns: "MdnsState") -> str:
    if mdns["state"] == "working":
        count = mdns["found"]
        return f"{count} node{'' if count == 1 else 's'} found by mDNS"
    why = f": {clean_line(mdns['reason'])}" if mdns["reason"] else ""
    return f"mDNS {clean_line(mdns['state'])}{why}"


def _dialled(shown: "Status") -> list[str]:
    """Each address that was given and is not linked; while nobody is, what else there is to dial."""
    lines = [_dialling(target) for target in shown["dialling"]]
    heard_of = shown.get("heard_of")  # an older daemon does not count them
    if shown["peers"] or heard_of is None:
        return lines
    if heard_of:
        return [*lines, f"{heard_of} address{'' if heard_of == 1 else 'es'} it has heard of"]
    return lines or ["nobody, as it knows no address: chatctl connect HOST:PORT"]


def _dialling(target: "Dialling") -> str:
    why = clean_line(target["reason"]) if target["reason"] else "no answer yet"
    again = "" if target["next_try_s"] is None else f"; again in {duration(target['next_try_s'])}"
    tries = f" after {target['failures']} tries" if target["failures"] > 1 else ""
    return f"{clean_line(target['address'])}: {why}{tries}{again}"


def stats(shown: "Stats", style: Style = PLAIN) -> str:
    """Every counter, those of a newer daemon too."""
    return pairs(_counters(shown, ""), style)


def _counters(counters: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in counters.items():
        label = prefix + clean_line(name)
        if isinstance(value, Mapping):
            rows += _counters(value, f"{label}.") or [(label, "none")]
        else:
            rows.append((label, "-" if value is None else clean_line(str(value))))
    return rows


def identity(shown: "IdentityInfo", style: Style = PLAIN) -> str:
    rows = [("username", "username"), ("peer id", "peer_id"), ("public key", "public_key")]
    return pairs([(label, clean_line(str(shown[key]))) for label, key in rows], style)  # type: ignore[literal-required]  # the three are its keys


def joined(change: "RoomChange") -> str:
    return f"{'joined' if change['changed'] else 'already in'} {room_label(change['room'])}"


def left(change: "RoomChange") -> str:
    return f"{'left' if change['changed'] else 'was not in'} {room_label(change['room'])}"


def connecting(answer: "Connecting") -> str:
    return f"{clean_line(answer['address'])}: {clean_line(answer['state'])}"


def delivery(shown: "MessageStatus") -> str:
    """In a few words: `delivered to 2`, `queued`."""
    state = clean_line(shown["state"])
    return f"{state} to {shown['confirmed']}" if shown["confirmed"] else state


def message_status(shown: "MessageStatus", style: Style = PLAIN) -> str:
    rows = [
        ("message", clean_line(shown["id"])),
        ("room", room_label(shown["room"])),
        ("state", delivery(shown)),
    ]
    if shown["confirmed_by"]:
        more = shown["confirmed"] - len(shown["confirmed_by"])
        names = " ".join(short_id(peer) for peer in shown["confirmed_by"])
        rows.append(("stored by", names + (f" and {more} more" if more > 0 else "")))
    if shown["reason"]:
        rows.append(("reason", clean_line(shown["reason"])))
    return pairs(rows, style)


# Events, as the interactive client tells them


def peer_changed(data: Mapping[str, Any], nicks: Nicks) -> str:
    who = (
        f"{nicks.label(data['peer_id'], data['username'], data.get('alias'))} ({clean_line(data['address'])})"
    )
    if data["state"] == "up":
        return f"-- linked with {who}"
    reason = clean_line(data.get("reason") or "")
    return f"-- lost {who}" + (f": {reason}" if reason else "")


def presence_changed(data: Mapping[str, Any], nicks: Nicks) -> str:
    who = nicks.label(data["peer_id"], data["username"], data.get("alias"))
    room = room_label(data["room"])
    match data["state"]:
        case "renamed":
            return f"-- {nicks.label(data['peer_id'], data['was'])} is called {who} now"
        case "lost":
            return f"-- {who} is gone from {room} without a word"
        case "joined":
            return f"-- {who} came into {room}"
        case _:
            return f"-- {who} left {room}"


def room_changed(data: Mapping[str, Any]) -> str:
    return f"-- you {'are now in' if data['state'] == 'joined' else 'left'} {room_label(data['room'])}"


# Shared


def duration(seconds: float, units: int = 2) -> str:
    """`3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 1 h`; with one unit `3 s`, `4 min`, `2 h`, `3 d`."""
    if seconds < 10 and units > 1:
        return f"{max(seconds, 0):.1f} s"
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        parts = f"{whole // 60} min", f"{whole % 60} s"
    elif whole < 86_400:
        parts = f"{whole // 3600} h", f"{whole % 3600 // 60} min"
    else:
        parts = f"{whole // 86_400} d", f"{whole % 86_400 // 3600} h"
    return " ".join(parts[:units])
