"""`send` and `tail`: what is said."""

import click

from chatctl import candidates, render
from chatctl.commands.answering import answer
from chatctl.failures import BadUsage
from chatctl.invocation import Invocation
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
        ("chatctl send -- '-1 is a number'", "a text that starts with a dash"),
        ("chatctl send --wait --timeout 60 'are you there?'", "until somebody has it"),
    ),
)
@click.option("--wait", is_flag=True, help="Wait until another member has it on disk, at most for --timeout.")
@click.argument("text", type=utf8, metavar="TEXT|-")
@click.pass_obj
def send_command(told: Invocation, text: str, room: str | None, wait: bool) -> None:
    """Say something; prints the message's id once it is safely stored.

    With --wait the exit status is 0 when it was delivered, 4 when it was not in time and is kept.
    """
    message = _read_message(told) if text == "-" else text
    _check_size(message)
    params = {"text": message} | ({"room": room} if room is not None else {})

    def show(sent: dict[str, str]) -> None:
        told.out(render.short_id(sent["id"]))
        if sent["state"] == "queued" and not wait:
            where = render.room_label(sent["room"])
            told.say(f"nobody in {where} is connected; {KEPT}")

    sent = told.rpc().call("message.send", params)
    if not (wait and told.as_json):  # then there is one document, of how it went
        answer(told, "message.send", sent, show)
    if wait:
        from chatctl.commands.delivery import wait_until_delivered  # noqa: PLC0415 - seldom asked for

        told.flush()
        wait_until_delivered(told, sent)


def _read_message(told: Invocation) -> str:
    from chatcore.envelopes import MAX_TEXT_BYTES  # noqa: PLC0415 - it brings the cryptography along

    if told.env.stdin.isatty():
        told.say("reading the message from the terminal; Ctrl-D on an empty line sends it")
    data = told.env.stdin.read(MAX_TEXT_BYTES + len("\r\n") + 1)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if len(data) > MAX_TEXT_BYTES:
            raise _too_long(MAX_TEXT_BYTES) from error  # cut inside a character, perhaps
        raise BadUsage(
            "standard input is not valid UTF-8", "convert it first, for example with iconv"
        ) from error
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _check_size(text: str) -> None:
    if len(text) < 4096:  # whatever they are, so many characters fit
        return
    from chatcore.envelopes import MAX_TEXT_BYTES  # noqa: PLC0415 - it brings the cryptography along

    if len(text.encode()) > MAX_TEXT_BYTES:
        raise _too_long(MAX_TEXT_BYTES)


def _too_long(limit: int) -> BadUsage:
    return BadUsage(
        f"the message is over {limit} bytes ({limit // 1024} KiB)", "split it into several messages"
    )


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
    type=click.IntRange(min=0),
    default=TAIL_LINES,
    show_default=True,
    metavar="N",
    help="Old ones.",
)
@click.pass_obj
def tail_command(told: Invocation, room: str | None, follow: bool, limit: int) -> None:
    """Show the last messages of a room, one a line, and with -f each new one as it comes."""
    from chatctl.commands.tailing import tail as run  # noqa: PLC0415 - asyncio with it

    run(told, room or "lobby", limit, follow=follow)
