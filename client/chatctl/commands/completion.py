"""`completion`: the script that makes a shell complete command lines, and the answers it asks for."""

from typing import TYPE_CHECKING

import click

from chatctl.commands.answering import MISSHAPEN
from chatctl.failures import BadUsage, ClientFailure
from chatctl.invocation import Invocation
from chatctl.options import Command, complete_variable

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

SHELLS = ("bash", "zsh", "fish")
PROGRAMS = ("chatctl", "chat", "chatd")


@click.command(
    "completion",
    cls=Command,
    examples=(
        ("source <(chatctl completion bash)", "in ~/.bashrc; zsh in ~/.zshrc, after compinit"),
        ("chatctl completion fish > ~/.config/fish/completions/chatctl.fish", "fish, once and for all"),
        ("source <(chatctl completion bash chat)", "for the REPL's own command line"),
    ),
)
@click.argument("shell", type=click.Choice(SHELLS), metavar="bash|zsh|fish")
@click.argument("program", type=click.Choice(PROGRAMS), default="chatctl", metavar="[PROGRAM]")
@click.pass_obj
def completion_command(told: Invocation, shell: str, program: str) -> None:
    """Print the script that completes commands, options, rooms, people and methods when Tab is pressed.

    PROGRAM is chatctl, chat or chatd. Rooms and people are asked of the daemon, if it runs.
    """
    script = _adapter(shell, completion_command, told, program).source()
    if told.as_json:
        told.document({"shell": shell, "program": program, "script": script})
    else:
        told.out(script.rstrip("\n"))


def answer_shell(told: Invocation, command: click.Command, asked: str) -> None:
    """`asked` is `SHELL_complete`. An error has no place on a line that somebody is typing: then nothing."""
    adapter = _adapter(asked.partition("_")[0], command, told, told.program)
    try:
        told.out(adapter.complete())
    except (ClientFailure, click.UsageError, *MISSHAPEN):
        return


def _adapter(shell: str, command: click.Command, told: Invocation, program: str) -> "ShellComplete":
    from chatctl.completing import ADAPTERS  # noqa: PLC0415 - only a completion needs it

    if shell not in ADAPTERS:
        raise BadUsage(f"no completion for the shell {shell!r}", f"there is {', '.join(SHELLS)}")
    return ADAPTERS[shell](command, {"obj": told}, program, complete_variable(program))
