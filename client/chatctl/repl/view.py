"""What happens, as the lines that tell of it. Keeps the day it last told of; prints nothing itself."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from chatctl import render
from chatctl.failures import ClientFailure, RpcRefused
from chatctl.repl.conversation import Conversation
from chatctl.safetext import clean_line
from chatctl.stream import Away, Back, Event, Update
from chatctl.style import Style

if TYPE_CHECKING:
    from chatcore.api import Message, SearchPage

_HINTS = {"not_in_room": "come into one with /join ROOM"}
"""Where the daemon's own hint names a command of chatctl."""


class View:
    def __init__(
        self, conversation: Conversation, style: Style, today: date, zone: tzinfo | None = None
    ) -> None:
        self._conversation = conversation
        self._style = style
        self._day = today.isoformat()
        self._zone = zone

    def greeting(self) -> str:
        now = self._conversation
        who = f"{clean_line(now.me['username'])} ({render.short_id(now.me['peer_id'])})"
        peers = "no peers yet" if not now.peers else f"{now.peers} peer{'s' if now.peers > 1 else ''}"
        where = render.room_label(now.room) if now.rooms else "no room"
        return self.note(f"you are {who} in {where}, {peers}; /help lists the commands")

    def note(self, text: str) -> str:
        return self._style.dim(f"-- {text}")

    def error(self, failure: ClientFailure) -> str:
        kind = failure.kind if isinstance(failure, RpcRefused) else ""
        hint = _HINTS.get(kind, failure.hint)
        return self._style.warning(clean_line(f"!! {failure}" + (f"; {hint}" if hint else "")))

    def messages(self, found: Sequence["Message"]) -> list[str]:
        for item in found:
            self._conversation.nicks.observe(item["author"], item["username"])
        return [line for item in found for line in self.message(item)]

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
        day = render.moment(shown, "%Y-%m-%d", self._zone)
        lines = [] if day == self._day else [self.note(render.moment(shown, "%A, %d %B %Y", self._zone))]
        self._day = day
        elsewhere = shown["room"] != now.room
        return [*lines, render.message(shown, now.nicks, self._style, in_room=elsewhere, zone=self._zone)]

    def update(self, update: Update) -> list[str]:
        match update:
            case Event(topic, data):
                return self._event(topic, data)
            case Away():
                return [self.note("the daemon went away; waiting for it to come back")]
            case Back(snapshot, resumed):
                self._conversation.take(snapshot)
                return [self.note("the daemon is back")] if resumed else [self._replaced()]

    def _replaced(self) -> str:
        me = self._conversation.me
        who = f"{clean_line(me['username'])} ({render.short_id(me['peer_id'])})"
        return self._style.warning(f"!! another daemon answers now: you are {who}; see /history")

    def _event(self, topic: str, data: dict[str, Any]) -> list[str]:
        match topic:
            case "message":
                if "state" in data:
                    self._conversation.deliveries.said(data["id"], data["state"])
                return self.message(data)  # type: ignore[arg-type]  # misshapen ones are caught by the caller
            case "state":
                return self._state_changed(data)
            case "peer":
                self._conversation.peers += 1 if data["state"] == "up" else -1
                return [self._style.dim(render.peer_changed(data, self._conversation.nicks))]
            case "presence":
                return self._presence_changed(data)
            case "identity":
                self._conversation.me["username"] = data["username"]
                return [self.note(f"you are {clean_line(data['username'])} now")]
            case "room":
                return self._room_changed(data)
            case "gap":
                self._conversation.deliveries.forget()
                return [self.note("too much happened at once: some joins and leaves were not shown")]
            case _:
                return []  # of a newer daemon

    def _presence_changed(self, data: dict[str, Any]) -> list[str]:
        nicks = self._conversation.nicks
        if data["state"] == "here":  # that we learn of somebody now is no news
            nicks.observe(data["peer_id"], data["username"])
            return []
        return [self._style.dim(render.presence_changed(data, nicks))]

    def _state_changed(self, data: dict[str, Any]) -> list[str]:
        text = self._conversation.deliveries.changed(data)
        if not text:
            return []
        return [self._style.warning(f"!! {text}") if data["state"] == "refused" else self.note(text)]

    def _room_changed(self, data: dict[str, Any]) -> list[str]:
        line = self._style.dim(render.room_changed(data))
        if data["state"] == "joined":
            self._conversation.rooms.add(data["room"])
            return [line]
        return [line, *self.left(data["room"])]

    def left(self, room: str) -> list[str]:
        moved = self._conversation.leave(room)
        return [self.note(f"you talk in {render.room_label(self._conversation.room)} now")] if moved else []


def today(zone: tzinfo | None = None) -> date:
    return datetime.now(UTC).astimezone(zone).date()
