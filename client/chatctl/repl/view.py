"""What happens, as the lines that tell of it. Keeps the day it last told of; prints nothing itself."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from chatctl import render
from chatctl.failures import ClientFailure
from chatctl.latecomers import Late
from chatctl.limits import MAX_PAGE
from chatctl.repl.conversation import Conversation
from chatctl.repl.folding import Movement
from chatctl.repl.hints import hint_of
from chatctl.repl.namesakes import Namesakes
from chatctl.safetext import clean_line
from chatctl.stream import Away, Back, Event, Update
from chatctl.style import Style
from chatctl.table import cut

if TYPE_CHECKING:
    from chatcore.api import Message, SearchPage

_NOTE = "-- "
MAX_QUOTED_CELLS = 60


class View:
    """`names` tells who goes by a name that another had. `zone` None: the system's."""

    def __init__(
        self,
        conversation: Conversation,
        style: Style,
        today: date,
        zone: tzinfo | None = None,
        names: Namesakes | None = None,
    ) -> None:
        self._conversation = conversation
        self._style = style
        self._day = today.isoformat()
        self._zone = zone
        self._names = names or Namesakes({})
        self._meet_ourselves()

    def greeting(self) -> str:
        now = self._conversation
        who = f"{clean_line(now.me['username'])} ({render.short_id(now.me['peer_id'])})"
        peers = "no peers yet" if not now.peers else f"{now.peers} peer{'s' if now.peers > 1 else ''}"
        where = render.room_label(now.room) if now.rooms else "no room"
        return self.note(f"you are {who} in {where}, {peers}; /help lists the commands")

    def note(self, text: str) -> str:
        return self._style.dim(_NOTE + text)

    def rule(self, text: str) -> str:
        """Above what is new."""
        return self._style.unread(f"---- {text} ----")

    def error(self, failure: ClientFailure) -> str:
        hint = hint_of(failure)
        return self._style.warning(clean_line(f"!! {failure}" + (f"; {hint}" if hint else "")))

    # Messages

    def messages(self, found: Sequence["Message"]) -> list[str]:
        for item in found:
            self._conversation.nicks.observe(item["author"], item["username"])
        return [line for item in found for line in self.message(item)]

    def news(self, found: Sequence["Message"], mark: int, count: int, *, whole: bool) -> list[str]:
        """What came after `mark`, by `seq`, under a rule. `count`: how many are known to be new; not `whole`
        if there may be more before these."""
        new = [at for at, item in enumerate(found) if self._is_new(item, mark)]
        if not new:
            late = [self.rule(f"{count} new, from long ago; /history shows more")] if count else []
            return [*late, *self.messages(found)]
        rule = self.rule(_new(len(new), count, whole=whole))
        return [*self.messages(found[: new[0]]), rule, *self.messages(found[new[0] :])]

    def _is_new(self, item: "Message", mark: int) -> bool:
        return item["seq"] > mark and item["author"] != self._conversation.me["peer_id"]

    def found(self, page: "SearchPage", query: str) -> list[str]:
        """As a page of history reads: oldest first, nearest to the line that asked."""
        notes = [self.note(line) for line in render.search_notes(page)]
        if page["next"] is not None:
            notes.insert(0, self.note("there is more; chatctl search shows it"))
        found = page["messages"][::-1]
        return [*render.found(found, query, self._conversation.nicks, self._style, zone=self._zone), *notes]

    def message(self, shown: "Message") -> list[str]:
        """Its line, under a line with the date when that is another than of the line before."""
        now = self._conversation
        warning = self.introduced(shown["author"], shown["username"], shown.get("alias"))
        day = render.moment(shown, "%Y-%m-%d", self._zone)
        lines = [] if day == self._day else [self.note(render.moment(shown, "%A, %d %B %Y", self._zone))]
        self._day = day
        return [*warning, *lines, self._line(shown, in_room=shown["room"] != now.room)]

    def _line(self, shown: "Message", *, in_room: bool) -> str:
        now = self._conversation
        me = "" if shown["author"] == now.me["peer_id"] else now.me["username"]
        return render.message(shown, now.nicks, self._style, in_room=in_room, me=me, zone=self._zone)

    def mentioned(self, shown: "Message") -> list[str]:
        """In a room that is not looked at; the message itself is shown there."""
        warning = self.introduced(shown["author"], shown["username"], shown.get("alias"))
        nick = self._conversation.nicks.label(shown["author"], shown["username"], shown.get("alias"))
        room = render.room_label(shown["room"])
        return [
            *warning,
            self.note(f"{nick} names you in {room}: {cut(clean_line(shown['text']), MAX_QUOTED_CELLS)}"),
        ]

    def late(self, late: Late) -> list[str]:
        """What was said before something that stands above."""
        if not late.messages:
            return [self.note(f"{render.late(late)}; {self._where_they_are(late)} shows them in their place")]
        heading = [self.note(render.SAID_BEFORE)] if late.before else []
        return [*heading, *self.messages(late.messages)]

    def _where_they_are(self, late: Late) -> str:
        enough = render.enough(late)
        if enough > MAX_PAGE:
            return render.history_of(late)
        there = "" if late.room == self._conversation.room else f"/join {late.room} and "
        return f"{there}/history {enough}"

    def beyond_us(self) -> str:
        """Of what a newer daemon tells."""
        return self.note("something happened that this client cannot show; update it")

    def _meet_ourselves(self) -> None:
        me = self._conversation.me
        self._names.meet(me["peer_id"], me["username"])

    def introduced(self, peer_id: str, username: str, alias: str | None = None) -> list[str]:
        """Loud where a name that one key had turns up with another."""
        before = self._names.meet(peer_id, username)
        if before is None:
            return []
        nicks = self._conversation.nicks
        nicks.observe(before, username)
        name = clean_line(username)
        now = nicks.label(peer_id, username, alias)
        if before == self._conversation.me["peer_id"]:
            what = f"{now} goes by your own name, with another key"
        else:
            known = nicks.label(before, username)
            what = f"{now} is not the {name} you knew, who is {known}: the key is another"
        return [self._style.warning(f"!! {what}")]

    # Events

    def update(self, update: Update) -> list[str]:
        match update:
            case Event(topic, data):
                return self._event(topic, data)
            case Away():
                return [self.note("the daemon went away; waiting for it to come back")]
            case Back(snapshot, resumed):
                moved = self._conversation.take(snapshot)
                told = self.note("the daemon is back") if resumed else self._replaced()
                return [told, *self.moved(moved)]

    def _replaced(self) -> str:
        me = self._conversation.me
        who = f"{clean_line(me['username'])} ({render.short_id(me['peer_id'])})"
        return self._style.warning(f"!! another daemon answers now: you are {who}; see /history")

    def _event(self, topic: str, data: dict[str, Any]) -> list[str]:
        match topic:
            case "message":
                return self.message(data)  # type: ignore[arg-type]  # misshapen ones are caught by the caller
            case "state":
                return self._state_changed(data)
            case "identity":
                self._conversation.me["username"] = data["username"]
                self._meet_ourselves()
                return [self.note(f"you are {clean_line(data['username'])} now")]
            case "room":
                return self._room_changed(data)
            case "presence":
                return self._seen(data)
            case "gap":
                self._conversation.deliveries.forget()
                return [self.note("too much happened at once: some joins and leaves were not shown")]
            case _:
                return []  # of a newer daemon

    def movement(self, topic: str, data: dict[str, Any]) -> Movement | None:
        """Somebody's coming or going, if that is what the event tells; several make one line."""
        now = self._conversation
        if topic == "peer":
            now.link(data["peer_id"], up=data["state"] == "up")
            where, line = "", render.peer_changed(data, now.nicks)
        elif data["state"] in ("joined", "left", "lost"):
            where, line = render.room_label(data["room"]), render.presence_changed(data, now.nicks)
        else:
            return None
        name = now.nicks.label(data["peer_id"], data["username"], data.get("alias"))
        return Movement(where, data["peer_id"], data["state"], name, line.removeprefix(_NOTE))

    def _seen(self, data: dict[str, Any]) -> list[str]:
        """What is to be told at once of somebody in a room: another name."""
        if data["state"] in ("left", "lost"):
            self._conversation.part(data["room"], data["peer_id"])
            return []
        self._conversation.meet(data["room"], data["peer_id"], data["username"])
        if data["state"] != "renamed":
            return []
        return [self._style.dim(render.presence_changed(data, self._conversation.nicks))]

    def _state_changed(self, data: dict[str, Any]) -> list[str]:
        text = self._conversation.deliveries.changed(data)
        if not text:
            return []
        return [self._style.warning(f"!! {text}") if data["state"] == "refused" else self.note(text)]

    def _room_changed(self, data: dict[str, Any]) -> list[str]:
        line = self._style.dim(render.room_changed(data))
        if data["state"] == "joined":
            self._conversation.add(data["room"])
            return [line]
        return [line, *self.left(data["room"])]

    def left(self, room: str) -> list[str]:
        return self.moved(self._conversation.leave(room))

    def moved(self, moved: bool) -> list[str]:
        """To the room we talk in now, unless not `moved`."""
        return [self.note(f"you talk in {render.room_label(self._conversation.room)} now")] if moved else []


def _new(shown: int, count: int, *, whole: bool) -> str:
    if count > shown:
        return f"{count} new, {shown} of them here; /history shows more"
    return f"{shown} new" if whole else f"{shown} new, or more; /history shows what was before"


def today(zone: tzinfo | None = None) -> date:
    return datetime.now(UTC).astimezone(zone).date()
