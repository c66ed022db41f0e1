"""`send` and `tail`: what is said."""

import contextlib
from collections.abc import Iterator
from typing import Any

import click

from chatctl import candidates, render
from chatctl.commands import standard_input
from chatctl.commands.answering import MISSHAPEN, answer, misshapen
from chatctl.failures import BadUsage, OutputFailed
from chatctl.invocation import Invocation
from chatctl.limits import MAX_PAGE
from chatctl.options import Command, utf8

ROOM = click.Option(
    ["--room", "-r"],
    type=utf8,
    metavar="ROOM",
    help="The room, with or without #.  [default: lobby]",
    shell_complete=candidates.known_rooms,
)
TAIL_LINES = 10
KEPT = "it is kept here, and goes out once somebody is"


@click.command(
    "send",
    cls=Command,
    params=[ROOM],
    examples=(
        ("chatctl send 'hello, world'", "say something in #lobby"),
        ("chatctl send --room rust 'anyone here?'", "in another room"),
        ("uptime | chatctl send -", "send what a program prints, as one message"),
        ("tail -f log | chatctl send - --lines", "each line as it comes"),
        ("chatctl send -- '-1 is a number'", "a text that starts with a dash"),
        ("chatctl send --wait --timeout 60 'are you there?'", "until somebody has it"),
    ),
)
@click.option("--wait", is_flag=True, help="Wait until another member has it on disk, at most for --timeout.")
@click.option("--lines", is_flag=True, help="With -: send each line that is not blank as a message.")
@click.argument("text", type=utf8, metavar="TEXT|-")
@click.pass_obj
def send_command(told: Invocation, *, text: str, room: str | None, wait: bool, lines: bool) -> None:
    """Say something; prints the message's id once it is safely stored. A message has 16 KiB at most.

    With --wait the exit status is 0 when it was delivered, 4 when it was not in time and is kept. With
    --lines the next line is read once the one before is stored; the first that fails ends it, and is named.
    """
    if lines:
        _send_lines(told, text, room, wait=wait)
        return
    message = standard_input.whole(told) if text == "-" else text
    standard_input.check_size(message)
    sent = _send(told, message, room)
    if not (wait and told.as_json):  # then there is one document, of how it went
        with _said_already():
            answer(told, "message.send", sent, lambda shown: _show(told, shown, quiet=wait))
            told.flush()
    if wait:
        from chatctl.commands.delivery import wait_until_delivered  # noqa: PLC0415 - seldom asked for

        with _said_already():
            wait_until_delivered(told, sent)


def _send(told: Invocation, text: str, room: str | None) -> Any:
    return told.rpc().call("message.send", {"text": text} | ({"room": room} if room is not None else {}))


@contextlib.contextmanager
def _said_already() -> Iterator[None]:
    """Within it standard output may fail, and who sends again would say it twice."""
    try:
        yield
    except OutputFailed as failure:
        raise OutputFailed(f"the message was sent; {failure}", "do not send it again") from failure


def _show(told: Invocation, sent: Any, *, quiet: bool) -> None:
    told.out(render.short_id(sent["id"]))
    if sent["state"] == "queued" and not quiet:
        told.say(f"nobody in {render.room_label(sent['room'])} is connected; {KEPT}")


def _send_lines(told: Invocation, text: str, room: str | None, *, wait: bool) -> None:
    if text != "-":
        raise BadUsage("--lines reads standard input", "write - in place of the text")
    if wait:
        raise BadUsage("--wait is for one message, --lines sends many", "leave out one of them")
    queued, heard = False, True
    for number, line in standard_input.lines(told):
        with standard_input.at_line(number):
            sent = _send(told, line, room)
        try:
            with standard_input.at_line(number), _said_already():
                if heard and told.as_json:
                    told.out(told.to_json(sent))
                elif heard:
                    _show(told, sent, quiet=queued)  # once is enough
                if heard:
                    told.flush()
            queued = sent["state"] == "queued"
        except MISSHAPEN as error:
            raise misshapen("message.send") from error
        except BrokenPipeError:
            heard = False  # whoever read the ids wants no more; what is to be said is said all the same
    if not heard:
        raise BrokenPipeError  # as when any command's reader has gone


@click.command(
    "tail",
    cls=Command,
    params=[ROOM],
    examples=(
        ("chatctl tail -f", "the last ten messages of #lobby, then each new one"),
        ("chatctl tail -f --json | jq -r .text", "one JSON document a line"),
        ("chatctl tail -f --limit 0", "only what is new"),
    ),
)
@click.option("--follow", "-f", is_flag=True, help="Go on with each new message, until Ctrl-C.")
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(0, MAX_PAGE),
    default=TAIL_LINES,
    show_default=True,
    metavar="N",
    help=f"Old ones, at most {MAX_PAGE}.",
)
@click.pass_obj
def tail_command(told: Invocation, room: str | None, follow: bool, limit: int) -> None:
    """Show the last messages of a room, one a line, and with -f each new one as it comes."""
    from chatctl.commands.tailing import tail as run  # noqa: PLC0415 - asyncio with it

    run(told, room or "lobby", limit, follow=follow)
