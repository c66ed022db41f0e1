"""`peers`, `connect` and `disconnect`: with whom this node is linked, and with whom it should be."""

from typing import Any

import click

from chatctl import candidates, render, render_peers
from chatctl.commands.answering import ask
from chatctl.invocation import Invocation
from chatctl.options import Command, utf8


@click.command(
    "peers",
    cls=Command,
    examples=(
        ("chatctl peers", "a table"),
        ("chatctl peers --all", "and those lost lately, with the reasons"),
        ("chatctl peers --json | jq length", "how many there are"),
    ),
)
@click.option("--all", "everybody", is_flag=True, help="Also those whose links were lost lately, and why.")
@click.pass_obj
def peers_command(told: Invocation, everybody: bool) -> None:
    """List the peers this node is linked with."""

    def show(found: Any) -> None:
        if found:
            told.out(render_peers.peers(found, told.style, told.env.columns()))
        else:
            told.say("no peers yet; chatctl status shows whom it is dialling")

    ask(told, "peer.list", {"all": True} if everybody else None, show)


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


@click.command(
    "disconnect",
    cls=Command,
    examples=(
        ("chatctl disconnect 192.0.2.7:8080", "undo a connect"),
        ("chatctl disconnect bob~k3f9", "by who it is"),
    ),
)
@click.argument("peer", type=utf8, metavar="PEER|HOST:PORT", shell_complete=candidates.linked)
@click.pass_obj
def disconnect_command(told: Invocation, peer: str) -> None:
    """End a link, and dial its address no more. For ten minutes the peer is not linked with at all."""
    params = {"peer": peer}
    ask(told, "peer.disconnect", params, lambda answer: told.say(render_peers.disconnected(answer)))
