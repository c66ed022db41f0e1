"""`peers` and `connect`: with whom this node is linked, and with whom it should be."""

from typing import Any

import click

from chatctl import render
from chatctl.commands.answering import ask
from chatctl.invocation import Invocation
from chatctl.options import Command, utf8


@click.command(
    "peers",
    cls=Command,
    examples=(
        ("chatctl peers", "a table"),
        ("chatctl peers --json | jq length", "how many there are"),
    ),
)
@click.pass_obj
def peers_command(told: Invocation) -> None:
    """List the peers this node is linked with."""

    def show(found: Any) -> None:
        if found:
            told.out(render.peers(found, told.style, told.env.columns()))
        else:
            told.say("no peers yet; chatctl status shows whom it is dialling")

    ask(told, "peer.list", None, show)


@click.command(
    "connect",
    cls=Command,
    examples=(
        ("chatctl connect 192.0.2.7:8080", "dial a node"),
        ("chatctl connect '[2001:db8::1]:8080'", "by IPv6"),
    ),
)
@click.argument("address", type=utf8, metavar="HOST:PORT")
@click.pass_obj
def connect_command(told: Invocation, address: str) -> None:
    """Dial an address, and keep dialling it while it does not answer."""
    ask(told, "peer.connect", {"address": address}, lambda answer: told.say(render.connecting(answer)))
