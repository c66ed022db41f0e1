"""`block`, `unblock`, `blocked` and `alias`: what this node's owner settles about people."""

from typing import Any

import click

from chatctl import candidates, render_peers
from chatctl.commands.answering import MISSHAPEN, answer, ask, misshapen
from chatctl.invocation import Invocation
from chatctl.options import Command, utf8


@click.command(
    "block",
    cls=Command,
    examples=(
        ("chatctl block bob~k3f9", "as messages show somebody, with a piece of the key"),
        ("chatctl block k3f9wmaaqz", "by the first ten characters of a peer id"),
    ),
)
@click.argument("peer", type=utf8, metavar="PEER", shell_complete=candidates.people)
@click.pass_obj
def block_command(told: Invocation, peer: str) -> None:
    """Show nothing more of what somebody says, and do not link with them.

    Their messages are kept and handed on like others, so that histories stay equal: unblock shows them again.
    """
    ask(told, "peer.block", {"peer": peer}, lambda change: told.say(render_peers.blocked(change)))


@click.command("unblock", cls=Command, examples=(("chatctl unblock bob~k3f9", "show what they say again"),))
@click.argument("peer", type=utf8, metavar="PEER", shell_complete=candidates.kept_away)
@click.pass_obj
def unblock_command(told: Invocation, peer: str) -> None:
    """Undo a block; and forgive a peer that its score keeps away."""
    ask(told, "peer.unblock", {"peer": peer}, lambda change: told.say(render_peers.unblocked(change)))


@click.command("blocked", cls=Command, examples=(("chatctl blocked", "who is kept away, and why"),))
@click.pass_obj
def blocked_command(told: Invocation) -> None:
    """List whom you blocked, and whom their score keeps away for a day."""
    blocked = told.rpc().call("peer.blocked")
    discouraged = told.rpc().call("peer.discouraged")
    if told.as_json:
        told.document({"blocked": blocked, "discouraged": discouraged})
        return
    try:
        _show_blocked(told, blocked, discouraged)
    except BrokenPipeError:
        raise
    except MISSHAPEN as error:
        raise misshapen("peer.blocked") from error


def _show_blocked(told: Invocation, blocked: Any, discouraged: Any) -> None:
    columns = told.env.columns()
    parts = [render_peers.acquaintances(blocked, told.style, columns)] if blocked else []
    parts += [render_peers.discouraged(discouraged, told.style, columns)] if discouraged else []
    if parts:
        told.out("\n\n".join(parts))
    else:
        told.say("nobody is blocked or discouraged")


@click.command(
    "alias",
    cls=Command,
    examples=(
        ("chatctl alias bob~k3f9 Bobby", "a name of your own: *Bobby is nobody else"),
        ("chatctl alias Bobby ''", "take it away"),
        ("chatctl alias", "the names you gave"),
    ),
)
@click.argument("peer", type=utf8, metavar="[PEER]", required=False, shell_complete=candidates.people)
@click.argument("name", type=utf8, metavar="[NAME]", required=False)
@click.pass_obj
def alias_command(told: Invocation, peer: str | None, name: str | None) -> None:
    """Give somebody a name of your own, shown with a star in place of the nick; or list those you gave."""
    if peer is None:
        answer(told, "peer.aliases", told.rpc().call("peer.aliases"), lambda found: _show_names(told, found))
    elif name is None:
        raise click.UsageError("which name? '' takes it away")
    else:
        params = {"peer": peer, "alias": name}
        ask(told, "peer.alias", params, lambda change: told.say(render_peers.named(change)))


def _show_names(told: Invocation, found: Any) -> None:
    if found:
        told.out(render_peers.acquaintances(found, told.style, told.env.columns()))
    else:
        told.say("you gave nobody a name; chatctl alias PEER NAME does")
