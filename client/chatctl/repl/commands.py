"""The slash commands of the chat: one table, and a small function for each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatctl import checkup, render, render_peers
from chatctl.failures import BadUsage
from chatctl.limits import MAX_PAGE
from chatctl.render_text import ACTION
from chatctl.table import pairs

if TYPE_CHECKING:
    from chatctl.repl.chat import Chat

DEFAULT_LINES = 20
ROOM, PERSON = "room", "person"


@dataclass(frozen=True, slots=True)
class Command:
    """`run` raises ClientFailure. `takes` is for completion. A `quiet` one has no answer.

    Without a summary it stands in another's, so that the list fits a terminal of 24 lines.
    """

    usage: str
    summary: str
    run: "Callable[[Chat, str], Awaitable[None]]"
    takes: str = ""
    quiet: bool = False

    @property
    def takes_words(self) -> bool:
        return " " in self.usage


async def _help(chat: "Chat", _: str) -> None:
    rows = [(command.usage, command.summary) for command in COMMANDS.values() if command.summary]
    chat.show(pairs([*rows, ("//text", "say something that starts with a slash")], chat.style))


async def _peers(chat: "Chat", _: str) -> None:
    found = await chat.stream.call("peer.list")
    text = render_peers.peers(found, chat.style, chat.screen.columns)
    chat.show(text if found else chat.view.note("no peers yet; /status shows whom the daemon dials"))


async def _history(chat: "Chat", argument: str) -> None:
    await chat.reading.show_history(_number(argument, "/history 50 shows the last fifty"))


def _number(argument: str, hint: str) -> int:
    if argument and not (argument.isascii() and argument.isdigit() and int(argument[:9]) > 0):
        raise BadUsage(f"{argument!r} is not a number of messages", hint)
    number = int(argument[:9] or DEFAULT_LINES)
    if number > MAX_PAGE:
        raise BadUsage(f"{argument} messages are too many at once", f"at most {MAX_PAGE}, or /search WORDS")
    return number


async def _ids(chat: "Chat", argument: str) -> None:
    params = {"room": chat.conversation.room, "limit": _number(argument, "/ids 5 shows the last five")}
    found = await chat.stream.call("message.history", params)
    nothing = chat.view.note("nothing was said here yet")
    chat.show(*(render.with_ids(found, chat.conversation.nicks, chat.style) or [nothing]))


async def _search(chat: "Chat", argument: str) -> None:
    if not argument:
        raise BadUsage("which words", "/search kettle finds them in every room")
    page = await chat.stream.call("message.search", {"query": argument, "limit": DEFAULT_LINES})
    chat.show(*chat.view.found(page, argument))


async def _pin(chat: "Chat", argument: str) -> None:
    if not argument:
        found = await chat.stream.call("message.history", {"room": chat.conversation.room, "limit": 1})
        if not found:
            raise BadUsage("there is nothing to pin", "/pin ID pins a message of another room, too")
        chat.show(*chat.view.messages(found))
        argument = found[0]["id"]
    change = await chat.stream.call("message.pin", {"id": argument})
    chat.show(chat.view.note(render.pin_changed(change)))


async def _unpin(chat: "Chat", argument: str) -> None:
    if not argument:
        raise BadUsage("which message", "/pins shows them with their ids; ten digits are enough")
    change = await chat.stream.call("message.unpin", {"id": argument})
    chat.show(chat.view.note(render.pin_changed(change)))


async def _pins(chat: "Chat", _: str) -> None:
    room = chat.conversation.room
    found = await chat.stream.call("message.pins", {"room": room, "limit": DEFAULT_LINES})
    nothing = chat.view.note(f"nothing is pinned in {render.room_label(room)}; /pin pins what was said last")
    chat.show(*(render.with_ids(found, chat.conversation.nicks, chat.style) or [nothing]))


async def _stats(chat: "Chat", _: str) -> None:
    chat.show(render.stats(await chat.stream.call("node.stats"), chat.style))


async def _doctor(chat: "Chat", _: str) -> None:
    chat.show(*checkup.diagnosis(await chat.stream.call("node.doctor"), chat.style, chat.screen.columns))


async def _id(chat: "Chat", _: str) -> None:
    chat.show(render.identity(await chat.stream.call("identity.show"), chat.style))


async def _clear(chat: "Chat", _: str) -> None:
    chat.screen.clear()


async def _quit(chat: "Chat", _: str) -> None:
    chat.over = True


async def _join(chat: "Chat", argument: str) -> None:
    if not argument:
        raise BadUsage("which room", "/join rust comes into #rust")
    if not await chat.enter(argument):  # otherwise its event says so
        chat.show(chat.view.note(f"you talk in {render.room_label(chat.conversation.room)} now"))
    await chat.open_room()


async def _leave(chat: "Chat", argument: str) -> None:
    change = await chat.stream.call("room.leave", {"room": argument or chat.conversation.room})
    chat.show(*chat.view.left(change["room"]))  # unless its event came first
    await chat.open_new_room()


async def _me(chat: "Chat", argument: str) -> None:
    if not argument:
        raise BadUsage("what do you do", "/me waves shows as: * ann waves")
    await chat.say(ACTION + argument)


async def _status(chat: "Chat", argument: str) -> None:
    if argument:
        found = await chat.stream.call("message.status", {"id": argument})
        chat.show(render.message_status(found, chat.style))
    else:
        chat.show(render.status(await chat.stream.call("node.status"), chat.style))


async def _rooms(chat: "Chat", _: str) -> None:
    found = await chat.stream.call("room.list")
    text = render.rooms(found, chat.style, chat.screen.columns)
    chat.show(text if found else chat.view.note("in no room; /join ROOM comes into one"))


async def _block(chat: "Chat", argument: str) -> None:
    if not argument:
        raise BadUsage("whom", "/block bob~k3f9 shows nothing more of theirs")
    change = await chat.stream.call("peer.block", {"peer": argument})
    chat.show(chat.view.note(render_peers.blocked(change)))


async def _unblock(chat: "Chat", argument: str) -> None:
    if not argument:
        raise BadUsage("whom", "/unblock bob~k3f9 shows what they say again")
    change = await chat.stream.call("peer.unblock", {"peer": argument})
    chat.show(chat.view.note(render_peers.unblocked(change)))


async def _alias(chat: "Chat", argument: str) -> None:
    """A nick may hold spaces, a name of one's own in the chat may not: the last word is the name."""
    if not argument:
        found = await chat.stream.call("peer.aliases")
        text = render_peers.acquaintances(found, chat.style, chat.screen.columns)
        chat.show(text if found else chat.view.note("you gave nobody a name; /alias PEER NAME does"))
        return
    peer, _, name = argument.rpartition(" ")
    if not peer:
        raise BadUsage("which name", "/alias bob~k3f9 Bobby gives one, /alias Bobby - takes it away")
    params = {"peer": peer.strip(), "alias": "" if name == "-" else name}
    chat.show(chat.view.note(render_peers.named(await chat.stream.call("peer.alias", params))))


async def _who(chat: "Chat", argument: str) -> None:
    found = await chat.stream.call("room.members", {"room": argument or chat.conversation.room})
    chat.show(render.members(found, chat.style, chat.screen.columns))


async def _nick(chat: "Chat", argument: str) -> None:
    if not argument:
        raise BadUsage("which name", "/nick ann makes you ann")
    change = await chat.stream.call("node.rename", {"username": argument})
    # What changed is told by its event.
    chat.show(chat.view.note(render.NAME_LASTS if change["changed"] else render.renamed(change)))


COMMANDS = {
    "help": Command("/help", "show this list", _help),
    "join": Command("/join ROOM", "come into a room, or talk in one you are in", _join, takes=ROOM),
    "leave": Command("/leave [ROOM]", "leave a room, this one if none is named", _leave, takes=ROOM),
    "rooms": Command("/rooms", "the rooms you are in", _rooms),
    "who": Command("/who [ROOM]", "who is in this room, or was a while ago", _who, takes=ROOM),
    "me": Command("/me TEXT", "say what you do: /me waves shows as * ann waves", _me, quiet=True),
    "nick": Command("/nick NAME", "take another name", _nick),
    "history": Command("/history [N]", "the last N messages of this room; /ids [N] with ids", _history),
    "ids": Command("/ids [N]", "", _ids),
    "search": Command("/search WORDS", "the last messages with these words, in any room", _search),
    "pin": Command("/pin [ID]", "keep a message for good, the last one here if none is named", _pin),
    "unpin": Command("/unpin ID", "keep it no longer than others", _unpin),
    "pins": Command("/pins", "the last pinned messages of this room, with their ids", _pins),
    "peers": Command("/peers", "with whom this node is linked", _peers),
    "alias": Command(
        "/alias [PEER NAME]", "give somebody a name of your own, or list them", _alias, takes=PERSON
    ),
    "block": Command("/block PEER", "show nothing more of somebody's", _block, takes=PERSON),
    "unblock": Command("/unblock PEER", "show it again", _unblock, takes=PERSON),
    "stats": Command("/stats", "what the daemon has counted", _stats),
    "status": Command("/status [ID]", "how this node is doing, or a message of yours", _status),
    "doctor": Command("/doctor", "what is wrong with this node, why, and what to do", _doctor),
    "id": Command("/id", "who you are", _id),
    "clear": Command("/clear", "clear the screen", _clear, quiet=True),
    "quit": Command("/quit", "leave; Ctrl-D does too", _quit, quiet=True),
}
