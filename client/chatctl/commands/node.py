"""`status`, `stats`, `id`, `nick`, `call` and `stop`: the daemon itself."""

import json
import time
from typing import Any

import click

from chatctl import candidates, reach, render
from chatctl.commands.answering import answer, ask
from chatctl.failures import BadUsage, DaemonUnreachable, RpcRefused, TimedOut
from chatctl.invocation import Invocation
from chatctl.jsonrpc import METHOD_NOT_FOUND
from chatctl.limits import MIN_PATIENCE_S, POLL_S
from chatctl.options import Command, seconds, suggestion, utf8


@click.command(
    "status",
    cls=Command,
    examples=(
        ("chatctl status", "how the daemon is doing"),
        ("chatd & chatctl status --wait 10", "go on once it answers"),
        ("chatctl status --caught-up 60", "once what was missed is here"),
        ("chatctl status 0123456789", "how far a message you sent has come"),
    ),
)
@click.option(
    "--wait",
    type=seconds,
    metavar="SECONDS",
    help="Wait until the daemon answers.",
)
@click.option(
    "--caught-up",
    type=seconds,
    metavar="SECONDS",
    help="Wait until the history that linked members have is here.",
)
@click.argument("message", type=utf8, metavar="[MESSAGE_ID]", required=False)
@click.pass_obj
def status_command(
    told: Invocation, *, wait: float | None, caught_up: float | None, message: str | None
) -> None:
    """Show how the daemon is doing, or how far a message of yours has come."""
    if caught_up is not None:
        from chatctl.commands.catching_up import wait_until_caught_up  # noqa: PLC0415 - seldom asked for

        if wait is not None:
            _wait_for_status(told, wait)
        wait_until_caught_up(told, caught_up)
    if message is not None:
        from chatctl.commands.delivery import show_message  # noqa: PLC0415 - seldom asked for

        if wait is not None:
            _wait_for_status(told, wait)
        show_message(told, message)
        return
    result = told.rpc().call("node.status") if wait is None else _wait_for_status(told, wait)
    answer(told, "node.status", result, lambda shown: told.out(render.status(shown, told.style)))


def _wait_for_status(told: Invocation, wait_s: float) -> Any:
    end = time.monotonic() + wait_s
    while True:
        left = end - time.monotonic()
        try:
            return told.rpc(min(told.timeout_s, max(left, MIN_PATIENCE_S))).call("node.status")
        except DaemonUnreachable as error:
            if not error.transient or left <= POLL_S:
                raise
        except TimedOut as error:
            if left <= told.timeout_s:
                where = told.place.socket
                raise DaemonUnreachable(
                    where, f"the daemon at {where} does not answer", error.hint
                ) from error
        time.sleep(POLL_S)


@click.command("stats", cls=Command, examples=(("chatctl stats --json | jq .bytes_in", "one counter"),))
@click.pass_obj
def stats_command(told: Invocation) -> None:
    """Show what the daemon has counted since it started.

    \b
    copies_per_message    copies of others' messages that came, over the new ones: about 2
    messages_duplicate    copies of what was there already
    messages_forwarded    copies handed on
    messages_degraded     copies of which a slow peer got the id only
    messages_dropped      what a full queue did not take
    prunes                times a neighbour was asked to push an author no more
    grafts                messages asked for after an announcement
    missing_then_fetched  messages that came only because of that
    broken_promises       announced, asked for, and never sent by that peer
    repairs               times a room's history was compared with a peer's
    repaired              messages that came because of that
    repairs_failed        comparisons that the peer did not answer, or wrongly
    eager_links           of a room: neighbours the average author is pushed to
    lazy_links            neighbours to whom it is only announced
    spare_links           other linked members
    refused               what was not taken, by reason
    """
    ask(told, "node.stats", None, lambda shown: told.out(render.stats(shown, told.style)))


@click.command("id", cls=Command, examples=(("chatctl id --json | jq -r .peer_id", "this node's peer id"),))
@click.pass_obj
def id_command(told: Invocation) -> None:
    """Show who this node is."""
    ask(told, "identity.show", None, lambda shown: told.out(render.identity(shown, told.style)))


@click.command("nick", cls=Command, examples=(("chatctl nick ann", "be called ann from now on"),))
@click.argument("name", type=utf8, metavar="NAME")
@click.pass_obj
def nick_command(told: Invocation, name: str) -> None:
    """Take another name; every room hears of it at once.

    It lasts until the daemon starts again, with the name its settings give.
    """

    def show(change: Any) -> None:
        lasts = f", {render.NAME_LASTS}" if change["changed"] else ""
        told.say(f"{render.renamed(change)}{lasts}")

    ask(told, "node.rename", {"username": name}, show)


@click.command(
    "call",
    cls=Command,
    examples=(
        ("chatctl call node.status", "a method without parameters"),
        ("chatctl call message.history '{\"limit\": 5}'", "parameters by name"),
        ("chatctl call room.join '[\"rust\"]'", "or by position"),
    ),
)
@click.argument("method", type=utf8, metavar="METHOD", shell_complete=candidates.methods)
@click.argument("params", type=utf8, metavar="[JSON]", required=False)
@click.pass_obj
def call_command(told: Invocation, method: str, params: str | None) -> None:
    """Call any method of the daemon's API; prints its result as JSON."""
    try:
        told.document(told.rpc().call(method, _parse(params)))
    except RpcRefused as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        raise RpcRefused(
            error.code, f"there is no method {method!r}", error.kind, _nearest(method)
        ) from error


def _parse(params: str | None) -> dict[str, Any] | list[Any] | None:
    if params is None:
        return None
    try:
        parsed = json.loads(params)
    except ValueError as error:
        raise BadUsage(
            f"the parameters are not JSON: {error}", 'quote them: \'{"name": "value"}\''
        ) from error
    except RecursionError as error:
        raise BadUsage("the parameters are JSON nested too deep", "no method takes that") from error
    if not isinstance(parsed, dict | list):
        raise BadUsage("the parameters are neither a JSON object nor an array", "write {...} or [...]")
    return parsed


def _nearest(method: str) -> str:
    from chatcore.api import METHODS  # noqa: PLC0415 - building the table costs 30 ms

    return suggestion(method, METHODS, f"there are: {', '.join(METHODS)}")


@click.command(
    "stop", cls=Command, examples=(("chatctl stop", "stop the daemon, and wait until it is gone"),)
)
@click.pass_obj
def stop_command(told: Invocation) -> None:
    """Stop the daemon, and wait until it is gone."""
    result = told.rpc().call("node.stop")
    _wait_until_gone(told)
    answer(told, "node.stop", result, lambda _: told.say("the daemon has stopped"))


def _wait_until_gone(told: Invocation) -> None:
    end = time.monotonic() + told.timeout_s
    while (left := end - time.monotonic()) > 0:
        try:
            told.rpc(max(left, MIN_PATIENCE_S)).call("node.status")
        except DaemonUnreachable:
            if not reach.is_held(told.place):  # it is still putting things in order
                return
        except (RpcRefused, TimedOut):
            pass  # it is on its way out
        time.sleep(POLL_S)
    raise TimedOut(
        "the daemon did not stop", told.timeout_s, "give it longer with --timeout, or look at its log"
    )
