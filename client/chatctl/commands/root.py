"""The `chatctl` command itself: what is common to all its commands, and the list of them."""

import contextlib

import click

from chatctl.options import Group, invocation_of

COMMANDS = {
    "send": "chatctl.commands.messages",
    "history": "chatctl.commands.reading",
    "search": "chatctl.commands.reading",
    "pin": "chatctl.commands.pinning",
    "unpin": "chatctl.commands.pinning",
    "pins": "chatctl.commands.pinning",
    "export": "chatctl.commands.archive",
    "import": "chatctl.commands.archive",
    "tail": "chatctl.commands.messages",
    "rooms": "chatctl.commands.rooms",
    "who": "chatctl.commands.rooms",
    "join": "chatctl.commands.rooms",
    "leave": "chatctl.commands.rooms",
    "peers": "chatctl.commands.peers",
    "connect": "chatctl.commands.peers",
    "disconnect": "chatctl.commands.peers",
    "block": "chatctl.commands.people",
    "unblock": "chatctl.commands.people",
    "blocked": "chatctl.commands.people",
    "alias": "chatctl.commands.people",
    "status": "chatctl.commands.node",
    "stats": "chatctl.commands.node",
    "doctor": "chatctl.commands.doctor",
    "id": "chatctl.commands.node",
    "nick": "chatctl.commands.node",
    "call": "chatctl.commands.node",
    "stop": "chatctl.commands.node",
    "backup": "chatctl.commands.backups",
    "restore": "chatctl.commands.backups",
    "completion": "chatctl.commands.completion",
}
"""Loaded one by one: a keystroke on `peers` need not pay for the others."""

EXAMPLES = (
    ("chatctl status", "is it running, and with whom is it linked"),
    ("chatctl send 'hello, world'", "say something in #lobby"),
    ("git log -1 | chatctl send - --room dev", "send what a program prints"),
    ("chatctl history --limit 20", "what was said"),
    ("chatctl search kettle", "where a word was said"),
    ("chatctl tail -f --json | jq -r .text", "every new message, for a script"),
)


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow

        told, number = invocation_of(ctx), None
        with contextlib.suppress(PackageNotFoundError):
            number = version("chatd")
        if told.as_json:
            told.document({"program": "chatctl", "version": number})
        else:
            told.out(f"chatctl {number or 'of a source tree'}")
        ctx.exit()


@click.group(cls=Group, table=COMMANDS, examples=EXAMPLES)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
def chatctl() -> None:
    """Talk to the chat daemon of this machine.

    Answers go to standard output, everything else to standard error. Exit status: 0 done, 1 refused by the
    daemon, 2 daemon unreachable, 3 wrong usage, 4 not delivered yet (send --wait), 5 timed out.
    """
